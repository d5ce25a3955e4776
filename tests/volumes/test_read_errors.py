"""Chunks that are not there are counted, chunks that cannot be had are never filled."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from imgcrawl.download.downloader import Downloader
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.crop import read as reading
from tests.download import harness
from tests.volumes import stores
from tests.volumes.stores import Served, crop, level, read, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Crop, Raw

SHAPE = (48, 48, 48)
VOXELS = np.random.default_rng(1).integers(1, 255, SHAPE).astype(np.uint8)
QUICK: dict[str, Any] = {"RETRY_BACKOFF_BASE": 0.01}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[stores.Store]:
    spec = stores.v2(SHAPE, (16, 16, 16), "|u1", compressor=None)
    stores.write(tmp_path / "a", spec, VOXELS)
    with serving(tmp_path) as served:
        yield served


def whole(store: stores.Store) -> Crop:
    return crop(level(f"{store.url}a/", "zarr", "zyx"), (0, 0, 0), SHAPE)


def failure(store: stores.Store, path: Path, **settings: Any) -> RecordMissing:
    with pytest.raises(RecordMissing) as caught:
        read(whole(store), path, **{**QUICK, **settings})
    return caught.value


@pytest.mark.parametrize("status", [404, 403])
def test_what_is_absent_is_filled_and_counted(
    store: stores.Store, tmp_path: Path, status: int
) -> None:
    (tmp_path / "a" / "1.1.1").unlink()
    (tmp_path / "a" / "0.0.2").unlink()
    store.fault(lambda s, path: not (tmp_path / path[1:]).is_file() and s.say(status))
    raw, found = read(whole(store), tmp_path / "raw")
    wanted = VOXELS.copy()
    wanted[16:32, 16:32, 16:32] = 0
    wanted[:16, :16, 32:] = 0
    np.testing.assert_array_equal(found[0], wanted)
    assert (raw.chunks.present, raw.chunks.missing, raw.chunks.forbidden) == (25, 2, 0)


def test_the_fill_value_is_the_arrays_own(tmp_path: Path) -> None:
    voxels = np.full((32, 32, 32), 9, np.uint16)
    spec = stores.v3((32, 32, 32), (8, 8, 8), (16, 16, 16))
    stores.write(tmp_path / "a", spec, voxels, np.s_[:16])
    with serving(tmp_path) as store:
        wanted = crop(
            level(f"{store.url}a/", "zarr3", "zyx", dtype="uint16"), (8, 0, 0), (24, 8, 8)
        )
        raw, found = read(wanted, tmp_path / "raw")
    assert (found[0, :8] == 9).all()
    assert (found[0, 8:] == 7).all()
    assert (raw.chunks.present, raw.chunks.missing) == (1, 2)


def test_what_is_forbidden_is_never_filled(store: stores.Store, tmp_path: Path) -> None:
    store.fault(lambda s, path: path in {"/a/1.1.1", "/a/0.0.1"} and s.say(403))
    error = failure(store, tmp_path / "raw")
    assert error.outcome is Outcome.FORBIDDEN
    assert "2 chunks" in error.message
    assert "25 present, 0 missing" in error.message


@pytest.mark.parametrize(
    ("status", "outcome"), [(500, Outcome.SERVER_ERROR), (429, Outcome.RATE_LIMITED)]
)
def test_errors_are_never_filled(
    store: stores.Store, tmp_path: Path, status: int, outcome: Outcome
) -> None:
    store.fault(lambda s, path: path == "/a/1.1.1" and s.say(status))
    error = failure(store, tmp_path / "raw")
    assert error.outcome is outcome
    assert "/a/1.1.1" in error.message


def test_bursts_of_errors_pass(store: stores.Store, tmp_path: Path) -> None:
    left = dict.fromkeys(("/a/.zarray", "/a/0.1.0", "/a/2.2.2"), 2)

    def fault(served: Served, path: str) -> bool:
        if left.get(path, 0):
            left[path] -= 1
            return served.say(500 if path != "/a/0.1.0" else 503)
        return False

    store.fault(fault)
    raw, found = read(whole(store), tmp_path / "raw", **QUICK)
    np.testing.assert_array_equal(found[0], VOXELS)
    assert raw.chunks.missing == 0


def test_a_pause_that_the_host_asks_for_is_kept(store: stores.Store, tmp_path: Path) -> None:
    said: list[float] = []
    early: list[str] = []

    def fault(served: Served, path: str) -> bool:
        if path == "/a/0.0.0" and len(said) < 2:
            said.append(time.monotonic())
            return served.say(429, Retry_After="4")
        # What is on its way already may end, on a busy machine too.
        if len(said) == 2 and said[1] + 1.7 < time.monotonic() < said[1] + 3.7:
            early.append(path)
        return False

    store.fault(fault)
    _, found = read(whole(store), tmp_path / "raw")
    np.testing.assert_array_equal(found[0], VOXELS)
    assert not early


def test_a_page_in_place_of_a_chunk_is_no_absence(store: stores.Store, tmp_path: Path) -> None:
    """Some servers answer whatever they have not with their first page, or one to log in."""
    (tmp_path / "a" / "1.1.1").unlink()
    page = b"<!doctype html><html><head><title>Data</title></head><body>Welcome</body></html>"
    store.fault(
        lambda s, path: path.startswith("/a/") and not (tmp_path / path[1:]).is_file()
        and s.say(200, page, Content_Type="text/html")
    )  # fmt: skip
    error = failure(store, tmp_path / "raw")
    assert error.outcome is Outcome.NOT_IMAGE
    assert "no object but an HTML page at" in error.message
    assert error.message.endswith("a/1.1.1: nobody knows whether one is there")


def test_a_truncated_chunk_says_so(store: stores.Store, tmp_path: Path) -> None:
    path = tmp_path / "a" / "1.0.1"
    path.write_bytes(path.read_bytes()[:1000])
    error = failure(store, tmp_path / "raw")
    assert error.outcome in {Outcome.TRUNCATED, Outcome.CORRUPT}
    assert "/a/1.0.1" in error.message


def test_a_cut_connection_passes_once_and_ends_a_crop_twice(
    store: stores.Store, tmp_path: Path
) -> None:
    cuts: list[str] = []
    most = 1

    def fault(served: Served, path: str) -> bool:
        if path == "/a/1.0.1" and len(cuts) < most:
            cuts.append(path)
            served.say(200, served.body()[:100], Content_Length="4096")
            served.close_connection = True
            return True
        return False

    store.fault(fault)
    _, found = read(whole(store), tmp_path / "raw", **QUICK)
    np.testing.assert_array_equal(found[0], VOXELS)
    most = 1000
    error = failure(store, tmp_path / "raw2")
    assert error.outcome in {Outcome.TRUNCATED, Outcome.CONNECTION_LOST}


def test_a_redirect_is_not_followed_past_the_guard(store: stores.Store, tmp_path: Path) -> None:
    store.fault(lambda s, path: path == "/a/0.0.0" and s.say(302, Location="http://127.0.0.2:9/x"))
    assert failure(store, tmp_path / "raw").outcome is Outcome.BLOCKED_ADDRESS


def test_a_private_address_is_not_asked(store: stores.Store, tmp_path: Path) -> None:
    error = failure(store, tmp_path / "raw", ALLOWED_PRIVATE_NETWORKS=[])
    assert error.outcome is Outcome.BLOCKED_ADDRESS
    wanted = crop(
        level(store.url.replace("127.0.0.1", "localhost"), "zarr", "zyx"), (0, 0, 0), SHAPE
    )
    with pytest.raises(RecordMissing, match="localhost leads to"):
        read(wanted, tmp_path / "raw", ALLOWED_PRIVATE_NETWORKS=[])
    assert not store.asked


def test_the_checked_address_is_asked_by_the_hosts_name(
    store: stores.Store, tmp_path: Path
) -> None:
    hosts: set[str | None] = set()

    def fault(served: Served, path: str) -> bool:
        hosts.add(served.headers["Host"])
        return path == "/a/1.1.1" and served.say(500)

    store.fault(fault)
    url = store.url.replace("127.0.0.1", "localhost")
    wanted = crop(level(f"{url}a/", "zarr", "zyx"), (0, 0, 0), SHAPE)
    allowed = ["127.0.0.1/32", "::1/128"]
    with pytest.raises(RecordMissing, match=f"{url}a/1.1.1"):
        read(wanted, tmp_path / "raw", ALLOWED_PRIVATE_NETWORKS=allowed, **QUICK)
    assert hosts == {url.split("/")[2]}


def test_no_array_and_another_array(store: stores.Store, tmp_path: Path) -> None:
    nothing = crop(level(f"{store.url}b/", "zarr", "zyx"), (0, 0, 0), SHAPE)
    with pytest.raises(RecordMissing) as caught:
        read(nothing, tmp_path / "raw")
    assert caught.value.outcome is Outcome.NOT_FOUND
    other = crop(level(f"{store.url}a/", "zarr", "zyx", dtype="uint16"), (0, 0, 0), SHAPE)
    with pytest.raises(RecordMissing, match="not what its documents say"):
        read(other, tmp_path / "raw")
    beyond = crop(level(f"{store.url}a/", "zarr", "zyx"), (0, 0, 40), (8, 8, 9))
    with pytest.raises(RecordMissing, match="outside"):
        read(beyond, tmp_path / "raw")


def test_a_stopped_run_keeps_its_journal_and_goes_on(
    store: stores.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 5000)
    path = tmp_path / "raw"

    async def main(crawler: Crawler) -> None:
        def stop(done: int, whole: int) -> None:
            Downloader.of(crawler).interrupt()  # with the first block: sixteen are under way

        await reading.read_crop(crawler, whole(store), path, progress=stop)

    with pytest.raises(RecordMissing) as caught:
        harness.crawl(main)
    assert caught.value.outcome is Outcome.INTERRUPTED
    before = {asked for asked in store.asked if not asked.endswith(".zarray")}
    assert _n_lines(tmp_path / "raw.blocks") == 1 + len(before)  # all under way were finished
    store.asked.clear()
    raw, found = read(whole(store), path)
    np.testing.assert_array_equal(found[0], VOXELS)
    assert raw.chunks.present == 27
    # In sets: a request whose connection is lost is made twice.
    after = {asked for asked in store.asked if not asked.endswith(".zarray")}
    assert len(before | after) == 27
    assert not before & after


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["none", "cut line", "garbage", "other crop", "no file"])
def test_a_killed_run_goes_on(store: stores.Store, tmp_path: Path, harm: str) -> None:
    """What a journal cannot be trusted for is read anew."""
    script = f"""
import sys; sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from imgcrawl.volumes.crop import read as reading
from tests.volumes.test_read_errors import *
reading.BLOCK = 5000
class Url: url = {store.url!r}
read(whole(Url), Path({str(tmp_path / "raw")!r}))
"""
    seen: list[str] = []

    def slow(served: Served, path: str) -> bool:
        seen.append(path)
        if len(seen) > 14:
            time.sleep(5)
        return False

    store.fault(slow)
    process = subprocess.Popen([sys.executable, "-c", script])
    until = time.monotonic() + 60
    journal = tmp_path / "raw.blocks"
    # So many blocks are under way at once that they are asked for before the first is written.
    while time.monotonic() < until and (len(seen) <= 14 or _n_lines(journal) < 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store.fault(None)
    lines = journal.read_text().splitlines()
    assert 2 <= len(lines) < 28
    if harm == "cut line":
        journal.write_text(journal.read_text() + "2")
    elif harm == "garbage":
        journal.write_bytes(b"\xff\x00{}")
    elif harm == "other crop":
        journal.write_text(journal.read_text().replace('"start": 0', '"start": 1', 1))
    elif harm == "no file":
        (tmp_path / "raw").unlink()
    store.asked.clear()
    raw, found = _small_blocks(store, tmp_path / "raw")
    np.testing.assert_array_equal(found[0], VOXELS)
    assert raw.chunks.present == 27
    again = harm in {"garbage", "other crop", "no file"}
    assert len(store.asked) == 1 + 27 - (0 if again else len(lines) - 1)


def _n_lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def _small_blocks(store: stores.Store, path: Path) -> tuple[Raw, np.ndarray[Any, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK", 5000)
        return read(whole(store), path)


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up(store: stores.Store, tmp_path: Path) -> None:
    """In a process of its own: tensorstore takes its time limits once."""
    script = f"""
import sys; sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from tests.volumes.test_read_errors import *
class Url: url = {store.url!r}
try:
    read(whole(Url), Path({str(tmp_path / "raw")!r}), DOWNLOAD_TIMEOUT=1, **QUICK)
except RecordMissing as error:
    print(error.outcome)
"""
    store.fault(lambda s, path: path == "/a/1.1.1" and not stores.waits(8))
    # The crawls of the tests before have set the limits of this process.
    env = {k: v for k, v in os.environ.items() if not k.startswith("TENSORSTORE_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=env,
    )
    assert done.stdout.strip() == "timeout"


def test_the_loop_goes_on_meanwhile(store: stores.Store, tmp_path: Path) -> None:
    async def main(crawler: Crawler) -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        store.fault(lambda s, path: path == "/a/1.1.1" and stores.waits(0.5))
        await reading.read_crop(crawler, whole(store), tmp_path / "raw")
        ticking.cancel()
        return ticks

    assert harness.crawl(main) > 10

"""Several jobs at one host: what they ask of it together, and what they tell each other."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.host_budget import default_folder, open_registry
from imgcrawl.download.host_registry import HostKey, HostRecord, HostRegistry
from tests.conftest import ROOT, Crawler, until
from tests.download.harness import crawl as in_process
from tests.download.harness import outcomes
from tests.download.server import Answer, Asked, Connection, Server, after, http
from tests.pictures.samples import saved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy.crawler import Crawler as ScrapyCrawler

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="locks of open files are Linux's")

PICTURE = saved("JPEG")
HOST = HostKey.of("images.example.org")


@pytest.fixture
def several(tmp_path: Path) -> Crawler:
    """Crawls against a server of the test's own, which share the hosts of this test."""
    return Crawler(tmp_path, None)


@contextmanager
def served(answer: Answer) -> Iterator[Server]:
    """A server in a thread, for crawls in processes of their own."""
    server, started, ended = Server({"*": answer}), threading.Event(), threading.Event()

    async def serve() -> None:
        async with server:
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        ended.set()
        thread.join()


def pictures(delay: float = 0.0) -> Answer:
    """A picture of its own for each address, after some seconds."""

    async def answer(asked: Asked, connection: Connection) -> bytes:
        await asyncio.sleep(delay)
        return http(PICTURE + asked.path.encode(), 200, "Content-Type: image/jpeg")

    return answer


def started(crawler: Crawler, server: Server, job: str, n: int, **given: Any) -> Any:
    listed = crawler.tmp_path / f"{job}.txt"
    listed.write_text("".join(f"{server.url(f'/{job}/{k}.jpg')}\n" for k in range(n)))
    own = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32", "HOST_BUDGET": crawler.tmp_path / "hosts"}
    given = {"ROBOTSTXT_OBEY": 0, **own, **given}
    return crawler.start("urls", out=job, list=listed, settings=given)


@pytest.mark.slow
def test_jobs_side_by_side_keep_one_limit_and_share_it(several: Crawler) -> None:
    limit = {"CONCURRENT_REQUESTS_PER_DOMAIN": 4}
    with served(pictures(0.05)) as server:
        jobs = [started(several, server, name, 60, **limit) for name in "abc"]
        assert [job.wait(60) for job in jobs] == [0, 0, 0]
    assert 3 <= server.most_active <= 4
    # None waits until another is done: the first twelfth of each comes before the last half of any.
    order = [asked.path[1] for asked in server.asked]
    began = [order.index(name) for name in "abc"]
    together = order[max(began) : max(began) + 60]
    assert all(together.count(name) >= 10 for name in "abc"), "".join(order)


def test_jobs_side_by_side_keep_one_delay(several: Crawler) -> None:
    delay = {"DOWNLOAD_DELAY": 0.15, "DOWNLOAD_DELAY_JITTER": 0}
    with served(pictures()) as server:
        jobs = [started(several, server, name, 8, **delay) for name in "abc"]
        assert [job.wait(60) for job in jobs] == [0, 0, 0]
    at = [asked.at for asked in server.asked]
    assert len(at) == 24
    # On their way they may come nearer to each other: each job by itself would take a second.
    assert at[-1] - at[0] >= 23 * 0.15 - 0.1
    assert all(later - at[k] >= 5 * 0.15 - 0.2 for k, later in enumerate(at[5:]))


@pytest.mark.slow
def test_a_pause_that_one_job_is_asked_for_is_kept_by_all(several: Crawler) -> None:
    asked_for = threading.Event()

    async def answer(asked: Asked, connection: Connection) -> bytes:
        await asyncio.sleep(0.02)
        if asked.path == "/a/5.jpg" and not asked_for.is_set():
            asked_for.set()
            return http(b"", 429, "Retry-After: 2")
        return http(PICTURE + asked.path.encode(), 200, "Content-Type: image/jpeg")

    with served(answer) as server:
        jobs = [started(several, server, "b", 400), started(several, server, "a", 10)]
        assert [job.wait(60) for job in jobs] == [0, 0]
    limited = next(asked.at for asked in server.asked if asked.path == "/a/5.jpg")
    late = [asked.path for asked in server.asked if limited + 0.3 < asked.at < limited + 1.9]
    assert late == []
    assert any(asked.at > limited + 1.9 and asked.path[1] == "b" for asked in server.asked)


def test_a_host_that_one_job_gave_up_is_asked_once_by_the_next(tmp_path: Path) -> None:
    breaker = {"HOST_FAILURES": 2, "HOST_COOLDOWN": 0.05, "HOST_PROBES": 1, "RETRY_TIMES": 0}
    given = {**breaker, "HOST_BUDGET": str(tmp_path), "CONCURRENT_REQUESTS_PER_DOMAIN": 1}

    async def dead(asked: Asked, connection: Connection) -> None:
        connection.reset()

    async def main(crawler: ScrapyCrawler) -> tuple[list[str], int]:
        async with Server({"*": answer.pop()}) as server:
            found = await outcomes(crawler, [server.url(f"/{k}") for k in range(8)])
            return found, len(server.asked)

    answer: list[Answer] = [http(b"abc"), dead, dead]
    first, _ = in_process(main, **given)
    assert first.count("connection_lost") >= 3
    assert first.count("host_down") >= 4
    # The next has one try of its own, and believes it then.
    second, _ = in_process(main, **given)
    assert (second.count("connection_lost"), second.count("host_down")) == (1, 7)
    # And that the host is back is told as well.
    third, n_third = in_process(main, **given)
    assert (set(third), n_third) == ({"200"}, 8)
    assert HostRegistry(tmp_path).read(HostKey.of("127.0.0.1")).is_well()


def test_a_host_that_asked_to_be_left_alone_is_left_alone_by_the_next(tmp_path: Path) -> None:
    given = {"HOST_BUDGET": str(tmp_path), "CONCURRENT_REQUESTS_PER_DOMAIN": 1}

    async def main(crawler: ScrapyCrawler) -> tuple[str, int]:
        async with Server({"*": http(b"", 503, "Retry-After: 86400")}) as server:
            found = await outcomes(crawler, [server.url("/1")])
            error = Downloader.of(crawler).hosts.given_up("127.0.0.1")
            assert error is not None
            assert "HTTP 503" in error.message
            return found[0], len(server.asked)

    assert in_process(main, **given) == ("503", 1)
    assert in_process(_second, **given) == "host_down"


async def _second(crawler: ScrapyCrawler) -> str:
    async with Server({"*": http(b"abc")}) as server:
        found = await outcomes(crawler, [server.url("/1")])
        # What others know is read with the first request that is due.
        assert len(server.asked) == 0
        return found[0]


def test_a_killed_job_gives_back_its_places(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from imgcrawl.download.host_registry import HostKey, HostRegistry\n"
        "registry = HostRegistry(Path(sys.argv[1])); host = HostKey.of('images.example.org')\n"
        "print([registry.take(host, k) for k in range(3)], registry.want(host), flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "[True, True, True] 0\n"
        registry = HostRegistry(tmp_path)
        assert [registry.take(HOST, k) for k in range(4)] == [False, False, False, True]
        assert registry.others(HOST) == [0]
        job.send_signal(signal.SIGKILL)
        job.wait()
    assert [registry.take(HOST, k) for k in range(3)] == [True, True, True]
    assert registry.others(HOST) == []


def test_a_suspended_job_keeps_no_other_waiting(several: Crawler) -> None:
    async def answer(asked: Asked, connection: Connection) -> bytes:
        await asyncio.sleep(30 if asked.path[1] == "a" else 0.01)
        return http(PICTURE + asked.path.encode(), 200, "Content-Type: image/jpeg")

    limit = {"CONCURRENT_REQUESTS_PER_DOMAIN": 2}
    with served(answer) as server:
        suspended = started(several, server, "a", 9, **limit)
        try:
            until(lambda: len(server.asked) == 2)
            suspended.send_signal(signal.SIGSTOP)
            assert started(several, server, "b", 30, **limit).wait(30) == 0
        finally:
            suspended.kill()
            suspended.communicate()
    assert server.most_active <= 2 + 2


# A file that is damaged, gone, or not to be had


@pytest.mark.slow
def test_a_job_goes_on_whatever_becomes_of_the_file(several: Crawler) -> None:
    folder = several.tmp_path / "hosts"
    folder.mkdir()
    (folder / "hosts").write_bytes(random.Random(1).randbytes(5_000_000))
    with served(pictures(0.01)) as server:
        job = started(several, server, "a", 600)
        until(lambda: len(server.asked) > 30)
        (folder / "hosts").write_bytes(random.Random(2).randbytes(4096))  # cut, and overwritten
        until(lambda: len(server.asked) > 200)
        (folder / "hosts").unlink()
        log, _ = job.communicate(timeout=60)
        assert job.returncode == 0, log
    assert log.count("is begun anew") >= 1, log
    assert len(several.out("a").rows()) == 600


@pytest.mark.parametrize("place", ["a file", "another's link"])
def test_without_a_file_a_job_keeps_its_limits_alone(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "hosts"
    if place == "a file":
        folder.write_bytes(b"")
    else:
        folder.symlink_to(tmp_path / "elsewhere")
    given = {"HOST_BUDGET": str(folder), "SHARD_WORKERS": 4, "SHARD_MACHINES": 2}

    async def main(crawler: ScrapyCrawler) -> tuple[list[str], int]:
        async with Server({"*": after(0.02, http(b"abc"))}) as server:
            return await outcomes(
                crawler, [server.url(f"/{k}") for k in range(9)]
            ), server.most_active

    found, most = in_process(main, **given)
    assert set(found) == {"200"}
    assert most == 16 // 4  # as before there was such a file
    assert "keeps the limits of hosts for itself" in caplog.text
    _, most = in_process(main, **{**given, "HOST_BUDGET": str(tmp_path / "there")})
    assert most == 16 // 2


def test_records_that_no_job_has_written_are_none(tmp_path: Path) -> None:
    registry = HostRegistry(tmp_path)
    registry.write(HOST, HostRecord(paused_until=time.monotonic() + 9, note="HTTP 429"))
    assert registry.read(HOST).note == "HTTP 429"
    dice = random.Random(3)
    row = bytearray(registry.path.read_bytes()[HOST.row : HOST.row + 256])
    for _ in range(300):
        damaged = bytes(row[:16]) + dice.randbytes(len(row) - 16)
        with registry.path.open("r+b") as file:
            file.seek(HOST.row)
            file.write(damaged)
        found = registry.read(HOST)
        assert found.paused_until < time.monotonic() + 401 * 86400
        registry.write(HOST, HostRecord())
    assert registry.damaged > 200


def test_the_file_never_grows_and_the_oldest_makes_way(tmp_path: Path) -> None:
    registry = HostRegistry(tmp_path)
    size = registry.path.stat().st_size
    for number in range(40_000):
        registry.write(HostKey.of(f"host-{number}"), HostRecord(note="x"))
    assert registry.path.stat().st_size == size < 8 << 20
    newest = [registry.read(HostKey.of(f"host-{number}")).note for number in range(39_000, 40_000)]
    assert newest.count("x") > 990
    assert len([*registry.known()]) <= 16_384


@pytest.mark.slow
def test_what_is_shared_costs_a_request_little(tmp_path: Path) -> None:
    async def main(crawler: ScrapyCrawler) -> float:
        async with Server({"*": http(b"abc")}) as server:
            await outcomes(crawler, [server.url(f"/{k}") for k in range(50)])
            began = time.process_time()
            await outcomes(crawler, [server.url(f"/{k}") for k in range(1000)])
            return time.process_time() - began

    alone = min(in_process(main, HOST_BUDGET="off") for _ in range(2))
    shared = min(in_process(main, HOST_BUDGET=str(tmp_path)) for _ in range(2))
    assert shared - alone < 1000 * 0.0003  # seconds; 0.00005 where nothing else runs


def test_by_default_the_file_is_this_users_own() -> None:
    folder = default_folder()
    assert folder.name == f"imgcrawl-{os.getuid()}"
    assert open_registry({"HOST_BUDGET": "off"}) is None

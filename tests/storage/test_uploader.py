"""Uploads from the event loop: several at once, and what a failure does to the run."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.directory import LEDGER, METADATA, OutputDirectory
from imgcrawl.storage.uploader import FAILURES_IN_A_ROW, Uploader
from tests.stores import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stores import S3

PREFIX = "sets/a/"
SETTINGS = {
    "OUT_STORE": f"s3://{BUCKET}/{PREFIX}",
    "STORE_LOCK_STALE": 180,
    "STORE_CHECKPOINT": 0.1,
    "STORE_CONNECTIONS": 4,
    "STORE_PATIENCE": 2,
}


@contextmanager
def uploading(scratch: Path, said: list[str]) -> Iterator[tuple[Uploader, OutputDirectory]]:
    out = OutputDirectory(scratch)
    uploader = Uploader(out, SETTINGS, said.append)
    Ledger(out.root / LEDGER).close()
    try:
        yield uploader, out
    finally:
        uploader.close()
        out.close()


def write(out: OutputDirectory, *names: str) -> None:
    for name in names:
        path = out.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


@pytest.mark.slow
def test_files_and_folders_leave_together(s3: S3, tmp_path: Path) -> None:
    chunks = [f"v.zarr/s0/{number}" for number in range(70)]  # more than go at once
    said: list[str] = []
    with uploading(tmp_path, said) as (uploader, out):
        write(out, "images/1.jpg", "sizes/16/images/1.jpg", "sizes/32/images/1.png", *chunks)

        async def upload() -> None:
            await uploader.upload(["v.zarr", "images/1.jpg", "sizes/16/images/1.jpg"], {})

        asyncio.run(upload())
        objects = s3.objects(PREFIX)
        assert {*chunks, "images/1.jpg", "sizes/16/images/1.jpg"} <= set(objects)
        assert objects["v.zarr/s0/7"].data == b"v.zarr/s0/7"
        assert not (out.root / "v.zarr").exists()
        assert uploader.size("v.zarr") == sum(map(len, chunks))
        assert uploader.has_sizes("images/1.jpg", ["16"])
        assert not uploader.has_sizes("images/1.jpg", ["16", "32"])
        asyncio.run(uploader.discard("images/1.jpg"))
        assert "sizes/16/images/1.jpg" not in s3.objects(PREFIX)
        uploader.end()
    assert not said


def test_a_refusal_ends_the_run_and_the_file_waits(s3: S3, tmp_path: Path) -> None:
    said: list[str] = []
    with uploading(tmp_path, said) as (uploader, out):
        write(out, "images/1.jpg")
        s3.refused.append(f"PUT /{BUCKET}/{PREFIX}images/")
        with pytest.raises(StoreError, match="access is denied"):
            asyncio.run(uploader.upload(["images/1.jpg"], {}))
        assert len(said) == 1
        assert "access is denied" in said[0]
        assert uploader.pending
        uploader.end()
        assert (out.root / "images/1.jpg").exists()
        assert LEDGER in s3.objects(PREFIX)


def test_refusals_of_single_files_end_the_run_only_in_a_row(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with uploading(tmp_path, said) as (uploader, out):
        put = uploader._remote.store.put
        broken = True

        def put_or_fail(*args: object) -> None:
            if broken:
                raise StoreError("the store does not like it")
            put(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(uploader._remote.store, "put", put_or_fail)
        write(out, "images/1.jpg", "images/2.jpg")
        for number in range(2 * FAILURES_IN_A_ROW - 1):
            broken = number != FAILURES_IN_A_ROW - 1
            if broken:
                with pytest.raises(StoreError):
                    asyncio.run(uploader.upload(["images/1.jpg"], {}))
            else:
                asyncio.run(uploader.upload(["images/2.jpg"], {}))
        assert not said
        with pytest.raises(StoreError):
            asyncio.run(uploader.upload(["images/1.jpg"], {}))
        assert said == ["the store does not like it"]


@pytest.mark.slow
def test_while_the_store_takes_nothing_files_wait_and_one_at_a_time_is_tried(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    names = [f"images/{number}.jpg" for number in range(12)]
    with uploading(tmp_path, said) as (uploader, out):
        put, tries = uploader._remote.store.put, 0
        back_at = monotonic() + 1

        def put_or_fail(*args: object) -> None:
            nonlocal tries
            if monotonic() < back_at:
                tries += 1
                raise StoreError("it cannot be reached.", passing=True)
            put(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(uploader._remote.store, "put", put_or_fail)
        write(out, *names)

        def end(error: str) -> None:
            said.append(error)
            uploader.hurry()

        monkeypatch.setattr(uploader, "_failed", end)

        async def run() -> float:
            nonlocal back_at
            await asyncio.gather(*(uploader.upload([name], {}) for name in names))
            assert {*names} <= {*s3.objects(PREFIX)}
            assert tries <= 12 + 5  # each once, and then one of them now and then
            assert caplog.text.count("wait on this machine") == 1
            back_at = monotonic() + 1000
            write(out, *names)
            began = monotonic()
            ends = (uploader.upload([name], {}) for name in names)
            results = await asyncio.gather(*ends, return_exceptions=True)
            assert all(isinstance(result, StoreError) for result in results)
            return monotonic() - began

        # One that is out for longer ends the run: in seconds, however many files wait for it.
        assert 2 <= asyncio.run(run()) < 8
        assert said[0].startswith("it cannot be reached. What is not there yet is kept on this")
        assert uploader.pending


@pytest.mark.slow
def test_checkpoints_are_put_while_the_run_lasts(s3: S3, tmp_path: Path) -> None:
    said: list[str] = []
    with uploading(tmp_path, said) as (uploader, out):
        write(out, METADATA)

        async def run() -> None:
            await uploader.start(lambda: {METADATA: 4})
            for _ in range(200):
                if METADATA in s3.objects(PREFIX):
                    return
                await asyncio.sleep(0.05)

        asyncio.run(run())
        objects = s3.objects(PREFIX)
        assert objects[METADATA].data == METADATA.encode()[:4]
        assert LEDGER in objects
    assert not said

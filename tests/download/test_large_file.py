"""What an earlier run left of a large file: nothing but the right bytes ever ends in the result."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Headers, Response

from imgcrawl.download import partial_file, piece_sink, ranged
from imgcrawl.download.partial_file import PartialFile
from imgcrawl.download.ranged import LargeFile
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.download.harness import engine_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scrapy import Request

URL = "https://h.example/stack.bin"
DATA = Random(3).randbytes(50_000)
PIECE, STRETCH = 4096, 1024


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial_file, "PIECE", PIECE)
        patch.setattr(ranged, "PIECE", PIECE)
        patch.setattr(piece_sink, "STRETCH", STRETCH)
        patch.setattr(ranged, "NOTED_EVERY", (STRETCH, 0.0))
        yield


class Server:
    """An engine whose downloads come from a file in memory, by ranges.

    left: bytes that it sends before the connection is lost for good
    pause: seconds before each 300 bytes
    """

    def __init__(
        self,
        data: bytes = DATA,
        *,
        left: int | None = None,
        etag: str = '"1"',
        pause: float = 0.0,
    ) -> None:
        self.data, self.left, self.etag, self.pause = data, left, etag, pause
        self.sent: list[tuple[int, int]] = []

    @property
    def engine(self) -> Any:
        return engine_of(self.download)

    async def download(self, request: Request) -> Response:
        await asyncio.sleep(0)
        start, end = map(int, re.findall(rb"\d+", request.headers["Range"] or b""))
        end = min(end + 1, len(self.data))
        total = f"bytes {start}-{end - 1}/{len(self.data)}"
        headers = Headers({"Content-Range": total, "ETag": self.etag})
        sink = request.meta["sink"]
        sink.begin(206, headers, "http://a.example/x")
        for at in range(start, end, 300):
            if self.left is not None:
                self.left -= 300
                if self.left < 0:
                    raise RecordMissing(Outcome.CONNECTION_LOST, "cut")
            sink.write(self.data[at : min(at + 300, end)])
            await asyncio.sleep(self.pause)
        sink.end()
        self.sent.append((start, end))
        return Response(URL, status=206, headers=headers, request=request)


def fetch(path: Path, server: Server) -> tuple[str, bytes]:
    """Fetch to the end; return the digest that was told, and the bytes."""
    part = PartialFile.opened(path, URL)
    crawler: Any = server
    try:
        file = LargeFile(crawler, part, workers=3, progress=lambda received, size: None)
        sha256 = asyncio.run(file.fetch())
        part.finish()
    except RecordMissing:
        part.note()
        raise
    finally:
        part.close()
    return sha256, path.read_bytes()


def begun(path: Path, left: int = 30_000) -> None:
    with pytest.raises(RecordMissing):
        fetch(path, Server(left=left))
    assert path.with_suffix(".note").exists()


def whole(path: Path, server: Server) -> int:
    """Fetch the rest, which must end right; return how many bytes were sent for it."""
    sha256, data = fetch(path, server)
    assert data == server.data
    assert sha256 == hashlib.sha256(server.data).hexdigest()
    assert not path.with_suffix(".note").exists()
    return sum(end - start for start, end in server.sent)


def test_it_goes_on_from_where_it_was_cut(tmp_path: Path) -> None:
    begun(tmp_path / "x.part")
    assert whole(tmp_path / "x.part", Server()) < len(DATA) - 25_000


DAMAGES: dict[str, Callable[[bytes, int, int], bytes]] = {
    "zeros": lambda data, a, b: data[:a] + bytes(b - a) + data[b:],
    "cut": lambda data, a, b: data[:a],
    "shifted": lambda data, a, b: data[:a] + b"x" + data[a:],
    "other bytes": lambda data, a, b: data[:a] + bytes(255 - c for c in data[a:b]) + data[b:],
    "swapped": lambda data, a, b: data[:a] + data[b:][: b - a] + data[a:b] + data[2 * b - a :],
    "nothing": lambda data, a, b: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bytes_are_fetched_again_and_no_others(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.part"
    begun(path)
    path.write_bytes(DAMAGES[damage](path.read_bytes(), 5000, 5700))
    sent = whole(path, Server())
    assert "were damaged, and have been fetched again" in caplog.text
    if damage in {"zeros", "other bytes", "swapped"}:
        assert sent < len(DATA) - 25_000 + 3 * PIECE


@pytest.mark.slow
@given(
    left=st.integers(0, 50_000),
    changes=st.lists(st.tuples(st.integers(0, 49_999), st.binary(max_size=600)), max_size=5),
    cut=st.integers(0, 60_000),
)
def test_no_damage_at_all_ends_in_the_result(
    left: int,
    changes: list[tuple[int, bytes]],
    cut: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("damage") / "x.part"
    try:
        fetch(path, Server(left=left))
    except RecordMissing:
        data = bytearray(path.read_bytes())
        for at, piece in changes:
            data[at : at + len(piece)] = piece
        path.write_bytes(data[:cut])
        whole(path, Server())


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=80)), min_size=1, max_size=4))
def test_no_damage_of_the_journal_ends_in_the_result(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "x.part"
    begun(path)
    journal = path.with_suffix(".note")
    text = bytearray(journal.read_bytes())
    for at, piece in changes:
        text[at : at + len(piece)] = piece
    journal.write_bytes(text)
    whole(path, Server())


@pytest.mark.parametrize(
    "lines",
    [
        ['[0, 100, "00"]'],
        ["[0, 50000, null]", "[5, 4, 3]", "[1e999, 2, 3]", "[" * 5000],
        ['[-5, 10, "x"]', '[0.5, 10, "x"]', '[true, 10, "x"]', '[0, 99999999, "x"]'],
        [f'[{n}, {n + 7}, "x"]' for n in range(0, 5000, 3)],  # over one another
    ],
)
def test_claims_that_nobody_made_cost_a_fetch_and_no_more(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "x.part"
    path.write_bytes(bytes(len(DATA)))
    head = f'["{URL}", {len(DATA)}, "\\"1\\""]'
    path.with_suffix(".note").write_text("\n".join([head, *lines]))
    whole(path, Server())


def test_a_file_that_is_another_by_now_is_fetched_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    begun(path)
    other = Random(4).randbytes(40_000)
    assert whole(path, Server(other, etag='"2"')) >= len(other)


def test_what_comes_a_second_time_does_not_change_what_is_there(tmp_path: Path) -> None:
    part = PartialFile.opened(tmp_path / "x.part", URL)
    headers = Headers({"Content-Range": f"bytes 0-{PIECE - 1}/50000", "ETag": '"1"'})
    sink = piece_sink.PieceSink(part, 0, PIECE, lambda _: None)
    sink.begin(206, headers, "http://a.example/x")
    sink.write(DATA[:2000])  # a stretch of it is added, and the connection is lost
    assert part.prefix == 2000
    sink.begin(206, headers, "http://a.example/x")
    again = bytes(2000) + DATA[2000:PIECE]
    for at in range(0, PIECE, 300):
        sink.write(again[at : at + 300])
    sink.end()
    sink.add()
    part.close()
    assert part.prefix == PIECE
    assert (tmp_path / "x.part").read_bytes() == DATA[:PIECE]


@pytest.mark.parametrize("failing", [0, 2])
def test_what_a_disk_lost_is_no_part_of_the_file_though_later_syncs_succeed(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "x.part", 0

    def fdatasync(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing + 1:  # as Linux does: it tells each descriptor once
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fdatasync)
        with pytest.raises(RecordMissing) as failed:
            fetch(path, Server(pause=0.015))
    assert failed.value.outcome is Outcome.DISK_FULL
    claimed = sum(c.end - c.start for c in PartialFile.opened(path, URL).claims.values())
    assert (claimed > 0) is (failing > 0)
    sent = whole(path, Server())  # and of what the disk lost nothing was claimed
    assert len(DATA) - claimed <= sent <= len(DATA) - claimed + 2 * PIECE


def test_nothing_is_read_again_that_the_system_was_told_to_forget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread, forgotten, again = os.pread, 0, []

    def forget(fd: int, start: int, end: int, advice: int) -> None:
        nonlocal forgotten
        forgotten = max(forgotten, start + end)

    def read(fd: int, size: int, start: int) -> bytes:
        if start < forgotten:
            again.append(start)
        return pread(fd, size, start)

    monkeypatch.setattr(os, "posix_fadvise", forget)
    monkeypatch.setattr(os, "pread", read)
    whole(tmp_path / "x.part", Server(pause=0.015))
    assert forgotten > len(DATA) // 4
    assert not again

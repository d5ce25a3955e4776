"""UrlFile: a file with the lines of many synsets, such as fall11_urls.txt."""

from __future__ import annotations

import codecs
import io
import sqlite3
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.sources.imagenet.candidates import Candidate, read_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.lists.rows import MalformedRow

BLOCK = 1 << 19  # bytes
PREFIX = 9  # bytes of a line, "n01440764"


class UrlFile:
    """A file with the lines of many synsets: where those of each stand in it.

    Read once, in constant memory: what is kept are runs of lines of one synset, of which a sorted
    file (as all released ones are) has one each; they are in a temporary file of SQLite's own.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()
        self._runs = sqlite3.connect("", check_same_thread=False)
        self._runs.execute("CREATE TABLE runs (wnid TEXT, start INTEGER, end INTEGER)")

    def index(self, wanted: set[str], progress: Callable[[int], None] | None = None) -> None:
        """Find the lines of some synsets. `progress` is called with the number of bytes read."""
        names = {wnid.encode() for wnid in wanted}
        with self._path.open("rb", buffering=0) as file:
            self._runs.executemany(
                "INSERT INTO runs VALUES (?, ?, ?)",
                (
                    (prefix.decode(), start, end)
                    for prefix, start, end in _runs(file, progress)
                    if prefix in names
                ),
            )
        self._runs.execute("CREATE INDEX runs_wnid ON runs (wnid)")

    def candidates(self, wnid: str) -> Iterator[Candidate | MalformedRow]:
        """Yield the candidates of a synset that was indexed."""
        runs = self._runs.execute(
            "SELECT start, end FROM runs WHERE wnid = ? ORDER BY start", (wnid,)
        )
        with self._path.open("rb") as file:
            parts = io.BufferedReader(_Parts(file, runs.fetchall()))
            yield from read_candidates(parts, wnid, self._path.name)


def _runs(
    file: IO[bytes], progress: Callable[[int], None] | None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield (their beginning, start, end) of each stretch of lines that begin alike.

    A line is not looked at by itself: of 14 million that would be most of the time until the first
    picture.
    """
    import numpy as np  # noqa: PLC0415 - 20 MB, for this alone

    current, start, base, n_blocks = b"", 0, 0, 0
    rest, is_first = b"", True
    while block := file.read(BLOCK):
        text = rest + block
        if base == 0 and text.startswith(codecs.BOM_UTF8):
            base, text = len(codecs.BOM_UTF8), text.removeprefix(codecs.BOM_UTF8)
        data = np.frombuffer(text, np.uint8)
        starts = np.flatnonzero(data == ord("\n")) + 1
        if is_first:
            starts = np.concatenate([[0], starts])
        whole = starts[starts + PREFIX <= len(data)]
        prefixes = data[whole[:, None] + np.arange(PREFIX)]
        before = np.vstack([np.frombuffer(current.ljust(PREFIX, b"\0"), np.uint8), prefixes[:-1]])
        for at in whole[(prefixes != before[: len(whole)]).any(axis=1)].tolist():
            if current:
                yield current, start, base + at
            current, start = text[at : at + PREFIX], base + at
        # What is left begins where a line does, or within one: then its start was seen.
        left = len(whole) < len(starts)
        keep = int(starts[len(whole)]) if left else len(text)
        rest, is_first, base = text[keep:], left, base + keep
        n_blocks += 1
        if progress is not None and n_blocks % 64 == 0:
            progress(base)
    if current:
        yield current, start, base


class _Parts(io.RawIOBase):
    """Stretches of a file as one stream."""

    def __init__(self, file: IO[bytes], runs: list[tuple[int, int]]) -> None:
        self._file = file
        self._runs = runs[::-1]
        self._left = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # bytearray-likes
        while not self._left:
            if not self._runs:
                return 0
            start, end = self._runs.pop()
            self._file.seek(start)
            self._left = end - start
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

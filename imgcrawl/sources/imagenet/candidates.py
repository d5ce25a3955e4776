"""Lists of where pictures of a synset may be: lines of ImageNet's API and of its URL files.

A line is ``wnid_number<TAB>URL`` (fall11_urls.txt and the releases before it), ``wnid_number URL``
(the API's ``getmapping``, a single blank) or a URL alone (``geturls``, CRLF).
"""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.lines import MAX_LINE, lines
from imgcrawl.lists.rows import MalformedRow, excerpt
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NUMBERED = re.compile(r"(n\d{8})_(\d{1,12})[\t ]\s*(\S.*)")
LOOKED_AT = 100  # lines of a URL file, of which one must be numbered


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where a picture of a synset may be. `number` is the image's own, or one from its URL."""

    number: int
    url: str


class NoListError(Exception):
    """The API has no list of a synset; `broken`: not because of the synset, as far as one sees."""

    def __init__(self, message: str, *, broken: bool = False) -> None:
        super().__init__(message)
        self.broken = broken


def read_candidates(file: IO[bytes], wnid: str, where: str) -> Iterator[Candidate | MalformedRow]:
    """Yield the candidates in a list of one synset, each URL and number once, or malformed rows."""
    urls: set[str] = set()
    numbers: set[int] = set()
    for line in lines(file):
        if isinstance(line, MalformedRow):
            yield line
            continue
        at, text = line
        text = text.strip()
        numbered = _NUMBERED.match(text)
        url = numbered[3].strip() if numbered else text
        if not re.match(r"[a-z][a-z0-9+.-]*:", url, re.IGNORECASE) or " " in url:
            url = url.replace(" ", "%20")
            if not re.match(r"https?:", url, re.IGNORECASE):
                yield MalformedRow(at, f"{where}, line {at}", "no URL", excerpt(text))
                continue
        if numbered and numbered[1] != wnid:
            yield MalformedRow(
                at, f"{where}, line {at}", f"of {numbered[1]}, not of {wnid}", excerpt(text)
            )
            continue
        number = int(numbered[2]) if numbered else number_of(url)
        if url in urls:
            continue
        if number in numbers:
            yield MalformedRow(
                at, f"{where}, line {at}", f"a second {wnid}_{number}", excerpt(text)
            )
            continue
        urls.add(url)
        numbers.add(number)
        yield Candidate(number, url)


def number_of(url: str) -> int:
    """Return a number for a URL without one: the same in every run, of 15 digits at most."""
    return int.from_bytes(hashlib.sha256(url.encode("utf-8", "replace")).digest()[:6], "big")


def check_answer(body: bytes) -> None:
    """Raise NoListError if an answer with HTTP 200 is no list but a sentence or a page."""
    text = body[:4096].decode("latin-1").strip()
    if text == "Invalid url!":
        raise NoListError("image-net.org knows no such synset (it answers: Invalid url!)")
    if text.startswith("The synset is not ready"):
        raise NoListError(f"image-net.org has no pictures of it (it answers: {excerpt(text)})")
    if text.startswith("<"):
        page = f"image-net.org answered a web page in place of a list: {excerpt(text)}"
        raise NoListError(page, broken=True)
    if not text:
        raise NoListError("image-net.org answered an empty list")
    if not re.search(r"https?://", text, re.IGNORECASE):
        raise NoListError(f"image-net.org answered no list: {excerpt(text)}", broken=True)


class UrlFile:
    """A file with the lines of many synsets: where those of each stand in it.

    Read once, in constant memory: what is kept are runs of lines of one synset, of which a sorted
    file (as all released ones are) has one each; they are in a temporary file of SQLite's own.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()
        self._runs = sqlite3.connect("", check_same_thread=False)
        self._runs.execute("CREATE TABLE runs (wnid TEXT, start INTEGER, end INTEGER)")
        self.lines = 0

    def index(self, wanted: set[str], progress: Callable[[int], None] | None = None) -> None:
        """Find the lines of some synsets. `progress` is called with the number of bytes read."""
        names = {wnid.encode() for wnid in wanted}
        with self._path.open("rb", buffering=1 << 20) as file:
            self._runs.executemany(
                "INSERT INTO runs VALUES (?, ?, ?)", self._find(file, names, progress)
            )
        self._runs.execute("CREATE INDEX runs_wnid ON runs (wnid)")

    def _find(
        self, file: IO[bytes], names: set[bytes], progress: Callable[[int], None] | None
    ) -> Iterator[tuple[str, int, int]]:
        current, start, at, count = b"", 0, 0, 0
        for line in iter(partial(file.readline, MAX_LINE), b""):
            wnid = line[:9]
            if wnid != current:
                if current in names:
                    yield current.decode(), start, at
                current, start = wnid, at
            at += len(line)
            count += 1
            if progress is not None and not count & 0xFFFFF:
                progress(at)
        if current in names:
            yield current.decode(), start, at
        self.lines = count

    def candidates(self, wnid: str) -> Iterator[Candidate | MalformedRow]:
        """Yield the candidates of a synset that was indexed."""
        runs = self._runs.execute(
            "SELECT start, end FROM runs WHERE wnid = ? ORDER BY start", (wnid,)
        )
        with self._path.open("rb") as file:
            parts = io.BufferedReader(_Parts(file, runs.fetchall()))
            yield from read_candidates(parts, wnid, self._path.name)


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


def check_url_file(path: str) -> None:
    """Raise ArgumentError, with the first line, for a file that is no list of numbered URLs."""
    try:
        with Path(path).expanduser().open("rb") as file:
            head = [line for line, _ in zip(lines(file), range(LOOKED_AT), strict=False)]
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}.") from error
    texts = [line[1] for line in head if not isinstance(line, MalformedRow)]
    if not any(_NUMBERED.match(text) for text in texts):
        first = f"Its first line: {excerpt(texts[0])}" if texts else "It is empty."
        raise ArgumentError(
            f"{path} is no list of n01440764_10026<TAB>URL lines, such as fall11_urls.txt. {first}"
        )


def find_list(directory: Path, wnid: str) -> Path | None:
    """Return the file of a synset, ``n01440764`` or ``….txt``, in a folder with one a synset."""
    root = directory.expanduser()
    names = (wnid, f"{wnid}.txt", f"{wnid}.urls", f"{wnid}.csv")
    return next((path for name in names if (path := root / name).is_file()), None)

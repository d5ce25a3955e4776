"""Lists of where pictures of a synset may be: lines of ImageNet's API and of its URL files.

A line is ``wnid_number<TAB>URL`` (fall11_urls.txt and the releases before it), ``wnid_number URL``
(the API's ``getmapping``, a single blank) or a URL alone (``geturls``, CRLF).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.lines import lines
from imgcrawl.lists.rows import MalformedRow, excerpt
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

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

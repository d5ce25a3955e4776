"""Objects of a store: fetched through the engine, and checked against its list."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Unpack

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.partial_file import PartialFile
from imgcrawl.download.ranged import LargeFile
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.storage.digests import digests_of, is_md5

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy.http import Headers, Response

    from imgcrawl.download.meta import Meta
    from imgcrawl.storage.directory import OutputDirectory
    from imgcrawl.volumes.copy.listing import ListedObject

LARGE = 64 << 20  # bytes from which an object comes in pieces, and goes on where it stopped
MAX_LISTING = 32 << 20  # bytes of one page
MAX_DOCUMENT = 64 << 20  # consolidated ones of whole plates are long
CHECK_ROUNDS = 3  # times that an object is asked for whose bytes are not those of the list
_PLAIN = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """An object whose bytes lie in a file of its own, complete and checked; `tries`: requests."""

    file: Path
    size: int
    etag: str | None
    sha256: str
    tries: int


@dataclass(slots=True)
class _Answer:
    """The body that came for an object, and its headers."""

    file: Path
    size: int
    md5: str
    sha256: str
    headers: Headers | None

    def header(self, name: str) -> str:
        value = self.headers.get(name) if self.headers is not None else None
        return (value or b"").decode("latin-1").strip()

    @property
    def etag(self) -> str | None:
        return self.header("ETag").removeprefix("W/").strip('"') or None


class ObjectFetcher:
    """Fetches the objects of one copy, which is to lie at `target` below OUT."""

    def __init__(self, crawler: Crawler, out: OutputDirectory, target: str) -> None:
        self._crawler = crawler
        self._out = out
        self._target = target
        self._numbers = count()
        self._workers = crawler.settings.getint("FILE_CONNECTIONS")
        self._has_md5s = True  # until an ETag proves to be none

    async def request(self, url: str, **meta: Unpack[Meta]) -> Response:
        """Return the response to a URL, whatever its status. Raises RecordMissing without one."""
        about: Meta = {"media": True, "dont_cache": True, "download_maxsize": MAX_LISTING, **meta}
        request = Request(url, headers=_PLAIN, meta=dict(about), callback=NO_CALLBACK)
        response: Response = await self._crawler.engine.download_async(request)
        return response

    async def document(self, url: str) -> tuple[bytes | None, Response]:
        """Fetch a small body; return it, None for an absent one, and the response.

        Absent is what answers 401, 403, 404 or 410. Raises RecordMissing.
        """
        response = await self.request(url, download_maxsize=MAX_DOCUMENT)
        if response.status == 200:
            return response.body, response
        if response.status in {401, 403, 404, 410}:
            return None, response
        raise _failed(response)

    def new_file(self) -> Path:
        """Return an unused path on the disk of OUT."""
        return self._out.partial / f"{next(self._numbers)}.{id(self):x}.object"

    async def fetch(self, wanted: ListedObject) -> FetchedObject:
        """Fetch an object and check it. Raises RecordMissing, and OSError of the disk."""
        if wanted.size is not None and wanted.size >= LARGE:
            return await self._fetch_large(wanted)
        tries, before = 0, None
        for attempt in range(CHECK_ROUNDS):
            answer, n_tries = await self._fetch(wanted)
            tries += n_tries
            error = self._problem(wanted, answer)
            same = (answer.md5, answer.etag) == before
            as_listed = answer.size == wanted.size and answer.etag == wanted.etag
            if error is not None and same and as_listed:
                self._has_md5s, error = False, None  # it is the ETag that is not an MD5
            if error is None:
                etag = wanted.etag if answer.etag is None else answer.etag
                return FetchedObject(answer.file, answer.size, etag, answer.sha256, tries)
            answer.file.unlink()
            error.tries = tries
            if attempt == CHECK_ROUNDS - 1 or wanted.size is None:
                raise error
            before = answer.md5, answer.etag
        raise AssertionError  # the last attempt returns or raises

    async def _fetch(self, wanted: ListedObject) -> tuple[_Answer, int]:
        file = self.new_file()
        try:
            response = await self.request(wanted.url, download_maxsize=1 << 30, spool=str(file))
            if response.status != 200:
                raise _failed(response)
            body = None if "spooled" in response.flags else response.body
            answer = await asyncio.to_thread(_digest_answer, file, body, response.headers)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return answer, 1 + int(response.meta.get("retry_times", 0))

    async def _fetch_large(self, wanted: ListedObject) -> FetchedObject:
        name = hashlib.sha256(f"{self._target}/{wanted.key}".encode()).hexdigest()[:16]
        part = PartialFile.opened(self._out.parts / f"{name}.part", wanted.url)
        large = LargeFile(self._crawler, part, workers=self._workers, progress=lambda *_: None)
        try:
            await large.fetch()
            etag = (part.validator or "").strip('"') or None
            await asyncio.to_thread(part.finish)
            md5, sha256 = await asyncio.to_thread(digests_of, part.path)
            answer = _Answer(part.path, part.path.stat().st_size, md5, sha256, None)
            if error := self._problem(wanted, answer, etag):
                part.discard()
                error.tries = large.tries
                raise error
        except RecordMissing:
            await asyncio.to_thread(part.note)  # the next run goes on from here
            raise
        finally:
            part.close()
        return FetchedObject(part.path, answer.size, etag or wanted.etag, sha256, large.tries)

    def _problem(
        self, wanted: ListedObject, answer: _Answer, etag: str | None = None
    ) -> RecordMissing | None:
        """Return why what came is not what the list promises, or None if it is."""
        etag = etag or answer.etag
        if wanted.size is None:
            with answer.file.open("rb") as file:
                what = sniff(file.read(4096)).what
            if what.startswith(("an HTML", "HTML")):
                return RecordMissing(Outcome.NOT_IMAGE, f"no object but {what}", 200)
            return None
        if is_md5(etag) and etag != wanted.etag and answer.md5 == etag:
            return None  # another by now, and whole
        if answer.size != wanted.size:
            stored = {
                answer.header("Content-Length"),
                answer.header("x-goog-stored-content-length"),
            }
            if str(wanted.size) in stored:
                return None  # the store keeps it packed, and it was unpacked on the way
            words = f"{answer.size:,} bytes came, and its list says {wanted.size:,}"
            short = answer.size < wanted.size
            return RecordMissing(Outcome.TRUNCATED if short else Outcome.CORRUPT, words, 200)
        if not is_md5(wanted.etag) or answer.md5 == wanted.etag or _is_encrypted(answer):
            return None
        if not self._has_md5s and etag == wanted.etag:
            return None
        return RecordMissing(Outcome.CORRUPT, f"its MD5 is {answer.md5}, not {wanted.etag}", 200)


def _digest_answer(file: Path, body: bytes | None, headers: Headers) -> _Answer:
    """Write a body that is not in its file yet, and compute its digests. Blocks."""
    if body is None:
        md5, sha256 = digests_of(file)
    else:
        with file.open("wb") as opened:
            opened.write(body)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        sha256 = hashlib.sha256(body).hexdigest()
    return _Answer(file, file.stat().st_size, md5, sha256, headers)


def _is_encrypted(answer: _Answer) -> bool:
    """Return whether the store encrypts with keys, so that an ETag is not an MD5."""
    return bool(
        answer.header("x-amz-server-side-encryption").startswith("aws:kms")
        or answer.header("x-amz-server-side-encryption-customer-algorithm")
    )


def _failed(response: Response) -> RecordMissing:
    tries = 1 + int(response.meta.get("retry_times", 0))
    outcome, words = of_status(response.status), f"HTTP {response.status}"
    return RecordMissing(outcome, words, response.status, tries)


def copy_file(source: Path, target: Path) -> FetchedObject:
    """Copy a file of this machine. Blocks; raises OSError."""
    sha256, size = hashlib.sha256(), 0
    try:
        with source.open("rb") as file, target.open("wb") as to:
            while data := file.read(1 << 20):
                sha256.update(data)
                size += to.write(data)
    except OSError:
        with suppress(OSError):
            target.unlink()
        raise
    return FetchedObject(target, size, None, sha256.hexdigest(), 1)

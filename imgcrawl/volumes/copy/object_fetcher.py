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

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.partial_file import PartialFile
from imgcrawl.download.ranged import LargeFile
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.storage.digests import digests_of, is_md5
from imgcrawl.volumes.copy.object_answer import Arrival, ObjectAnswer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from imgcrawl.download.meta import Meta
    from imgcrawl.storage.directory import OutputDirectory
    from imgcrawl.volumes.copy.listing import ListedObject
    from imgcrawl.volumes.copy.write_batches import WriteBatches

SMALL = 256 << 10  # bytes up to which objects are written several in a row
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


class ObjectFetcher:
    """Fetches the objects of one copy, which is to lie at `target` below OUT.

    batches: where small objects are written; None if each is to have a thread of its own
    """

    def __init__(
        self,
        crawler: Crawler,
        out: OutputDirectory,
        target: str,
        batches: WriteBatches | None = None,
    ) -> None:
        self._crawler = crawler
        self._batches = batches
        self._out = out
        self._target = target
        self._numbers = count()
        self._workers = crawler.settings.getint("FILE_CONNECTIONS")
        self._has_md5s = True  # until an ETag proves to be none

    async def request(self, url: str, **meta: Unpack[Meta]) -> Response:
        """Return the response to a URL, whatever its status. Raises RecordMissing without one."""
        about: Meta = {"media": True, "dont_cache": True, "download_maxsize": MAX_LISTING, **meta}
        request = Request(url, headers=_PLAIN, meta=dict(about), callback=NO_CALLBACK)
        response: Response = await Downloader.of(self._crawler).download(request)
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

    async def fetch(
        self, wanted: ListedObject, place: Callable[[Path], None] | None = None
    ) -> FetchedObject:
        """Fetch an object and check it. Raises RecordMissing, and OSError of the disk.

        place: gives the file of what was found good its name; blocks, and is called in a thread
        """
        if wanted.size is not None and wanted.size >= LARGE:
            found = await self._fetch_large(wanted)
            if place is not None:
                await asyncio.to_thread(place, found.file)
            return found
        tries, before = 0, None
        for attempt in range(CHECK_ROUNDS):
            file = self.new_file()
            answer, error, n_tries = await self._fetch(wanted, file, before, place)
            tries += n_tries
            if error is None:
                etag = wanted.etag if answer.etag is None else answer.etag
                return FetchedObject(file, answer.size, etag, answer.sha256, tries)
            error.tries = tries
            if attempt == CHECK_ROUNDS - 1 or wanted.size is None:
                raise error
            before = answer.md5, answer.etag
        raise AssertionError  # the last attempt returns or raises

    async def _fetch(
        self,
        wanted: ListedObject,
        file: Path,
        before: tuple[str, str | None] | None,
        place: Callable[[Path], None] | None,
    ) -> tuple[ObjectAnswer, RecordMissing | None, int]:
        """Return what came, why it is not believed, and the number of tries.

        before: MD5 and ETag of what came the last time
        """
        arrival = Arrival(file, None, None)
        try:
            response = await self.request(wanted.url, download_maxsize=1 << 30, spool=str(file))
            if response.status != 200:
                raise _failed(response)
            body = None if "spooled" in response.flags else response.body
            arrival = Arrival(file, body, response.headers)

            def keep() -> tuple[ObjectAnswer, RecordMissing | None]:
                return self._keep(wanted, arrival, before, place)

            if self._batches is not None and body is not None and len(body) <= SMALL:
                answer, error = await self._batches.run(keep)
            else:
                answer, error = await asyncio.to_thread(keep)
        except BaseException:
            arrival.remove()
            raise
        return answer, error, 1 + int(response.meta.get("retry_times", 0))

    def _keep(
        self,
        wanted: ListedObject,
        arrival: Arrival,
        before: tuple[str, str | None] | None,
        place: Callable[[Path], None] | None,
    ) -> tuple[ObjectAnswer, RecordMissing | None]:
        """Judge what came, and keep it in its file if it is good. Blocks; raises OSError."""
        answer = arrival.digest()
        error = self._problem(wanted, answer)
        same = (answer.md5, answer.etag) == before
        as_listed = answer.size == wanted.size and answer.etag == wanted.etag
        if error is not None and same and as_listed:
            self._has_md5s, error = False, None  # it is the ETag that is not an MD5
        if error is not None:
            arrival.remove()
            return answer, error
        arrival.write()
        if place is not None:
            place(arrival.file)
        return answer, None

    async def _fetch_large(self, wanted: ListedObject) -> FetchedObject:
        name = hashlib.sha256(f"{self._target}/{wanted.key}".encode()).hexdigest()[:16]
        part = PartialFile.opened(self._out.parts / f"{name}.part", wanted.url)
        large = LargeFile(self._crawler, part, workers=self._workers, progress=lambda *_: None)
        try:
            await large.fetch()
            etag = (part.validator or "").strip('"') or None
            await asyncio.to_thread(part.finish)
            md5, sha256 = await asyncio.to_thread(digests_of, part.path)
            answer = ObjectAnswer(part.path.stat().st_size, md5, sha256, None)
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
        self, wanted: ListedObject, answer: ObjectAnswer, etag: str | None = None
    ) -> RecordMissing | None:
        """Return why what came is not what the list promises, or None if it is."""
        etag = etag or answer.etag
        if wanted.size is None:
            what = sniff(answer.begin).what if answer.may_be_page else ""
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
        if not is_md5(wanted.etag) or answer.md5 == wanted.etag or answer.is_encrypted():
            return None
        if not self._has_md5s and etag == wanted.etag:
            return None
        return RecordMissing(Outcome.CORRUPT, f"its MD5 is {answer.md5}, not {wanted.etag}", 200)


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

"""Files of any size: in pieces, several at a time, in constant memory, from where it stopped."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import shutil
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.bodies import BodySink
from imgcrawl.download.partial_file import PIECE, Claim, PartialFile
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.text.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler
    from scrapy.http import Headers, Response

logger = logging.getLogger(__name__)

RESTARTS = 2  # of a file that changes while it is downloaded
SLOW, SLOW_AFTER = 1000, 60.0  # bytes a second, and the seconds until this is too slow
STRETCH = 4 << 20  # bytes of a piece that are added at once
NOTED_EVERY = 16 << 20, 1.0  # bytes, and seconds, after which what was added goes to the disk
HASHED_AT_ONCE = 64 << 20
_TEXTS = (".html", ".htm", ".xml", ".xhtml", ".txt", ".csv", ".json", ".md", ".svg")


class _ChangedError(RecordMissing):
    """What is asked for is not the file any more whose beginning is there."""


class LargeFile:
    """One file on its way into a `PartialFile`.

    The first request asks for the first piece: a server that honours ranges (206) is then asked
    for the others by `workers` requests at a time, with If-Range; one that does not (200) sends
    everything in the one answer.
    """

    def __init__(
        self,
        crawler: Crawler,
        part: PartialFile,
        *,
        workers: int,
        progress: Callable[[int, int | None], None],
    ) -> None:
        self._crawler = crawler
        self._part = part
        self._workers = workers
        self._progress = progress
        self._whole = False  # the server sends all of it in one answer
        self._sinks: set[PieceSink] = set()
        self.tries = 0
        self.final_url = part.url
        self.digest = hashlib.sha256()
        self._hashed = 0
        self._damaged = 0  # bytes of an earlier run that are not what it had written
        self._noted_at = monotonic()

    async def fetch(self) -> str:
        """Download the rest of the file into the part; return its SHA-256. Raises RecordMissing."""
        for _ in range(RESTARTS + 1):
            try:
                await self._fetch()
                await self._hash(self._part.size or 0)
                if self._damaged:
                    await self._mend()
            except _ChangedError:
                self._part.restart()
                self.digest, self._hashed, self._whole = hashlib.sha256(), 0, False
                continue
            return self.digest.hexdigest()
        message = f"it changed {RESTARTS + 1} times while it was downloaded"
        raise RecordMissing(Outcome.TRUNCATED, message, tries=self.tries)

    async def _mend(self) -> None:
        """Fetch again what an earlier run had claimed and is not there. Raises RecordMissing."""
        while self._part.missing():
            await self._fetch()
            await self._hash(self._part.size or 0)
        logger.warning(
            "%s: %s bytes that an earlier run had stored of it were damaged, and have been fetched "
            "again",
            *(self._part.url, f"{self._damaged:,}"),
        )

    async def _fetch(self) -> None:
        part = self._part
        if part.size is None:
            await self._piece(0, PIECE)
        if self._whole:
            return
        assert part.size is not None
        free = shutil.disk_usage(part.path.parent).free
        if part.size - part.received > free:
            words = f"it needs {part.size - part.received:,} bytes, and {free:,} are free"
            raise RecordMissing(Outcome.DISK_FULL, words, tries=self.tries)
        pending = deque(part.missing())
        over = asyncio.Event()
        hashing = asyncio.create_task(self._follow(over))
        workers = [asyncio.create_task(self._work(pending)) for _ in range(self._workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            # A request that is under way goes on by itself: it must write nothing more.
            for sink in self._sinks:
                sink.close()
            self._sinks.clear()
            over.set()  # and not cancelled: its thread would go on
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, hashing, return_exceptions=True)

    async def _work(self, pending: deque[tuple[int, int]]) -> None:
        while pending:
            await self._piece(*pending.popleft())

    async def _piece(self, start: int, end: int) -> None:
        """Download bytes [start, end). Raises RecordMissing."""
        part = self._part
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{end - 1}"}
        if part.validator:
            headers["If-Range"] = part.validator
        sink = PieceSink(part, start, end, self._tell)
        self._sinks.add(sink)
        # Its deadline is that of a piece; an answer without ranges is bounded by its least speed.
        meta: dict[str, Any] = {
            "media": True,
            "dont_cache": True,
            "sink": sink,
            "download_maxsize": 0,
        }
        meta["download_deadline"] = 0
        request = Request(part.url, headers=headers, meta=meta, callback=NO_CALLBACK)
        try:
            response: Response = await self._crawler.engine.download_async(request)
        except RecordMissing as error:
            self.tries += error.tries
            error.tries = self.tries
            if part.validator and not isinstance(error, _ChangedError):
                sink.add()  # so much of the piece need not come again
            raise
        self.tries += 1 + int(response.meta.get("retry_times", 0))
        self.final_url = response.url
        if response.status == 416 and part.size is not None:
            raise _ChangedError(Outcome.HTTP_ERROR, "it is shorter now")
        if response.status == 416 and start == 0:
            raise RecordMissing(Outcome.EMPTY, "it has no bytes", 416, self.tries)
        if response.status not in {200, 206}:
            words = f"HTTP {response.status}"
            raise RecordMissing(of_status(response.status), words, response.status, self.tries)
        self._whole = response.status == 200
        if self._whole:
            part.size = sink.at
            if not part.size:
                raise RecordMissing(Outcome.EMPTY, "it has no bytes", 200, self.tries)
        sink.add()
        self._sinks.discard(sink)

    def _tell(self, received: int) -> None:
        self._progress(self._part.received + received, self._part.size)

    async def _follow(self, over: asyncio.Event) -> None:
        """Note what has come, and hash what is there without a gap, while the rest is coming."""
        while not over.is_set():
            await self._note_if_due()
            await self._hash(self._part.prefix)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.2)

    async def _note_if_due(self) -> None:
        most, seconds = NOTED_EVERY
        if self._part.unnoted >= most or monotonic() - self._noted_at >= seconds:
            await asyncio.to_thread(self._part.note)
            self._noted_at = monotonic()

    async def _hash(self, end: int) -> None:
        """Hash bytes as far as `end`, or to the first gap: damaged bytes become one."""
        end = min(end, self._part.prefix)
        while self._hashed < end:
            claim = self._part.claims.get(self._hashed)
            if claim is None:
                claimed = (c for c in self._part.claims if c > self._hashed)
                upto = min(end, self._hashed + HASHED_AT_ONCE, *claimed)
                await asyncio.to_thread(self._hash_written, upto)
            elif claim.end > end:
                return
            elif not await asyncio.to_thread(self._hash_claimed, claim):
                self._damaged += claim.end - claim.start
                self._part.drop(claim)
                return

    def _hash_written(self, end: int) -> None:
        for data in self._part.read(self._hashed, end):
            self.digest.update(data)
            self._hashed += len(data)
        if self._hashed < end:
            raise RecordMissing(Outcome.TRUNCATED, "the part is shorter than it should be")
        self._part.forget_cached(end)

    def _hash_claimed(self, claim: Claim) -> bool:
        """Hash bytes that an earlier run wrote; return False if they are not what it wrote."""
        own, whole = hashlib.sha256(), self.digest.copy()
        for data in self._part.read(claim.start, claim.end):
            own.update(data)
            whole.update(data)
        if own.hexdigest() != claim.sha256:
            return False
        self.digest, self._hashed = whole, claim.end
        self._part.forget_cached(claim.end)
        return True


class PieceSink(BodySink):
    """Where the handler puts the body of one answer: into its place in the part."""

    def __init__(
        self, part: PartialFile, start: int, end: int, tell: Callable[[int], None]
    ) -> None:
        self._part = part
        self.start = self.at = self._added = start
        self._end = end
        self._tell = tell
        self._since = monotonic()
        self._closed = False

    def add(self) -> None:
        """Add to the part what has come since the last time."""
        if self.at > self._added:
            self._part.add(self._added, self.at)
            self._added = self.at

    def close(self) -> None:
        """Stop writing: the part is another's, or is finished."""
        self._closed = True

    def begin(self, status: int, headers: Headers) -> None:
        """Take the headers. Raises RecordMissing if the body is not the range asked for."""
        if self._closed:
            raise RecordMissing(Outcome.INTERRUPTED, "nobody waits for it any more")
        self.at = self.start
        self._since = monotonic()
        validator = _validator(headers)
        part = self._part
        if status == 206:
            start, total = _content_range(headers)
            if start != self.start:
                raise RecordMissing(
                    Outcome.HTTP_ERROR, "another range came than was asked for", 206
                )
            if part.size is None:
                part.size, part.validator = total, validator
                self._end = min(self._end, total)
            elif (part.size, part.validator) != (total, validator):
                raise _ChangedError(Outcome.HTTP_ERROR, "it is another file now")
        elif part.received or self.start:
            raise _ChangedError(Outcome.HTTP_ERROR, "it is another file now")
        else:
            self._added = 0
            self._end = -1  # the whole, however long it is
            part.size = parse_size((headers.get("Content-Length") or b"").decode("latin-1"))

    def write(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the body. Raises RecordMissing."""
        if self._closed:
            raise RecordMissing(Outcome.INTERRUPTED, "nobody waits for it any more")
        if self.at == 0:
            self._refuse_page(bytes(data[:4096]))
        if 0 <= self._end < self.at + len(data):
            raise RecordMissing(Outcome.HTTP_ERROR, "more came than was asked for", 206)
        # In a second try, what was added in the first is there, and may have been hashed.
        there = max(0, self._added - self.at)
        if there < len(data):
            self._part.write(self.at + there, memoryview(data)[there:])
        self.at += len(data)
        if self._end >= 0 and self.at - self._added >= STRETCH:
            self.add()
        self._tell(self.at - self.start)
        seconds = monotonic() - self._since
        if seconds > SLOW_AFTER and (self.at - self.start) / seconds < SLOW:
            raise RecordMissing(Outcome.TIMEOUT, f"less than {SLOW} bytes a second")

    def end(self) -> None:
        """Finish the body. Raises RecordMissing if it is not whole."""
        if 0 <= self._end != self.at:
            raise RecordMissing(Outcome.TRUNCATED, "less came than was asked for", 206)

    def _refuse_page(self, head: bytes) -> None:
        kind = sniff(head)
        name = re.split(r"[?#]", self._part.url)[0].lower()
        if kind.what.startswith(("an HTML", "HTML")) and not name.endswith(_TEXTS):
            raise RecordMissing(Outcome.NOT_IMAGE, f"no file but {kind.what}", 200)


def _validator(headers: Headers) -> str | None:
    """Return the validator for If-Range: a strong ETag, a date, or None."""
    etag = (headers.get("ETag") or b"").decode("latin-1").strip()
    if etag and not etag.startswith("W/"):
        return etag
    return (headers.get("Last-Modified") or b"").decode("latin-1").strip() or None


def _content_range(headers: Headers) -> tuple[int, int]:
    """Return the range's start and the whole length. Raises RecordMissing for neither."""
    text = (headers.get("Content-Range") or b"").decode("latin-1")
    match = re.fullmatch(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18})\s*", text)
    if not match or int(match[2]) >= int(match[3]):
        raise RecordMissing(Outcome.HTTP_ERROR, f"a range that cannot be read: {text[:80]!r}", 206)
    return int(match[1]), int(match[3])

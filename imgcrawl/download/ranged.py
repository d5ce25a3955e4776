"""Files of any size: in pieces, several at a time, in constant memory, from where it stopped."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.partial_file import PIECE, Claim, PartialFile
from imgcrawl.download.piece_sink import ChangedError, PieceSink
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from imgcrawl.download.meta import Meta

logger = logging.getLogger(__name__)

RESTARTS = 2  # of a file that changes while it is downloaded
NOTED_EVERY = 64 << 20, 2.0  # bytes, and seconds, after which what was added goes to the disk
HASHED_AT_ONCE = 64 << 20
# What servers say of a range that ends behind the file: RFC 9110 (14.1.2) has them cut it.
_NO_RANGE = frozenset({400, 416})


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
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._crawler = crawler
        self._part = part
        self._workers = workers
        self._progress = progress
        self._headers = dict(headers or {})
        self._whole = False  # the server sends all of it in one answer
        self._sinks: set[PieceSink] = set()
        self.tries = 0
        self.final_url = part.url
        self.coding = ""  # Content-Encoding of the last answer: what it says of the whole
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
            except ChangedError:
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
        noting = asyncio.create_task(self._note(over))
        followers = [noting, asyncio.create_task(self._follow(over))]
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
            await asyncio.gather(*workers, *followers, return_exceptions=True)
        noting.result()  # what the disk has lost is no part of the file, though it can be read

    async def _work(self, pending: deque[tuple[int, int]]) -> None:
        while pending:
            await self._piece(*pending.popleft())

    async def _piece(self, start: int, end: int, *, whole: bool = False) -> None:
        """Download bytes [start, end). Raises RecordMissing.

        whole: ask for the file as it is, without a range
        """
        part = self._part
        headers = self._headers | {"Accept-Encoding": "identity"}
        if not whole:
            headers["Range"] = f"bytes={start}-{end - 1}"
        if part.validator:
            headers["If-Range"] = part.validator
        sink = PieceSink(part, start, end, self._tell)
        self._sinks.add(sink)
        # Its deadline is that of a piece; an answer without ranges is bounded by its least speed.
        meta: Meta = {
            "media": True,
            "dont_cache": True,
            "sink": sink,
            "download_maxsize": 0,
            "download_deadline": 0,
        }
        request = Request(part.url, headers=headers, meta=dict(meta), callback=NO_CALLBACK)
        try:
            response: Response = await Downloader.of(self._crawler).download(request)
        except RecordMissing as error:
            self.tries += error.tries
            error.tries = self.tries
            if part.validator and not isinstance(error, ChangedError):
                sink.add()  # so much of the piece need not come again
            raise
        self.tries += 1 + int(response.meta.get("retry_times", 0))
        self.final_url = response.url
        if response.status == 416 and part.size is not None:
            raise ChangedError(Outcome.HTTP_ERROR, "it is shorter now")
        if response.status in _NO_RANGE and part.size is None and not whole:
            self._sinks.discard(sink)
            await self._piece(start, end, whole=True)
            return
        if response.status not in {200, 206}:
            words = f"HTTP {response.status}"
            raise RecordMissing(of_status(response.status), words, response.status, self.tries)
        self._whole = response.status == 200
        if self._whole:
            part.size = sink.at
            if not part.size:
                raise RecordMissing(Outcome.EMPTY, "it has no bytes", 200, self.tries)
        sink.add()
        self.coding = sink.coding
        self._sinks.discard(sink)

    def _tell(self, received: int) -> None:
        self._progress(self._part.received + received, self._part.size)

    async def _note(self, over: asyncio.Event) -> None:
        """Bring what has come to the disk, and note it, while the rest is coming."""
        most, seconds = NOTED_EVERY
        while not over.is_set():
            if self._part.unnoted >= most or monotonic() - self._noted_at >= seconds:
                await asyncio.to_thread(self._part.note)
                self._noted_at = monotonic()
            await _while(over)

    async def _follow(self, over: asyncio.Event) -> None:
        """Hash what is there without a gap, while the rest is coming."""
        while not over.is_set():
            await self._hash(self._part.prefix)
            await _while(over)

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
        self._part.start_writing(self._hashed, end)  # the disk works while the processor does
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


async def _while(over: asyncio.Event) -> None:
    """Wait a little, or until it is over."""
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), 0.2)

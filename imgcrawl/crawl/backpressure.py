"""The feed: between a spider's stream and the pipelines.

Scrapy's ``start()`` has no back-pressure: a million items yielded are a million items in memory.
The feed draws from the spider no faster than items are finished, tries again first what an
earlier run left, and keeps the crawl open until the last item has its outcome. A bookmark is
committed once all records handed out before it are settled.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from scrapy import signals
from scrapy.exceptions import CloseSpider

from imgcrawl.crawl.host_queue import FairHostQueue, host_of
from imgcrawl.crawl.lifecycle import require_dataset, run_of
from imgcrawl.crawl.wayback_queue import WaybackQueue
from imgcrawl.records.errors import ImgcrawlError, OutputError
from imgcrawl.records.items import Bookmark, Document, Expects, Item, Missing, Stored, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from imgcrawl.records.retry import retry_outcomes
from imgcrawl.text.redact import utf8
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from scrapy.crawler import Crawler
    from twisted.python.failure import Failure

    from imgcrawl.dataset.entries import LedgerEntry

logger = logging.getLogger(__name__)

_PAGE = 500  # entries of the ledger looked at in one go
_SHOWN = 10  # warnings about what is no record


@dataclass(slots=True, eq=False)
class _Segment:
    """The records between two bookmarks."""

    open: int = 0
    bookmark: Bookmark | None = None  # the one at its end, once it has come


class Backpressure:
    """A spider middleware that stands between ``Spider.start()`` and the engine."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._window = FairHostQueue(
            total=settings.getint("ITEMS_IN_FLIGHT"),
            per_host=settings.getint("ITEMS_IN_FLIGHT_PER_HOST"),
            ahead=settings.getint("ITEMS_AHEAD"),
        )
        self._shard: tuple[int, int] | None = settings.get("SHARD")
        self._by_host = settings["SHARD_BY"] == "host"
        self._retry = retry_outcomes(settings.get("RETRY"))
        self._rescue_limit = settings.getint("WAYBACK_MAX") if settings.getbool("WAYBACK") else 0
        self._n_unreadable = 0
        self._chapters = deque([_Segment()])
        self._chapter_of: dict[int, _Segment] = {}
        crawler.signals.connect(self._item_done, signal=signals.item_scraped)
        crawler.signals.connect(self._item_done, signal=signals.item_dropped)
        crawler.signals.connect(self._item_error, signal=signals.item_error)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        require_dataset(crawler)
        return cls(crawler)

    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield items as there is room for them, and end when the last has its outcome."""
        self._run = run_of(self._crawler)
        self._run.on_stop(lambda: self._window.close(drop=True))
        spider = self._crawler.spider
        assert spider is not None
        spider.bookmarks = self._run.ledger.bookmarks()  # type: ignore[attr-defined] # DatasetSpider's
        if self._crawler.settings.getbool("DRY_RUN"):
            from imgcrawl.crawl.dry_run import DryRun  # noqa: PLC0415 - few ask for it

            try:
                await DryRun(self._crawler).show(start)
            except ImgcrawlError as error:
                logger.error("%s", error)  # a dry run leaves no summary that could say so
                self._run.fail(str(error))
                raise CloseSpider("stopped") from error
            return
        self._closing = asyncio.create_task(self._let_close())
        try:
            await self._run.prepare()
        except OutputError as error:
            self._run.fail(str(error))
            raise CloseSpider("stopped") from error
        reader = asyncio.create_task(self._read(start))
        try:
            while (item := await self._window.get()) is not None:
                yield item
            await self._window.drained()
            await reader
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
        if self._run.error:
            raise CloseSpider("stopped")

    async def _read(self, start: AsyncIterator[Any]) -> None:
        """Read the spider's stream to its end, into the window."""
        try:
            async for entry in self._left_over():
                await self._accept(entry.to_item())
            self._run.ledger.forget_unreadable()
            async for said in start:
                if self._run.stopping:
                    break
                await self._take(said)
            self._run.counts.phase = "downloading"
            if self._rescue_limit:
                await self._rescue()
        except ImgcrawlError as error:
            # What was handed out before is finished first: it was promised.
            self._run.error = self._run.error or str(error)
        except Exception:
            logger.exception("The spider failed")
            self._run.error = "The spider failed: a fault of imgcrawl, see the traceback above."
        finally:
            self._window.close()

    async def _take(self, said: Any) -> None:
        match said:
            case Item():
                if said.quota is not None or self._is_mine(self._cut_by(said)):
                    await self._accept(said)
            case Quota():
                if self._is_mine(said.key):
                    self._run.open_quota(said)
                else:
                    said.wanted = 0
            case Bookmark():
                self._chapters[-1].bookmark = said
                self._chapters.append(_Segment())
                self._commit_bookmarks()
            case Expects():
                self._expect(said)
            case Unreadable():
                self._unreadable(said)
            case Document():
                self._run.files.write_document(said)
            case _:
                raise TypeError(f"a spider yields items and words about them, not {said!r}")

    def _unreadable(self, piece: Unreadable) -> None:
        if not self._is_mine(piece.where):
            return
        self._n_unreadable += 1
        if self._n_unreadable <= _SHOWN:
            logger.warning("No record: %s: %s", piece.where, piece.problem)
        elif self._n_unreadable == _SHOWN + 1:
            logger.warning("More that is no record will be in failures.csv, and not shown here.")
        self._run.unreadable(piece)

    async def _accept(self, item: Item) -> None:
        item.record_id = utf8(item.record_id)
        item.renew = getattr(self._crawler.spider, "renew", None)
        chapter = self._chapters[-1]
        chapter.open += 1
        self._chapter_of[id(item)] = chapter
        await self._window.put(item)

    def _expect(self, said: Expects) -> None:
        counts = self._run.counts
        if said.records is not None:
            counts.expected = (counts.expected or 0) + said.records
        if said.bytes is not None:
            counts.expected_bytes = (counts.expected_bytes or 0) + said.bytes
        size = f", about {format_size(said.bytes)}" if said.bytes else ""
        count = "an unknown number of" if said.records is None else f"{said.records:,}"
        note = f" {said.note}" if said.note else ""
        logger.info("The source promises %s records%s.%s", count, size, note)
        if said.bytes is not None and self._crawler.settings.getbool("CHECK_FREE_DISK"):
            self._run.check_disk(said.bytes)

    async def _left_over(self) -> AsyncIterator[LedgerEntry]:
        """What an earlier run left to do: failures worth another try, and files since lost."""
        self._run.counts.phase = "looking at what is there"
        last = ""
        while page := list(self._run.ledger.entries(Outcome, after=last, limit=_PAGE)):
            last = page[-1].record_id
            for entry in await asyncio.to_thread(self._to_do, page):
                yield entry
        self._run.counts.phase = "reading the source"

    async def _rescue(self) -> None:
        """Hand out once more what is gone for good: the Wayback Machine may have it."""
        rescue = WaybackQueue(self._run, self._rescue_limit, self._is_mine)
        picked = True
        while picked and not self._run.stopping:
            await self._window.idle()
            self._run.counts.phase = "asking the Wayback Machine"
            picked = False
            for item in rescue.next_round():
                picked = True
                await self._accept(item)

    def _to_do(self, page: list[LedgerEntry]) -> list[LedgerEntry]:
        return [entry for entry in page if self._is_to_do(entry)]

    def _is_to_do(self, entry: LedgerEntry) -> bool:
        if entry.quota is not None:
            return False  # its class may have enough by now: the spider knows
        match entry.result:
            case Stored():
                return not self._run.has_file(entry)
            case result:
                # Without a URL only its source can tell whether it may be had by now.
                return result.outcome in self._retry and bool(entry.to_item().urls)

    def _cut_by(self, item: Item) -> str:
        """What decides which shard a record is of: its id, or the host of its first URL."""
        return (host_of(item) if self._by_host else "") or item.record_id

    def _is_mine(self, key: str) -> bool:
        """Whether a record, or a class, is of this run's shard (1 of N, cut by a hash)."""
        if self._shard is None:
            return True
        k, n = self._shard
        return crc32(utf8(key).encode()) % n == k - 1

    def _item_done(self, item: Any) -> None:
        self._window.release(item)
        if isinstance(item, Item) and item.quota in self._run.quotas:
            self._run.quotas[item.quota].ended()
        chapter = self._chapter_of.pop(id(item), None)
        if chapter is not None:
            chapter.open -= 1
            self._commit_bookmarks()

    def _item_error(self, item: Any, failure: Failure) -> None:
        """A pipeline failed: still, the record gets an outcome."""
        if isinstance(item, Item):
            message = f"a fault of imgcrawl: {type(failure.value).__name__}: {failure.value}"
            self._run.finish(item, Missing(Outcome.INTERRUPTED, message))
        self._item_done(item)

    async def _let_close(self) -> None:
        """Let a crawl that is stopped close after its last item.

        Scrapy 2.19 looks whether it may close when a request has been dealt with, but not when an
        item that came from start() has: without this, a stopped crawl hangs for ever.
        """
        scraper = self._crawler.engine.scraper
        while (slot := scraper.slot) is not None:
            if slot.closing is not None and slot.is_idle():
                if not slot.closing.called:
                    scraper._check_if_closing()
                return
            await asyncio.sleep(0.1)

    def _commit_bookmarks(self) -> None:
        while (first := self._chapters[0]).bookmark is not None and not first.open:
            self._run.recorder.bookmark(first.bookmark)
            self._chapters.popleft()

"""Back-pressure between a spider's stream and the pipelines.

Scrapy's ``start()`` has none: a million items yielded are a million items in memory. Here the
spider is drawn from no faster than items are finished; what an earlier run left is tried again
first; and the crawl stays open until the last item has its outcome. A bookmark is committed once
all records handed out before it have ended.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

from scrapy import signals
from scrapy.exceptions import CloseSpider

from imgcrawl.crawl.host_queue import FairHostQueue, host_of
from imgcrawl.crawl.ledger_queues import RetryQueue, WaybackQueue
from imgcrawl.crawl.lifecycle import require_dataset, run_of
from imgcrawl.crawl.list_check import compared
from imgcrawl.crawl.sum_check import SumCheck
from imgcrawl.records.errors import ArgumentError, ImgcrawlError, OutputError
from imgcrawl.records.items import (
    Bookmark,
    Document,
    Expects,
    Item,
    Missing,
    NotFollowed,
    Read,
    SharedBy,
    Unreadable,
    Withdrawn,
)
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

    from imgcrawl.crawl.in_flight import Flight

logger = logging.getLogger(__name__)

_SHOWN = 10  # warnings about what is no record


class Backpressure:
    """A spider middleware that stands between ``Spider.start()`` and the engine."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._queue = FairHostQueue(
            total=settings.getint("ITEMS_IN_FLIGHT"),
            per_host=settings.getint("ITEMS_IN_FLIGHT_PER_HOST"),
            ahead=settings.getint("ITEMS_AHEAD"),
        )
        self._shard: tuple[int, int] | None = settings.get("SHARD")
        self._by_host = settings["SHARD_BY"] == "host"
        self._retry = retry_outcomes(settings.get("RETRY"))
        self._wayback_limit = settings.getint("WAYBACK_MAX") if settings.getbool("WAYBACK") else 0
        self._sum = SumCheck()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        require_dataset(crawler)
        return cls(crawler)

    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield items as there is room for them, and end when the last has its outcome."""
        self._run = run_of(self._crawler)
        spider = self._crawler.spider
        assert spider is not None
        spider.bookmarks = self._run.ledger.bookmarks()  # type: ignore[attr-defined] # DatasetSpider's
        if self._crawler.settings.getbool("DRY_RUN"):
            await self._dry_run(start)
            return
        self._watch_ends()
        self._closing = asyncio.create_task(self._let_close())
        try:
            await self._run.prepare()
        except OutputError as error:
            self._run.fail(str(error))
            raise CloseSpider("stopped") from error
        reader = asyncio.create_task(self._read(start))
        try:
            while (flight := await self._queue.get()) is not None:
                yield flight.item
            await self._queue.drained()
            await reader
            await self._until_items_left()
            self._check_sum()
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
        if self._run.error:
            raise CloseSpider("stopped")

    async def _until_items_left(self) -> None:
        """Wait until no item is in a pipeline: a record is written down a moment before.

        Scrapy looks whether a crawl may close when start() ends, and next five seconds later.
        """
        scraper = self._crawler.engine.scraper
        while scraper.slot is not None and scraper.slot.itemproc_size:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.002)

    def _check_sum(self) -> None:
        """Fail the run if what was read is not what came of it."""
        if self._run.stopping or self._run.error:
            return
        self._run.error = self._sum.fault(self._run)

    async def _dry_run(self, start: AsyncIterator[Any]) -> None:
        from imgcrawl.crawl.dry_run import DryRun  # noqa: PLC0415 - few ask for it

        try:
            await DryRun(self._crawler).show(start)
        except ImgcrawlError as error:
            logger.error("%s", error)  # a dry run leaves no summary that could say so
            self._run.fail(str(error))
            raise CloseSpider("stopped") from error

    def _watch_ends(self) -> None:
        """Free the place of an item that is written down or dropped, or whose pipeline failed."""
        in_flight, connect = self._run.in_flight, self._crawler.signals.connect
        self._run.on_stop(lambda: self._queue.close(drop=True))
        in_flight.on_ended(self._ended)
        connect(self._item_done, signal=signals.item_scraped)
        connect(self._item_done, signal=signals.item_dropped)
        connect(self._item_error, signal=signals.item_error)

    async def _read(self, start: AsyncIterator[Any]) -> None:
        """Read the spider's stream to its end, into the queue."""
        counts = self._run.counts
        try:
            if self._crawler.settings["CHANGED"] == "refuse":
                counts.phase = "comparing the list with what is there"
                start = await compared(start, self._run.ledger)
            counts.phase = "looking at what is there"
            async for item in RetryQueue(self._run, self._retry).items():
                await self._accept(item)
            counts.phase = "reading the source"
            self._run.ledger.forget_unreadable()
            async for output in start:
                if self._run.stopping:
                    break
                await self._take(output)
            counts.phase = "downloading"
            if self._wayback_limit:
                await self._look_into_wayback()
        except ArgumentError as error:
            self._run.refuse(str(error))
        except ImgcrawlError as error:
            # What was handed out before is finished first: it was promised.
            self._run.error = self._run.error or str(error)
        except sqlite3.DatabaseError as error:
            logger.debug("The ledger cannot be read", exc_info=True)
            self._run.cannot_write(error)
        except Exception:
            logger.exception("The spider failed")
            self._run.error = "The spider failed: a fault of imgcrawl, see the traceback above."
        finally:
            self._queue.close()

    async def _take(self, output: Any) -> None:
        match output:
            case Item():
                if output.quota is not None or self._is_mine(self._shard_key(output)):
                    self._sum.records += output.quota is None
                    await self._accept(output)
            case Quota():
                if self._is_mine(output.key):
                    self._run.records.open_quota(output)
                else:
                    output.wanted = 0
            case Bookmark():
                self._run.in_flight.bookmark(output)
            case Expects():
                self._expect(output)
            case Unreadable():
                self._unreadable(output)
            case Read():
                self._sum.read = output if self._shard is None else None
                self._run.counts.read = output
            case SharedBy():
                if self._is_mine(output.record_id):
                    self._run.images.add(output)
            case NotFollowed():
                if self._is_mine(output.where):
                    self._run.counts.add_not_followed(output)
            case Withdrawn():
                self._run.records.withdraw(output)
            case Document():
                self._run.files.write_document(output)
            case _:
                raise TypeError(f"a spider yields items and words about them, not {output!r}")

    def _unreadable(self, piece: Unreadable) -> None:
        if not self._is_mine(piece.where):
            return
        self._sum.unreadable += 1
        if self._sum.unreadable <= _SHOWN:
            logger.warning("No record: %s: %s", piece.where, piece.problem)
        elif self._sum.unreadable == _SHOWN + 1:
            logger.warning("More that is no record will be in failures.csv, and not shown here.")
        self._run.records.unreadable(piece)

    async def _accept(self, item: Item) -> None:
        item.record_id = utf8(item.record_id)
        item.renew = getattr(self._crawler.spider, "renew", None)
        await self._queue.put(self._run.in_flight.enter(item, host_of(item)))

    def _expect(self, expects: Expects) -> None:
        counts = self._run.counts
        # What part of a promise is a shard's is known when its list has been read.
        if expects.records is not None and self._shard is None:
            counts.expected = (counts.expected or 0) + expects.records
            counts.before += expects.before
        if (expects.records or 0) < 0:
            return  # of what was promised before, the list turned out to have less
        if expects.bytes is not None:
            counts.expected_bytes = (counts.expected_bytes or 0) + expects.bytes
        size = f", about {format_size(expects.bytes)}" if expects.bytes else ""
        count = "an unknown number of" if expects.records is None else f"{expects.records:,}"
        if counts.expected is not None and expects.records not in {None, counts.expected}:
            count = f"{count} more"
        note = f" {expects.note}" if expects.note else ""
        logger.info("The source promises %s records%s.%s", count, size, note)
        if expects.bytes is not None and self._crawler.settings.getbool("CHECK_FREE_DISK"):
            self._run.check_disk(expects.bytes)

    async def _look_into_wayback(self) -> None:
        """Hand out once more the records that are gone: the Wayback Machine may have them."""
        queue = WaybackQueue(self._run, self._wayback_limit, self._is_mine)
        picked = True
        while picked and not self._run.stopping:
            await self._queue.idle()
            self._run.counts.phase = "asking the Wayback Machine"
            picked = False
            for item in queue.next_round():
                picked = True
                await self._accept(item)

    def _shard_key(self, item: Item) -> str:
        """Return what decides the shard of a record: its id, or the host of its first URL."""
        return (host_of(item) if self._by_host else "") or item.record_id

    def _is_mine(self, key: str) -> bool:
        """Return True if a record, or a class, is of this run's shard (1 of N, cut by a hash)."""
        if self._shard is None:
            return True
        k, n = self._shard
        return crc32(utf8(key).encode()) % n == k - 1

    def _ended(self, flight: Flight) -> None:
        if flight.host is not None:
            self._queue.release(flight)
        if flight.item.quota in self._run.records.quotas:
            self._run.records.quotas[flight.item.quota].ended()

    def _item_done(self, item: Any) -> None:
        self._run.in_flight.ended(item)

    def _item_error(self, item: Any, failure: Failure) -> None:
        """Give an outcome to a record although a pipeline failed."""
        if isinstance(item, Item):
            if isinstance(failure.value, sqlite3.DatabaseError):
                self._run.cannot_write(failure.value)
                self._item_done(item)
                return
            message = f"a fault of imgcrawl: {type(failure.value).__name__}: {failure.value}"
            self._run.records.finish(item, Missing(Outcome.INTERRUPTED, message))
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

"""Back-pressure between what a spider yields and the pipelines.

Scrapy's ``start()`` has none: a million items yielded are a million items in memory. Here the
spider is drawn from no faster than records are finished; what an earlier run left is tried again
first; and the crawl stays open until the last record has its outcome. A bookmark is committed once
all records handed out before it have ended.

What callbacks yield goes the same way: they wait for room, and their requests go on to the engine.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scrapy import Request, signals
from scrapy.exceptions import CloseSpider
from scrapy.spidermiddlewares.httperror import HttpError

from imgcrawl.crawl.host_queue import FairHostQueue
from imgcrawl.crawl.intake import Intake
from imgcrawl.crawl.ledger_queues import RetryQueue, WaybackQueue
from imgcrawl.crawl.lifecycle import require_dataset, run_of
from imgcrawl.crawl.list_check import compared
from imgcrawl.crawl.record_tasks import RecordTasks
from imgcrawl.records.errors import ArgumentError, ImgcrawlError, OutputError
from imgcrawl.records.items import Unreadable
from imgcrawl.records.retry import retry_outcomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.python.failure import Failure

    from imgcrawl.crawl.dry_run import DryRun

logger = logging.getLogger(__name__)


class Backpressure:
    """A spider middleware that stands between a spider and the engine."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._queue = FairHostQueue(
            total=settings.getint("ITEMS_IN_FLIGHT"),
            per_host=settings.getint("ITEMS_IN_FLIGHT_PER_HOST"),
            ahead=settings.getint("ITEMS_AHEAD"),
        )
        self._retry = retry_outcomes(settings.get("RETRY"))
        self._wayback_limit = settings.getint("WAYBACK_MAX") if settings.getbool("WAYBACK") else 0
        self._has_pages = False  # requests have been handed to the engine

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        require_dataset(crawler)
        return cls(crawler)

    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Begin records as there is room for them, and end when the last has its outcome.

        Requests among what the spider yields are yielded in their turn.
        """
        self._run = run_of(self._crawler)
        spider = self._crawler.spider
        assert spider is not None
        spider.bookmarks = self._run.ledger.bookmarks()  # type: ignore[attr-defined] # DatasetSpider's
        spider.recorded = self._run.ledger.addresses  # type: ignore[attr-defined]
        self._tasks = RecordTasks(self._crawler, self._run, self._queue)
        self._intake = Intake(self._crawler, self._run, self._queue, self._tasks.hand_on)
        self._watch()
        self._dry_run = self._new_dry_run()
        self._closing = asyncio.create_task(self._let_close())
        try:
            await self._run.prepare()
        except OutputError as error:
            self._run.fail(str(error))
            raise CloseSpider("stopped") from error
        reader = asyncio.create_task(self._read(start))
        try:
            while (next_up := await self._queue.get()) is not None:
                if isinstance(next_up, Request):
                    yield next_up
                else:
                    self._tasks.begin(next_up)
            await self._queue.drained()
            await reader
            await self._tasks.ended()
            if not (self._run.stopping or self._run.error):
                self._run.error = self._intake.sum.fault(self._run)
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader
        if self._run.error:
            raise CloseSpider("stopped")

    async def process_spider_output(
        self, response: Response, result: AsyncIterator[Any]
    ) -> AsyncIterator[Any]:
        """Take the records that a callback yields; pass its requests on."""
        async for output in result:
            if self._run.stopping:
                return
            if isinstance(output, Request):
                self._has_pages = True
                yield output
            else:
                await self._take(output, response)

    def process_spider_exception(self, response: Response, exception: Exception) -> None:
        """Note a page whose status its spider does not take: what it links to is not read."""
        if isinstance(exception, HttpError):
            self._page_missing(response.url, f"a page that answers HTTP {response.status}")

    def _new_dry_run(self) -> DryRun | None:
        if not self._crawler.settings.getbool("DRY_RUN"):
            return None
        from imgcrawl.crawl.dry_run import DryRun  # noqa: PLC0415 - few ask for it

        return DryRun(self._crawler)

    def _watch(self) -> None:
        self._run.on_stop(lambda: self._queue.close(drop=True))
        self._crawler.signals.connect(self._spider_error, signal=signals.spider_error)
        watch = getattr(self._crawler.engine.downloader, "on_page_failed", None)
        if watch is not None:
            watch(self._page_failed)

    async def _read(self, start: AsyncIterator[Any]) -> None:
        """Read what the spider yields to its end, and all that its callbacks yield."""
        try:
            if self._dry_run is not None:
                await self._read_source(start)
                await self._dry_run.finish()
            else:
                await self._read_all(start)
        except ArgumentError as error:
            self._run.refuse(str(error))
            if self._dry_run is not None:
                logger.error("%s", error)  # a dry run leaves no summary that could say so
        except ImgcrawlError as error:
            # What was handed out before is finished first: it was promised.
            self._run.error = self._run.error or str(error)
            if self._dry_run is not None:
                logger.error("%s", error)
        except sqlite3.DatabaseError as error:
            logger.debug("The ledger cannot be read", exc_info=True)
            self._run.cannot_write(error)
        except Exception as error:
            logger.exception("The spider failed")
            self._run.fault(f"The spider {self._crawler.spidercls.name}", error)
        finally:
            self._queue.close()

    async def _read_all(self, start: AsyncIterator[Any]) -> None:
        counts = self._run.counts
        if self._crawler.settings["CHANGED"] == "refuse":
            counts.phase = "comparing the list with what is there"
            start = await compared(start, self._run.ledger)
        counts.phase = "looking at what is there"
        async for item in RetryQueue(self._run, self._retry).items():
            await self._intake.enter(item)
        counts.phase = "reading the source"
        self._run.ledger.forget_unreadable()
        await self._read_source(start)
        counts.phase = "downloading"
        if self._wayback_limit:
            await self._look_into_wayback()

    async def _read_source(self, start: AsyncIterator[Any]) -> None:
        async for output in start:
            if self._run.stopping:
                break
            if isinstance(output, Request):
                self._has_pages = True
                await self._queue.hand_on(output)
            else:
                await self._take(output)
        while self._has_pages and not self._run.stopping:
            await self._queue.idle()
            if not self._reads_pages():
                break
            await asyncio.sleep(0.02)  # Scrapy has no signal for it while start() goes on

    def _reads_pages(self) -> bool:
        """Return whether a page is asked for or read, or is to be."""
        engine = self._crawler.engine
        slot = engine.scraper.slot
        scheduler = engine._slot.scheduler if engine._slot is not None else None
        waiting = scheduler is not None and scheduler.has_pending_requests()
        return bool(waiting or engine.downloader.active or (slot and (slot.queue or slot.active)))

    async def _take(self, output: Any, source: Any = None) -> None:
        if self._dry_run is not None:
            self._dry_run.add(output)
        else:
            await self._intake.take(output, source)

    async def _look_into_wayback(self) -> None:
        """Hand out once more the records that are gone: the Wayback Machine may have them."""
        queue = WaybackQueue(self._run, self._wayback_limit, self._intake.is_of_shard)
        picked = True
        while picked and not self._run.stopping:
            await self._queue.idle()
            self._run.counts.phase = "asking the Wayback Machine"
            picked = False
            for item in queue.next_round():
                picked = True
                await self._intake.enter(item)

    def _spider_error(self, failure: Failure) -> None:
        if failure.value is not None:
            self._run.fault(f"The spider {self._crawler.spidercls.name}", failure.value)

    def _page_failed(self, request: Request, error: Exception) -> None:
        if request.errback is None:  # else the spider knows
            self._page_missing(request.url, f"a page that cannot be had: {error}")

    def _page_missing(self, url: str, problem: str) -> None:
        if self._dry_run is not None:
            self._dry_run.add(Unreadable(url, problem))
        else:
            self._intake.unreadable(Unreadable(url, problem))

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

"""Records on their way down the pipelines: a task each, from its turn to its end."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import DropItem

from imgcrawl.crawl.in_flight import AlreadyInFlight
from imgcrawl.crawl.item_chain import ItemChain
from imgcrawl.crawl.item_signals import ItemSignals
from imgcrawl.records.items import Item, Missing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scrapy.crawler import Crawler
    from twisted.python.failure import Failure

    from imgcrawl.crawl.host_queue import FairHostQueue
    from imgcrawl.crawl.in_flight import Flight
    from imgcrawl.crawl.run import Run
    from imgcrawl.records.ordinary import OrdinaryItem

logger = logging.getLogger(__name__)


class RecordTasks:
    """Begins records, and frees their places once they have ended, well or not."""

    def __init__(self, crawler: Crawler, run: Run, queue: FairHostQueue) -> None:
        self._crawler = crawler
        self._run = run
        self._queue = queue
        self._scraper = crawler.engine.scraper
        self._scraper.signals = ItemSignals(crawler)
        self._tasks: set[asyncio.Task[None]] = set()
        run.in_flight.on_ended(self._ended)
        connect = crawler.signals.connect
        connect(self._item_done, signal=signals.item_scraped)
        connect(self._item_dropped, signal=signals.item_dropped)
        connect(self._item_error, signal=signals.item_error)

    async def ended(self) -> None:
        """Wait for all that has begun: a record is written down a moment before its task ends."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def begin(self, flight: Flight) -> None:
        """Send a record down the pipelines, as Scrapy does with an item."""
        if flight.whole is None:
            self._spawn(self._scraper.start_itemproc_async(flight.item, response=None))
        else:
            self._spawn(self._part(flight.item))

    def hand_on(self, whole: OrdinaryItem) -> None:
        """Send an ordinary item, whose records have ended, to its user's pipelines and feeds."""
        whole.fill_in(self._crawler.settings, self._run.records.result_of)
        self._spawn(self._scraper.start_itemproc_async(whole.item, response=whole.source))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _part(self, record: Item) -> None:
        """Send a record of an ordinary item down: Scrapy is told of the item itself alone."""
        chain, slot = self._scraper.itemproc, self._scraper.slot
        assert isinstance(chain, ItemChain)
        assert slot is not None
        slot.itemproc_size += 1
        try:
            await chain.process_part(record)
            self._require_row(record)
        except AlreadyInFlight as error:  # another item has this address
            logger.debug("%s", error)
            await self._run.in_flight.end_of(record.record_id)
        except DropItem as error:
            self._item_dropped(record, error)
        except Exception as error:
            logger.exception("%s: a pipeline failed", record.record_id)
            self._pipeline_failed(record, error)
        finally:
            self._run.in_flight.ended(record)
            slot.itemproc_size -= 1

    def _ended(self, flight: Flight) -> None:
        if flight.host is not None:
            self._queue.release(flight)
        if flight.item.quota in self._run.records.quotas:
            self._run.records.quotas[flight.item.quota].ended()
        if (whole := flight.whole) is not None:
            whole.open -= 1
            if not whole.open:
                self.hand_on(whole)

    def _item_done(self, item: Any) -> None:
        self._require_row(item)
        self._run.in_flight.ended(item)

    def _require_row(self, item: Any) -> None:
        """Have the run fail if nothing has written down what became of a record."""
        if isinstance(item, Item) and self._run.in_flight.holds(item):
            self._run.error = self._run.error or (
                f"ITEM_PIPELINES: {item.record_id} has come to its end, and no row says what "
                "became of it. Leave pipelines.metadata.MetadataPipeline among them."
            )

    def _item_dropped(self, item: Any, exception: DropItem) -> None:
        in_flight = self._run.in_flight
        is_ours = isinstance(exception, AlreadyInFlight)
        if isinstance(item, Item) and not is_ours and in_flight.holds(item):
            self._run.records.drop(item, f"dropped by an item pipeline: {exception}")
        in_flight.ended(item)

    def _item_error(self, item: Any, failure: Failure) -> None:
        """Give an outcome to a record although a pipeline failed."""
        error = failure.value
        assert error is not None
        if isinstance(item, Item):
            self._pipeline_failed(item, error)
        else:
            self._run.fault("An item pipeline", error)
        self._run.in_flight.ended(item)

    def _pipeline_failed(self, item: Item, error: BaseException) -> None:
        if isinstance(error, sqlite3.DatabaseError):
            self._run.cannot_write(error)
            return
        message = f"a fault of a pipeline: {type(error).__name__}: {error}"
        self._run.records.finish(item, Missing(Outcome.INTERRUPTED, message))

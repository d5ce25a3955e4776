"""What a spider yields, taken in: records into the queue, words about them to the run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from zlib import crc32

from imgcrawl.crawl.host_queue import host_of
from imgcrawl.crawl.sum_check import SumCheck
from imgcrawl.records.items import (
    Bookmark,
    Document,
    Expects,
    Item,
    NotFollowed,
    Read,
    SharedBy,
    Unreadable,
    Withdrawn,
)
from imgcrawl.records.ordinary import OrdinaryItem, records_of
from imgcrawl.records.quotas import Quota
from imgcrawl.text.redact import utf8
from imgcrawl.text.signed_urls import address_id
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler

    from imgcrawl.crawl.host_queue import FairHostQueue
    from imgcrawl.crawl.run import Run

logger = logging.getLogger(__name__)

_SHOWN = 10  # warnings about what is no record


class Intake:
    """Takes what spiders yield, and cuts it to this run's shard.

    on_whole: called with an ordinary item once all its records have ended
    """

    def __init__(
        self,
        crawler: Crawler,
        run: Run,
        queue: FairHostQueue,
        on_whole: Callable[[OrdinaryItem], None],
    ) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._run = run
        self._queue = queue
        self._on_whole = on_whole
        self._shard: tuple[int, int] | None = settings.get("SHARD")
        self._by_host = settings["SHARD_BY"] == "host"
        self._check_disk = settings.getbool("CHECK_FREE_DISK")
        self.sum = SumCheck()
        self._told_of_bare = False

    async def take(self, output: Any, source: Any = None) -> None:
        """Take something that a spider yielded; wait until there is room for a record.

        source: the response that it was made of. Raises TypeError for what is no item.
        """
        match output:
            case Item():
                if output.quota is None and not self._is_mine(output):
                    self.sum.leave(record=True)
                    return
                if output.quota is None:
                    self.sum.records += 1
                else:
                    self.sum.add_candidate(output.quota, output.rank)
                await self.enter(output)
            case Quota():
                if self.is_of_shard(output.key):
                    self._run.records.open_quota(output)
                else:
                    output.wanted = 0
            case Bookmark():
                self._run.in_flight.bookmark(output)
            case Expects():
                self._expect(output)
            case Unreadable():
                self.unreadable(output)
            case SharedBy():
                if self.is_of_shard(output.record_id):
                    self._run.images.add(output)
            case NotFollowed():
                if self.is_of_shard(output.where):
                    self._run.counts.add_not_followed(output)
            case Read():
                self.sum.read = output
                self._run.counts.read = output
            case Withdrawn():
                self._run.records.withdraw(output)
            case Document():
                self._run.files.write_document(output)
            case None:
                pass
            case _:
                await self._take_apart(output, source)

    async def enter(self, item: Item, whole: OrdinaryItem | None = None) -> None:
        """Put a record into the queue. whole: the item of an ordinary spider that it is of."""
        item.record_id = utf8(str(item.record_id)) or address_id(item.urls[0] if item.urls else "")
        item.renew = getattr(self._crawler.spider, "renew", None)
        await self._queue.put(self._run.in_flight.enter(item, host_of(item), whole))

    async def _take_apart(self, output: Any, source: Any) -> None:
        found = records_of(output, self._crawler.settings)
        if not found and not self._told_of_bare:
            self._told_of_bare = True
            logger.warning(
                "An item without addresses in image_urls or file_urls is no record: such items go "
                "to feeds (-O FILE) and to pipelines of your own, and into no table."
            )
        records = [record for record in found if self._is_mine(record)]
        whole = OrdinaryItem(output, source, records, open=len(records))
        if not found:
            self._on_whole(whole)
        for record in records:
            await self.enter(record, whole)

    def _is_mine(self, item: Item) -> bool:
        return self.is_of_shard((host_of(item) if self._by_host else "") or item.shard_key)

    def is_of_shard(self, key: str) -> bool:
        """Return True if a record, or a class, is of this run's shard (1 of N, cut by a hash)."""
        if self._shard is None:
            return True
        k, n = self._shard
        return crc32(utf8(key).encode()) % n == k - 1

    def unreadable(self, piece: Unreadable) -> None:
        """Write down a piece of the source that is no record, and show the first of them."""
        if not self.is_of_shard(piece.where):
            self.sum.leave(record=False)
            return
        self.sum.unreadable += 1
        if self.sum.unreadable <= _SHOWN:
            logger.warning("No record: %s: %s", piece.where, piece.problem)
        elif self.sum.unreadable == _SHOWN + 1:
            logger.warning("More that is no record will be in failures.csv, and not shown here.")
        self._run.records.unreadable(piece)

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
        if expects.bytes is not None and self._check_disk:
            self._run.check_disk(expects.bytes)

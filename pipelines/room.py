"""Keeps a dataset within ``max_total_bytes=``: the file that would pass it is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import Item, Missing, Stored
from imgcrawl.records.outcomes import Outcome
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class RoomPipeline(RunPipeline):
    """Comes after all that stores files on this machine, and before one leaves it for a store."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        if not crawler.settings.getint("MAX_TOTAL_BYTES"):
            raise NotConfigured

    def process_item(self, item: Item) -> Item:
        """Count a new file, or take it back where it has no room: then the run ends.

        A file that has taken the place of an earlier one stays: nothing would be left of either.
        """
        room, result = self._run.room, item.result
        if isinstance(result, Missing) and result.outcome is Outcome.DISK_FULL and room.refused:
            self._run.halt(room.describe())
        if item.unchanged or not isinstance(result, Stored):
            return item
        before = self._run.in_flight.known(item)
        replaced = before.result if before is not None else None
        try:
            if isinstance(replaced, Stored):
                room.take(-(replaced.bytes or 0))
            else:
                room.require(result.bytes or 0)
        except RecordMissing as error:
            self._run.records.take_back(item, error.outcome, error.message)
            self._run.halt(room.describe())
        else:
            room.take(result.bytes or 0)
        return item

"""Of a class that has a quota, no two pictures with the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.records.items import Item, Stored
from imgcrawl.records.outcomes import Outcome
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class DistinctPipeline(RunPipeline):
    """Lets the first candidate of a list have its bytes; any other is a `duplicate`.

    The first is that of the lower rank, whichever arrived first: so the same pictures are kept
    however the downloads were timed.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        if not crawler.settings.getbool("DISTINCT"):
            raise NotConfigured

    def process_item(self, item: Item) -> Item:
        """Compare a candidate that was stored just now with what its class has already."""
        result = item.result
        if (
            item.quota is None
            or item.unchanged
            or not isinstance(result, Stored)
            or not result.sha256
        ):
            return item
        for other in self._run.in_flight.same_bytes(item, result.sha256):
            if other is not item and other.quota == item.quota:
                first, second = sorted((item, other), key=lambda i: i.rank)
                self._drop(second, first.record_id)
                if second is item:
                    return item
        for entry in self._run.recorder.of_bytes(result.sha256):
            if entry.quota != item.quota or entry.record_id == item.record_id:
                continue
            if isinstance(entry.result, Stored):
                if entry.to_item().rank < item.rank:
                    self._drop(item, entry.record_id)
                    break
                self._run.records.revoke(
                    entry, entry.result.as_missing(Outcome.DUPLICATE, _of(item.record_id))
                )
        return item

    def _drop(self, item: Item, of: str) -> None:
        result = item.result
        assert isinstance(result, Stored)
        if result.file_name is not None:
            self._run.files.remove(result.file_name)
        item.result = result.as_missing(Outcome.DUPLICATE, _of(of))


def _of(record_id: str) -> str:
    return f"the same bytes as {record_id}"

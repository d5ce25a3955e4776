"""Of a class that has a quota, no two pictures with the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.same_bytes import Place, SameBytesIndex
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

    def open_spider(self) -> None:
        """Take the run, and index which candidate of each class has the bytes."""
        super().open_spider()
        self._kept = SameBytesIndex(self._run.ledger, _place_of_entry)

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
        sha256, quota, records = result.sha256, item.quota, self._run.records
        self._kept.open(sha256)
        for record_id in [*self._kept.records(sha256, quota)]:  # one, but for ledgers of others
            other = records.stored_with(record_id, sha256)
            if other is None or other.quota != quota or record_id == item.record_id:
                continue
            if _rank(other) < item.rank:
                records.take_back(item, Outcome.DUPLICATE, _of(record_id))
                return item
            records.take_back(other, Outcome.DUPLICATE, _of(item.record_id))
        self._kept.clear(sha256, quota)
        self._kept.add(sha256, Place(quota, "", item.record_id))
        return item


def _place_of_entry(entry: LedgerEntry) -> Place | None:
    if entry.quota is None or not isinstance(entry.result, Stored):
        return None
    return Place(entry.quota, "", entry.record_id)


def _rank(holder: Item | LedgerEntry) -> int:
    return (holder.to_item() if isinstance(holder, LedgerEntry) else holder).rank


def _of(record_id: str) -> str:
    return f"the same bytes as {record_id}"

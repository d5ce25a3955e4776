"""The same bytes from several URLs of one host are no photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.dataset.same_bytes import Place, SameBytesIndex
from imgcrawl.records.held_body import lies_in_list
from imgcrawl.records.items import Item, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.addresses import host_of, same_picture_key
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.records.items import Result

# Keys of the index that are no addresses.
_JUDGED = "!"  # the host is known to send these bytes in the place of pictures
_NO_ADDRESS = "-"


class PlaceholdersPipeline(RunPipeline):
    """Notices placeholders that nobody knows yet, by what a host sends for different pictures.

    Once PLACEHOLDER_REPEATS different URLs of a host have given the same bytes, all of them are
    `placeholder`: what was stored before the pattern showed is taken back. Spellings of one address
    count once. 0: never.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._repeats = crawler.settings.getint("PLACEHOLDER_REPEATS")
        if not self._repeats:
            raise NotConfigured

    def open_spider(self) -> None:
        """Take the run, and index what each host has sent, by address."""
        super().open_spider()
        self._sent = SameBytesIndex(self._run.ledger, _place_of_entry)

    def process_item(self, item: Item) -> Item:
        """Judge what was stored just now by what else had the same bytes."""
        result = item.result
        if item.unchanged or not isinstance(result, Stored) or not result.sha256:
            return item
        if lies_in_list(result.url or ""):
            return item  # which has what it has
        sha256, host = result.sha256, host_of(result.final_url)
        self._sent.open(sha256)
        self._forget_earlier(item, sha256)
        self._sent.add(sha256, _place(item.record_id, result))
        keys = self._sent.keys(sha256, host, self._repeats)
        if _JUDGED in keys or len(keys) >= self._repeats:
            self._take_back(sha256, host)
        return item

    def _forget_earlier(self, item: Item, sha256: str) -> None:
        """Have a record count once that had these bytes before, at whatever address."""
        entry = self._run.in_flight.known(item)
        if entry is None or entry.result.sha256 != sha256:
            return
        place = _place_of_entry(entry)
        if place.key != _JUDGED:
            self._sent.remove(sha256, place)

    def _take_back(self, sha256: str, host: str) -> None:
        message = f"{host} sends the same bytes for different pictures: no photograph"
        for record_id in self._sent.records(sha256, host):
            holder = self._run.records.stored_with(record_id, sha256)
            if holder is None or not isinstance(holder.result, Stored):
                continue
            if host_of(holder.result.final_url) == host:
                self._run.records.take_back(holder, Outcome.PLACEHOLDER, message)
        self._sent.clear(sha256, host)
        self._sent.add(sha256, Place(host, _JUDGED, ""))


def _place_of_entry(entry: LedgerEntry) -> Place:
    if entry.result.outcome is Outcome.PLACEHOLDER:
        return Place(host_of(entry.result.final_url), _JUDGED, "")  # one for all of them
    return _place(entry.record_id, entry.result)


def _place(record_id: str, result: Result) -> Place:
    address = same_picture_key(result.url) if result.url else _NO_ADDRESS
    return Place(host_of(result.final_url), address, record_id)

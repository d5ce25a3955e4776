"""The same bytes from several URLs of one host are no photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.exceptions import NotConfigured

from imgcrawl.records.items import Item, Stored
from imgcrawl.records.outcomes import Outcome
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.dataset.entries import LedgerEntry


class PlaceholdersPipeline(RunPipeline):
    """Notices placeholders that nobody knows yet, by what a host sends for different pictures.

    Once PLACEHOLDER_REPEATS different URLs of a host have given the same bytes, all of them are
    `placeholder`: what was stored before the pattern showed is taken back. 0: never.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._repeats = crawler.settings.getint("PLACEHOLDER_REPEATS")
        if not self._repeats:
            raise NotConfigured

    def process_item(self, item: Item) -> Item:
        """Judge what was stored just now by what else had the same bytes."""
        result = item.result
        if item.unchanged or not isinstance(result, Stored) or not result.sha256:
            return item
        host = _host(result.final_url)
        written = [e for e in self._run.recorder.of_bytes(result.sha256) if _is_of(e, host)]
        flying = [
            (other, there)
            for other in self._run.in_flight.same_bytes(item, result.sha256)
            if isinstance(there := other.result, Stored) and _host(there.final_url) == host
        ]
        urls = {e.result.url for e in written} | {there.url for _, there in flying}
        if len(urls) < self._repeats and not any(
            e.result.outcome is Outcome.PLACEHOLDER for e in written
        ):
            return item
        message = f"{host} sends the same bytes for different pictures: no photograph"
        for entry in written:
            if isinstance(entry.result, Stored):
                missing = entry.result.as_missing(Outcome.PLACEHOLDER, message)
                self._run.records.revoke(entry, missing)
        for other, there in flying:
            if there.file_name is not None:
                self._run.files.remove(there.file_name)
            other.result = there.as_missing(Outcome.PLACEHOLDER, message)
        return item


def _is_of(entry: LedgerEntry, host: str) -> bool:
    return _host(entry.result.final_url) == host


def _host(url: str | None) -> str:
    return (urlsplit(url).hostname or "") if url else ""

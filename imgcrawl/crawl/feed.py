"""Scrapy's feeds (``-O items.jsonl``): the dataset as its tables tell it.

A record has its last word at the end of a run: a placeholder is taken back, a picture that is gone
found in an archive. So the rows come from the ledger, once it is complete.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.extensions.feedexport import FeedExporter

from imgcrawl.crawl.ordinary_spiders import is_ordinary
from imgcrawl.dataset.feed_rows import feed_columns, feed_rows
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.storage.directory import LEDGER
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.extensions.feedexport import FeedSlot

_TEXTUAL = frozenset({"csv", "xml"})  # formats whose rows are cells
_NO_NAME = re.compile(r"^(?![A-Za-z_])|[^\w.-]", re.ASCII)  # of an element of XML


class DatasetFeed(FeedExporter):
    """Takes the place of Scrapy's own, which hands out records as they are inside.

    What an ordinary spider yields is exported as Scrapy does: its items are its user's.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._of_records = crawler.settings["OUT"] is not None and not is_ordinary(crawler)

    def item_scraped(self, item: Any, spider: Spider) -> None:
        """Export an item as Scrapy does; a record waits for the end of the run."""
        if not self._of_records:
            super().item_scraped(item, spider)

    async def close_spider(self, spider: Spider) -> None:
        """Export every record of OUT, then close the feeds."""
        path = Path(self.settings["OUT"] or "") / LEDGER
        if self._of_records and path.is_file():
            with closing(Ledger(path)) as ledger:
                columns = feed_columns(ledger)
                for options in self.feeds.values():
                    if options["format"] == "csv" and options["fields"] is None:
                        options["fields"] = columns  # else they are those of the first row
                for row in feed_rows(ledger):
                    self._export(row, spider)
        await super().close_spider(spider)

    def _export(self, row: dict[str, Any], spider: Spider) -> None:
        """Export a row to every feed, in each as its format can have it."""
        slots: list[FeedSlot] = []
        for slot in [*self.slots]:
            self.slots = [slot]
            super().item_scraped(_as_cells(row, slot.format), spider)
            slots += self.slots
        self.slots = slots


def _as_cells(row: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a row for a format: as cells where values would be written as Python has them."""
    if kind not in _TEXTUAL:
        return row
    cells = {name: safe_cell(value) for name, value in row.items()}
    if kind == "csv":
        return cells
    return {_NO_NAME.sub("_", name): cell for name, cell in cells.items()}

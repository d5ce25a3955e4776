"""The texts beside an image: written once the record itself is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.items import Item, Missing
from imgcrawl.run import Run

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler


class DocumentsPipeline:
    """Writes an item's documents below OUT, each as a whole."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        return cls(crawler)

    def open_spider(self) -> None:
        """Meet the run."""
        self._run = Run.of(self._crawler)

    def process_item(self, item: Item) -> Item:
        """Write the documents of an item that is not missing."""
        if not isinstance(item.result, Missing):
            for document in item.documents:
                if not (item.held and self._run.has_document(document)):
                    self._run.write_document(document)
        return item

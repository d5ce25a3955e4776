from collections.abc import AsyncIterator
from typing import Any

import scrapy

from imgcrawl.records.items import ImageItem
from pipelines.images import ImagesPipeline


class OneName(ImagesPipeline):
    """Calls every picture the same."""

    def file_path(self, request, response=None, info=None, *, item=None):  # type: ignore[no-untyped-def, override]
        return "pages/picture.png"


class Count:
    """Says at the end how many records it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def process_item(self, item: Any) -> Any:
        self.seen += isinstance(item, ImageItem)
        return item

    def close_spider(self) -> None:
        print(self.seen, "seen by a pipeline of its own", flush=True)


class Catalogue(scrapy.Spider):
    """Yields records at once, and has pipelines in its own settings."""

    name = "catalogue"
    custom_settings = {  # noqa: RUF012 - as Scrapy's documentation has it
        "ITEM_PIPELINES": {"tests.crawl.ordinary.catalogue.Count": 950}
    }

    def __init__(self, base: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.base = base

    async def start(self) -> AsyncIterator[Any]:
        for n in [n for n in range(41) if n != 7]:
            yield ImageItem(f"page {n}", [f"{self.base}/i/{n}.png"], f"pages/{n}")


class OfOld(Catalogue):
    """Begins as spiders did before Scrapy 2.13."""

    name = "of-old"
    start = scrapy.Spider.start

    def start_requests(self) -> Any:
        yield scrapy.Request(f"{self.base}/index.html")


class EmptyHanded(Catalogue):
    """Finds nothing."""

    name = "empty-handed"

    async def start(self) -> AsyncIterator[Any]:
        yield scrapy.Request(f"{self.base}/index.html", callback=self.nothing)

    def nothing(self, response: Any) -> None:
        pass

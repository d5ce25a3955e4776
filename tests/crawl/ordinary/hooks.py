from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy import Request
from scrapy.exceptions import DropItem

from imgcrawl.records.items import FileItem, ImageItem
from pipelines.files import FilesPipeline
from pipelines.images import ImagesPipeline


class Named(ImagesPipeline):
    """Overrides Scrapy's hooks as its documentation writes them."""

    def get_media_requests(self, item: Any, info: Any) -> Iterator[Request]:  # type: ignore[override]
        for url in item.urls:
            yield Request(url, headers={"Referer": "http://museum.example/"})

    def file_path(self, request, response=None, info=None, *, item=None):  # type: ignore[no-untyped-def, override]
        return f"wing {item.metadata['wing']}/{urlsplit(request.url).path.rpartition('/')[2]}"

    def item_completed(self, results: Any, item: Any, info: Any) -> Any:
        for ok, value in results:
            if ok and value["url"].endswith("/3.png"):
                raise DropItem(f"{value['path']} is on loan")
        return item


class Plans(FilesPipeline):
    """The same of files."""

    def file_path(self, request, response=None, info=None, *, item=None):  # type: ignore[no-untyped-def]
        return "plans/the plan.txt"


class Hooked(scrapy.Spider):
    """Yields records from a callback, one without an id."""

    name = "hooked"

    def __init__(self, base: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.base = base
        self.start_urls = [f"{base}/index.html"]

    def parse(self, response: Any) -> Iterator[Any]:
        for n in range(6):
            url = f"{self.base}/i/{n}.png"
            yield ImageItem(n or "", [url], f"images/{n}", {"wing": n % 2})  # type: ignore[arg-type]
        for n in range(2):
            yield FileItem(f"plan{n}", [f"{self.base}/plan.txt"], "plan.txt")

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import scrapy
from scrapy.linkextractors import LinkExtractor
from scrapy.spiders import CrawlSpider, Rule, SitemapSpider


class Museum(scrapy.Spider):
    """Follows links, and yields dicts."""

    name = "museum"

    def __init__(self, base: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.start_urls = [f"{base}/index.html"]

    def parse(self, response: Any) -> Iterator[Any]:
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link, self.room)

    def room(self, response: Any) -> Iterator[Any]:
        yield {
            "image_urls": [response.urljoin(u) for u in response.css("img::attr(src)").getall()],
            "file_urls": [response.urljoin(u) for u in response.css("object::attr(data)").getall()],
            "title": response.css("title::text").get(),
            "seen": {"depth": response.meta["depth"]},
        }


class Faulty(Museum):
    """Has a fault in one of its callbacks."""

    name = "faulty"

    def room(self, response: Any) -> Iterator[Any]:
        if "room3" in response.url:
            raise KeyError("frame")
        yield from super().room(response)


@dataclass
class Painting:
    title: str = ""
    image_urls: list[str] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)


class Rules(CrawlSpider):
    """Scrapy's CrawlSpider, which stays on its domain."""

    name = "rules"
    allowed_domains: ClassVar[list[str]] = ["127.0.0.1"]
    rules = (Rule(LinkExtractor(allow="room"), callback="room"),)

    def __init__(self, base: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.start_urls = [f"{base}/index.html"]

    def room(self, response: Any) -> Iterator[Painting]:
        for image in response.css("img"):
            url = response.urljoin(image.attrib["src"])
            yield Painting(response.css("title::text").get(""), [url])


class Mapped(SitemapSpider):
    """Scrapy's SitemapSpider; its items have no field for what came of them."""

    name = "mapped"

    class Picture(scrapy.Item):
        image_urls = scrapy.Field()

    def __init__(self, base: str = "", **more: Any) -> None:
        self.sitemap_urls = [f"{base}/sitemap.xml"]
        super().__init__(**more)

    def parse(self, response: Any) -> Iterator[Any]:
        urls = response.css("img::attr(src)").getall()
        yield self.Picture(image_urls=[response.urljoin(url) for url in urls])


class Started(scrapy.Spider):
    """Yields items from start() alone, one of them without an address."""

    name = "started"

    def __init__(self, base: str = "", **more: Any) -> None:
        super().__init__(**more)
        self.base = base

    async def start(self) -> AsyncIterator[Any]:
        for number in range(3):
            yield {"image_urls": f"{self.base}/i/{number}.png", "n": number}
        yield {"image_urls": [], "n": 3}

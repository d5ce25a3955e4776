"""Scrapy's own pipelines with Scrapy's own settings, as a project fresh from the template.

``python -m bench.stock images|files BASE N OUT``
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from scrapy import Spider
from scrapy.crawler import AsyncCrawlerProcess

from bench.contenders import CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StockSpider(Spider):
    """One item a picture."""

    name = "stock"

    async def start(self) -> AsyncIterator[Any]:
        for number in range(int(self.n)):
            yield {f"{self.kind}_urls": [f"{self.base}/{number}.jpg"]}


def main() -> None:
    kind, base, n, out = sys.argv[1:]
    name = kind.capitalize()
    process = AsyncCrawlerProcess(
        {
            "ITEM_PIPELINES": {f"scrapy.pipelines.{kind}.{name}Pipeline": 1},
            f"{kind.upper()}_STORE": out,
            "CONCURRENT_REQUESTS": CONCURRENCY,
            "CONCURRENT_REQUESTS_PER_DOMAIN": CONCURRENCY,
            "LOG_LEVEL": "WARNING",
            "TELNETCONSOLE_ENABLED": False,
            "REMOTE_CONTROL_ENABLED": False,
        }
    )
    process.crawl(StockSpider, kind=kind[:-1], base=base, n=n)
    process.start()


if __name__ == "__main__":
    main()

"""Scrapy's own pipelines with Scrapy's default settings.

Run by ``scrapy runspider``; bench/contenders.py has the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Spider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StockSpider(Spider):
    """One item per picture."""

    name = "stock"
    # Arguments, by -a.
    base: str
    kind: str  # image or file
    n: str

    async def start(self) -> AsyncIterator[Any]:
        for number in range(int(self.n)):
            yield {f"{self.kind}_urls": [f"{self.base}/{number}.jpg"]}

"""Scrapy's own pipelines with Scrapy's own settings, as a project fresh from the template.

Run by ``scrapy runspider``; what it is measured with stands in bench/contenders.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Spider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StockSpider(Spider):
    """One item a picture."""

    name = "stock"

    async def start(self) -> AsyncIterator[Any]:
        for number in range(int(self.n)):
            yield {f"{self.kind}_urls": [f"{self.base}/{number}.jpg"]}

"""Scrapy's own pipelines with Scrapy's default settings.

Run by ``scrapy runspider``; bench/contenders.py has the command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import Spider

sys.path.insert(0, str(Path(__file__).parent.parent))  # it is run in another folder
from bench.addresses import address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StockSpider(Spider):
    """One item per picture."""

    name = "stock"
    # Arguments, by -a.
    base: str
    kind: str  # image or file
    n: str
    hosts: str = "1"

    async def start(self) -> AsyncIterator[Any]:
        for number in range(int(self.n)):
            url = address(self.base, number, int(self.hosts))
            yield {f"{self.kind}_urls": [url]}

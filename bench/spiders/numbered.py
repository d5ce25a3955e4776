"""The pictures 0 to N of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bench.addresses import address
from imgcrawl.arguments import ImageArguments
from imgcrawl.records.items import Expects, ImageItem
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


class NumberedArguments(ImageArguments):
    """The server, the number of pictures, and over how many hosts they are spread."""

    base: str = Field(description="the server")
    n: int = Field(description="number of pictures")
    hosts: int = Field(1, description="number of hosts that the server has")


class NumberedSpider(DatasetSpider[NumberedArguments]):
    """One record per number."""

    name = "numbered"
    arguments: ClassVar[type[NumberedArguments]] = NumberedArguments
    example = "scrapy crawl numbered -a base=http://127.0.0.1:8000 -a n=4000"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield N pictures, a thousand per directory."""
        yield Expects(self.args.n)
        for number in range(self.args.n):
            path = f"images/{number // 1000}/{number}"
            url = address(self.args.base, number, self.args.hosts)
            yield ImageItem(str(number), [url], path)

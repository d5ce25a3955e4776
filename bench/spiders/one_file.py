"""One file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imgcrawl.arguments import FileArguments
from imgcrawl.records.items import FileItem
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


class OneFileArguments(FileArguments):
    """The address of the file."""

    url: str = Field(description="the file")


class OneFileSpider(DatasetSpider[OneFileArguments]):
    """One file, under its own name."""

    name = "one_file"
    arguments: ClassVar[type[OneFileArguments]] = OneFileArguments
    example = "scrapy crawl one_file -a url=http://127.0.0.1:8000/big.bin"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the file."""
        yield FileItem("big", [self.args.url], f"files/{self.args.url.rpartition('/')[2]}")

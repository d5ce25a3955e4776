"""Spiders for tests: the pictures, files or copies that a JSON file lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from imgcrawl.arguments import ImageArguments
from imgcrawl.records.items import FileItem, ImageItem, VolumeItem
from imgcrawl.records.volume import Copy, VolumeAddress
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput


class ListedArguments(ImageArguments):
    list: Path = Field(description="a JSON list of records")


class ListedSpider(DatasetSpider[ListedArguments]):
    """[record_id, urls, path, metadata] of each picture."""

    name = "listed"
    arguments: ClassVar[type[ListedArguments]] = ListedArguments
    example = "scrapy crawl listed -a list=FILE"

    async def records(self) -> AsyncIterator[SpiderOutput]:
        for record in json.loads(self.args.list.read_text()):
            yield self.item(*record)

    def item(self, *record: Any) -> SpiderOutput:
        return ImageItem(*record)


class ListedFilesSpider(ListedSpider):
    """[record_id, urls, path, metadata] of each file."""

    name = "listed_files"
    example = "scrapy crawl listed_files -a list=FILE"

    def item(self, *record: Any) -> SpiderOutput:
        return FileItem(*record)


class ListedCopiesSpider(ListedSpider):
    """[path, address as shown, URL, parts] of each copy."""

    name = "listed_copies"
    example = "scrapy crawl listed_copies -a list=FILE"

    def item(self, *record: Any) -> SpiderOutput:
        path, shown, url, parts = record
        copy = Copy(VolumeAddress(shown, url), tuple(parts))
        return VolumeItem(path, [url], path, {"asked": shown}, copy=copy)

"""A spider for tests: the items that a JSON file lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from imgcrawl.arguments import ImageArguments
from imgcrawl.items import ImageItem
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spiders.base.dataset import Said


class ListedArguments(ImageArguments):
    list: Path = Field(description="a JSON list of [record_id, urls, path, metadata]")


class ListedSpider(DatasetSpider[ListedArguments]):
    name = "listed"
    arguments: ClassVar[type[ListedArguments]] = ListedArguments
    example = "scrapy crawl listed -a list=FILE"

    async def records(self) -> AsyncIterator[Said]:
        for record_id, urls, path, metadata in json.loads(self.args.list.read_text()):
            yield ImageItem(record_id, urls, path, metadata)

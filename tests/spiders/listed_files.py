"""A spider for tests: the files that a JSON file lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from imgcrawl.items import FileItem
from tests.spiders.listed import ListedArguments, ListedSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spiders.base.dataset import Said


class ListedFilesSpider(ListedSpider):
    name = "listed_files"
    arguments: ClassVar[type[ListedArguments]] = ListedArguments
    example = "scrapy crawl listed_files -a list=FILE"

    async def records(self) -> AsyncIterator[Said]:
        for record_id, urls, path, metadata in json.loads(self.args.list.read_text()):
            yield FileItem(record_id, urls, path, metadata)

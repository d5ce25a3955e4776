"""A spider for tests: the copies that a JSON file lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from imgcrawl.items import VolumeItem
from imgcrawl.volumes.model import Address, Copy
from tests.spiders.listed import ListedArguments, ListedSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spiders.base.dataset import Said


class ListedCopiesSpider(ListedSpider):
    name = "listed_copies"
    arguments: ClassVar[type[ListedArguments]] = ListedArguments
    example = "scrapy crawl listed_copies -a list=FILE"

    async def records(self) -> AsyncIterator[Said]:
        for path, shown, url, parts in json.loads(self.args.list.read_text()):
            copy = Copy(Address(shown, url), tuple(parts))
            yield VolumeItem(path, [url], path, {"asked": shown}, copy=copy)

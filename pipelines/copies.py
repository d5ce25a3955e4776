"""Stores groups and arrays as they are: every object of a `VolumeItem` that has a copy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imgcrawl.records.items import Item, VolumeItem
from imgcrawl.storage.local import LocalStorage
from imgcrawl.storage.open_store import media_storage
from pipelines.base import VolumePipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.storage.base import Storage
    from imgcrawl.volumes.copy.volume_copy import VolumeCopier

AT_ONCE = 4  # copies, whose objects share the requests that may be under way


class CopiesPipeline(VolumePipeline):
    """Below OUT, or where FILES_STORE says; the requests go through the ordinary downloader."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._copies: VolumeCopier | None = None

    async def process_item(self, item: Item) -> Item:
        """Copy what has no result yet, and give it one."""
        if not isinstance(item, VolumeItem) or item.copy is None:
            return item
        if item.urls and item.result is None:
            async with self._room:
                item.result = await self._made().copy(item, item.copy)
        elif item.unchanged and "objects" in (known := self._run.in_flight.known_metadata(item)):
            item.metadata = item.metadata | known  # what it says was read once, and kept
        self._count_absent(item)
        return item

    def _made(self) -> VolumeCopier:
        if self._copies is None:
            from imgcrawl.volumes.copy.volume_copy import VolumeCopier  # noqa: PLC0415 - most crawls have none

            self._copies = VolumeCopier(self._crawler, self._run, self._storage())
        return self._copies

    def _storage(self) -> Storage:
        """Return where objects go: a bucket that FILES_STORE names, or OUT."""
        if not self._run.files.local:
            storage = media_storage("FILES_STORE", self._crawler.settings)
            if not storage.is_local:
                return storage
        return LocalStorage(self._run.out.root, self._run.out.partial)

"""Stores groups and arrays as they are: every object of a `VolumeItem` that has a copy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imgcrawl.records.items import Item, VolumeItem
from imgcrawl.storage.local import LocalFilesStore
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.storage.objects import ObjectStorage
    from imgcrawl.volumes.copy.volume_copy import VolumeCopier

AT_ONCE = 4  # copies, whose objects share the requests that may be under way


class CopiesPipeline(RunPipeline):
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
        elif item.unchanged and (known := self._run.known(item)) and "objects" in known.metadata:
            item.metadata = item.metadata | known.metadata  # what it says was read once, and kept
        return item

    def _made(self) -> VolumeCopier:
        if self._copies is None:
            from imgcrawl.volumes.copy.volume_copy import VolumeCopier  # noqa: PLC0415 - most crawls have none

            self._copies = VolumeCopier(self._crawler, self._run, self._shelf())
        return self._copies

    def _shelf(self) -> ObjectStorage:
        """Where objects go: the store of files, if one is set."""
        from imgcrawl.storage.objects import ObjectStorage  # noqa: PLC0415 - likewise

        if self._run.files.local:
            return ObjectStorage(self._run.out.root)
        from pipelines.files import FilesPipeline  # noqa: PLC0415 - the few who have a store

        store = FilesPipeline.from_crawler(self._crawler).store
        local = isinstance(store, LocalFilesStore)
        return ObjectStorage(self._run.out.root, None if local else store)

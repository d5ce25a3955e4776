"""Reads boxes out of chunked volumes: every `VolumeItem` that has a crop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imgcrawl.records.items import Item, Stored, VolumeItem
from imgcrawl.storage.open_store import media_storage
from pipelines.base import VolumePipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.storage.base import Storage
    from imgcrawl.volumes.crop.volume_crop import VolumeCropper


class CropsPipeline(VolumePipeline):
    """The voxels as they are, in the format asked for; below OUT, or where FILES_STORE says."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._turns = asyncio.Semaphore(crawler.settings.getint("VOLUMES_AT_ONCE"))
        self._crops: VolumeCropper | None = None

    async def process_item(self, item: Item) -> Item:
        """Store a crop that has no result yet, and give it one."""
        if not isinstance(item, VolumeItem) or item.crop is None:
            return item
        if item.result is None:
            async with self._turns:
                item.result = await self._made().store(item, item.crop)
        elif item.unchanged and isinstance(item.result, Stored):
            known = self._run.in_flight.known_metadata(item)
            item.metadata = item.metadata | known  # learnt while it was read, and kept
        self._count_absent(item)
        return item

    def _made(self) -> VolumeCropper:
        if self._crops is None:
            from imgcrawl.volumes.crop.volume_crop import VolumeCropper  # noqa: PLC0415 - most crawls have no volumes

            self._crops = VolumeCropper(self._crawler, self._run, self._storage)
        return self._crops

    def _storage(self) -> Storage:
        return media_storage("FILES_STORE", self._crawler.settings)

"""The EXIF of each picture, where asked for: a column."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.pictures.exif import exif_tags
from imgcrawl.records.items import Item, Stored
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class ExifPipeline(RunPipeline):
    """Adds the column ``exif`` to the metadata of pictures on the local disk, once each.

    It may tell where a picture was taken, and by whom: nobody gets it who has not asked.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        if not crawler.settings.getbool("EXIF"):
            raise NotConfigured

    async def process_item(self, item: Item) -> Item:
        """Read the tags, unless an earlier run did."""
        result = item.result
        if not isinstance(result, Stored) or not result.file_name or not result.format:
            return item
        there = item.unchanged and "exif" in self._run.in_flight.known_metadata(item)
        if not there and (file := self._run.files.on_disk(result.file_name)) is not None:
            tags = await asyncio.to_thread(exif_tags, file, result.format)
            if tags is not None:
                item.metadata["exif"] = tags
        return item

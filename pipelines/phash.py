"""The perceptual hash of each picture, where asked for: a column, and near ones in a table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.pictures.phash import phash
from imgcrawl.records.items import Item, Stored
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class PhashPipeline(RunPipeline):
    """Adds the column ``phash`` to the metadata of pictures on the local disk, once each."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        if not crawler.settings.getbool("PHASH"):
            raise NotConfigured

    async def process_item(self, item: Item) -> Item:
        """Make the hash, unless an earlier run did."""
        result = item.result
        if not isinstance(result, Stored) or not result.file_name or not result.format:
            return item
        there = item.unchanged and "phash" in self._run.in_flight.known_metadata(item)
        if not there and (file := self._run.files.on_disk(result.file_name)) is not None:
            value = await asyncio.to_thread(phash, file, result.format)
            if value is not None:
                item.metadata["phash"] = value
        return item

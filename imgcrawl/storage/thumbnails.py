"""The smaller copies of stored pictures that IMAGES_THUMBS asks for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from imgcrawl.pictures.thumbnail import thumbnail
from imgcrawl.records.items import ImageItem, Stored
from imgcrawl.storage.pictures import CheckedPicture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgcrawl.storage.pictures import CheckedPictureStore
    from imgcrawl.storage.record_files import RecordFiles

logger = logging.getLogger(__name__)


class Thumbnails:
    """The maker of the smaller copies, a part of the images pipeline.

    sizes: by name, width and height that a copy fits into
    path:  the name of an item's copy in a size, without extension
    """

    def __init__(
        self,
        sizes: Mapping[str, tuple[int, int]],
        path: Callable[[ImageItem, str], str],
        pictures: CheckedPictureStore,
        files: RecordFiles,
    ) -> None:
        self._sizes, self._path = sizes, path
        self._pictures, self._files = pictures, files

    async def make(self, item: ImageItem, kept: CheckedPicture, body: bytes | None = None) -> None:
        """Make all copies of a picture; `body`: its bytes, if they are in memory already."""
        for name, size in self._sizes.items():
            if body is None:
                body = await self._pictures.read(kept.path)
            made = await self._pictures.call(thumbnail, body, kept.facts.format, size)
            if made is None:
                logger.warning("%s: no derived size %s could be made", item.record_id, name)
                continue
            await self._pictures.put(self._path(item, name) + made.extension, made.data)

    async def add(self, item: ImageItem) -> None:
        """Make the copies of an image that an earlier run stored."""
        result = item.result
        if not self._sizes or not isinstance(result, Stored) or not result.file_name:
            return
        file = self._files.on_disk(result.file_name)
        if file is None and not self._files.has_sizes(result.file_name, self._sizes):
            file = await self._files.download(result.file_name)
        if file is not None:
            body = await asyncio.to_thread(file.read_bytes)
            kept = CheckedPicture(
                result.file_name, "", len(body), await self._pictures.header(body)
            )
            await self.make(item, kept, body)

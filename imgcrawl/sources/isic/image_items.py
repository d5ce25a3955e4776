"""IsicImageItems: images of the ISIC Archive as items, each with its masks and its licence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from imgcrawl.records.items import ImageItem, Withdrawn
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.isic.api import BATCH
from imgcrawl.sources.isic.masks import WantedMasks, mask_items, published_masks
from imgcrawl.sources.isic.records import (
    description_of,
    expects_of_ids,
    flatten,
    image_item,
    record_id_of,
)
from imgcrawl.text.filenames import format_layout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from imgcrawl.records.items import Metadata, SpiderOutput
    from imgcrawl.sources.fetcher import Fetcher
    from imgcrawl.sources.isic.api import IsicApi
    from imgcrawl.sources.isic.masks import SegLevel


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image that a list names. columns: what the list says of it"""

    isic_id: str
    columns: Metadata = field(default_factory=dict)


@dataclass(slots=True)
class IsicImageItems:
    """Makes items of images. All folders are below OUT.

    images:     which picture: full, thumbnail or none
    images_dir: where they go
    layout:     their names there, made of columns
    descs_dir:  where each image's JSON goes; None for nowhere
    seg_dir:    where masks go
    """

    api: IsicApi
    images: str
    images_dir: str
    layout: str
    descs_dir: str | None
    seg_dir: str
    _masks: WantedMasks | None = None

    async def with_masks(self, fetcher: Fetcher, level: SegLevel, *, attributes: bool) -> None:
        """Read which masks are published, and have those of a level follow each image.

        attributes: whether those of dermoscopic attributes follow, too
        Raises SourceError.
        """
        published = await published_masks(fetcher, level, attributes=attributes)
        self._masks = WantedMasks(published, level, attributes)

    def image(self, record: dict[str, Any], columns: Metadata | None = None) -> ImageItem:
        """Return the image of a record. columns: its own, besides"""
        metadata = flatten(record) | (columns or {})
        path = f"{self.images_dir}/{format_layout(self.layout, metadata)}"
        item = image_item(record, metadata, self.images, path)
        if self.descs_dir is not None:
            isic_id = metadata.get("isic_id") or ""
            item.documents.append(description_of(record, f"{self.descs_dir}/{isic_id}.json"))
        return item

    async def of_record(
        self, record: dict[str, Any], columns: Metadata | None = None
    ) -> AsyncIterator[SpiderOutput]:
        """Yield an image, its masks, and the text of its licence. columns: its own, besides"""
        item = self.image(record, columns)
        isic_id = str(item.metadata.get("isic_id") or "")
        yield item
        if self._masks is not None:
            for mask in mask_items(isic_id, item.record_id, self._masks, self.seg_dir):
                yield mask
        if text := await self.api.license_text(str(item.metadata.get("copyright_license") or "")):
            yield text

    def broken(self, why: Mapping[str, str]) -> Iterator[ImageItem]:
        """Yield the images that the archive cannot serve. why: what it answers, by their ids"""
        for isic_id, answer in why.items():
            record_id = record_id_of(isic_id, self.images)
            result = self.api.broken(isic_id, answer)
            yield ImageItem(record_id, [], f"{self.images_dir}/{isic_id}", result=result)

    async def of_ids(
        self, listed: Iterable[ListedImage], total: int, query: str
    ) -> AsyncIterator[SpiderOutput]:
        """Yield the images of a list of ids; those that the archive does not know are missing.

        total: how many there are
        """
        ids, is_first = iter(listed), True
        while chunk := {image.isic_id: image.columns for image in islice(ids, BATCH)}:
            async for batch in self.api.find([*chunk], query):
                if is_first:
                    is_first = False
                    promised = expects_of_ids(batch.records, self.images, total, batch.size)
                    # An id that the archive does not know has no masks either.
                    yield promised if self._masks is None else replace(promised, records=None)
                for record in batch.records:
                    columns = chunk.get(str(record.get("isic_id")))
                    async for output in self.of_record(record, columns):
                        yield output
                for given, why in batch.missing.items():
                    if why.outcome is Outcome.NOT_FOUND and not query:
                        yield Withdrawn(record_id_of(given, self.images), by_id=True)
                    path = f"{self.images_dir}/{given}"
                    yield ImageItem(given, [], path, {**chunk[given]}, result=why)

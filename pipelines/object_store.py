"""Moves what a record has stored from the scratch folder into the store of an ``out=s3://…``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.records.errors import StoreError
from imgcrawl.records.items import Item, Missing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.origin import object_metadata
from imgcrawl.storage.places import document_path
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class ObjectStorePipeline(RunPipeline):
    """Comes after all that reads or makes files, and before the record is written down."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        if not crawler.settings["OUT_STORE"]:
            raise NotConfigured

    async def process_item(self, item: Item) -> Item:
        """Upload an item's file or folder, its smaller copies, and its documents."""
        uploader, result = self._run.uploader, item.result
        assert uploader is not None
        if isinstance(result, Missing):
            return item
        name = result.file_name if result is not None else None
        try:
            await uploader.upload(self._names(item, name), object_metadata(result))
        except StoreError as error:
            if not item.unchanged:
                url = item.urls[0] if item.urls else None
                item.result = Missing(Outcome.INTERRUPTED, str(error), url)
            return item
        except FileNotFoundError:
            if not isinstance(item.result, Missing):
                raise
        if isinstance(item.result, Missing) and name is not None:
            # It turned out to be no photograph while it was on its way.
            await uploader.discard(name)
        return item

    def _names(self, item: Item, name: str | None) -> list[str]:
        """Return the names of an item's files in the scratch folder; the record's file first."""
        root = self._run.out.root
        names = []
        if name is not None:
            if not item.unchanged or (root / name).exists():
                names.append(name)
            names += [copy for copy in self._run.files.copies(name) if (root / copy).exists()]
        documents = (document_path(document.path) for document in item.documents)
        return names + [document for document in documents if (root / document).exists()]

"""The texts beside an image: written once the record itself is stored."""

from __future__ import annotations

from imgcrawl.records.items import Item, Missing
from pipelines.base import RunPipeline


class DocumentsPipeline(RunPipeline):
    """Writes an item's documents below OUT, each as a whole."""

    def process_item(self, item: Item) -> Item:
        """Write the documents of an item that is not missing."""
        if not isinstance(item.result, Missing):
            for document in item.documents:
                if not (item.unchanged and self._run.files.has_document(document)):
                    self._run.files.write_document(document)
        return item

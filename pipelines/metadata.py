"""The last thing to happen to a record: its row, and its entry in the ledger."""

from __future__ import annotations

from dataclasses import replace

from imgcrawl.records.items import Item, Missing, Stored
from imgcrawl.records.outcomes import Outcome
from pipelines.base import RunPipeline


class MetadataPipeline(RunPipeline):
    """Hands each item with its result to the run, which writes ledger and tables in batches."""

    def process_item(self, item: Item) -> Item:
        """Write down what became of the item; one without URLs is its metadata, and stored."""
        result = item.result
        if result is None:
            if item.urls:
                result = Missing(
                    Outcome.BAD_URL, f"nothing here stores a {item.kind}", item.urls[0]
                )
            else:
                result = Stored(tries=0)
        if item.hint and isinstance(result, Missing) and item.hint not in result.message:
            result = replace(result, message=f"{result.message}; {item.hint}")
        self._run.records.finish(item, result)
        return item

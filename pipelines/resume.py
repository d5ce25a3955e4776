"""Is this record done already, and where does it go if not?

Looks the record up in the ledger. Stored before, the file still there with its size, and the same
asked as then: nothing is left to do, and no request is made. Missing for a reason that another try
cannot mend: it stays missing. Otherwise the record gets a path of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from imgcrawl.crawl.in_flight import AlreadyInFlight
from imgcrawl.pictures.sniff import EXTENSIONS
from imgcrawl.records.items import Item, Missing, Stored, VolumeItem, from_json
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.question import Answer, answer_of, is_revised
from imgcrawl.records.retry import retry_outcomes
from imgcrawl.storage.places import place_beside, place_of
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy.crawler import Crawler

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.records.items import Result


class ResumePipeline(RunPipeline):
    """The first pipeline: gives an earlier run's result to the items that have one."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._retry = retry_outcomes(crawler.settings.get("RETRY"))

    async def process_item(self, item: Item) -> Item:
        """Set `result` and `unchanged` if nothing is left to do, `path` if something is.

        Raises AlreadyInFlight for a record that is in flight already.
        """
        if not await self._run.in_flight.start_after(item):
            raise AlreadyInFlight(f"{item.record_id} is in flight already")
        if item.previous_failure is not None:
            self._run.records.look_up(item)
            self._place(item)
        elif not await self._is_done(item) and item.result is None:
            self._place(item)
        is_new = item.result is None and item.previous_failure is None
        if self._run.recovering and item.urls and is_new:
            item.recovered_file = await self._find(item)
        return item

    async def _find(self, item: Item) -> Path | None:
        """Return a file that a killed run stored for an item and did not write down, or None."""
        if (entry := self._run.in_flight.known(item)) is not None and entry.doubt:
            return None  # the file that lies there is the one that is not trusted
        # A file of any kind keeps its own name; a picture's extension is what its bytes say.
        extensions = ("",) if item.named else EXTENSIONS
        names = [f"{item.path}{extension}" for extension in extensions]
        files = (self._run.out.root / name for name in names)
        found = next((file for file in files if file.exists()), None)
        if found is None and self._run.uploader is not None:
            return await self._run.uploader.fetch(names)
        return found

    async def _is_done(self, item: Item) -> bool:
        entry = self._run.records.look_up(item)
        if entry is None:
            return False
        result = entry.result
        match result:
            case Stored(file_name=None):
                done = not item.urls
            case Stored():
                done = await self._is_there(entry) and await self._answers(item, entry, result)
                done = done and self._run.records.is_whole(item, result)
            case _ if item.result is not None:  # what the source says today
                done = item.result == replace(result, tries=item.result.tries)
            case _:
                done = await self._stays_missing(item, entry)
        if done or (item.changed and self._stays_outdated(item, entry)):
            if isinstance(item.result, Missing) and isinstance(result, Stored):
                item.metadata = entry.metadata  # of a file that is there the source is silent today
            item.unchanged, item.result, item.path = True, result, entry.path
            item.body = None  # to make room for others
        return item.unchanged

    async def _is_there(self, entry: LedgerEntry) -> bool:
        if self._run.recovering:
            return await asyncio.to_thread(self._run.records.is_intact, entry)
        return self._run.records.has_file(entry)

    async def _answers(self, item: Item, entry: LedgerEntry, result: Result) -> bool:
        """Return whether an earlier result answers what is asked today; note it if it does not."""
        if is_revised(entry.metadata, item):
            item.changed = True
            return False
        if entry.item == item.to_json():
            return True
        answer = answer_of(result, entry.to_item(), item)
        if answer is Answer.DIGESTS and isinstance(result, Stored) and result.file_name:
            item.proved = await self._run.files.has_digests(result.file_name, item.digests)
        item.changed = not (answer is Answer.YES or item.proved)
        return not item.changed

    async def _stays_missing(self, item: Item, entry: LedgerEntry) -> bool:
        # Without an address only the source could tell, and by now it has one.
        if not entry.to_item().urls:
            return False
        return await self._answers(item, entry, entry.result) and (
            entry.result.outcome not in self._retry
        )

    def _stays_outdated(self, item: Item, entry: LedgerEntry) -> bool:
        """Return whether what is asked today was asked before, and cannot be had."""
        if entry.outdated is None or not self._run.records.has_file(entry):
            return False
        missing = entry.outdated.missing
        if missing.outcome in self._retry:
            return False
        asked = from_json(item.record_id, entry.outdated.item, {})
        return answer_of(missing, asked, item) is Answer.YES

    def _place(self, item: Item) -> None:
        try:
            item.path = place_of(item)
        except ValueError as error:
            item.result = Missing(Outcome.BAD_URL, f"no name to store it under: {error}")
            return
        if not self._run.records.is_free(item.path, item):
            item.path = place_beside(item, item.shard_key)
        elif item.changed and isinstance(item, VolumeItem) and item.copy is not None:
            # Object by object it would mix with the copy that is there.
            item.path = place_beside(item, item.copy.address.url)
        self._run.in_flight.claim_path(item, item.path)

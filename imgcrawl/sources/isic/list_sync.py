"""IsicListSync: what a run reads of a list, held against what earlier runs have read of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgcrawl.records.items import Bookmark, Expects, Withdrawn
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.isic.id_set import IdSet
from imgcrawl.sources.isic.list_state import ListState
from imgcrawl.sources.isic.list_sums import ListSums
from imgcrawl.sources.isic.records import flatten, record_id_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.sources.cursor_pages import CursorPage
    from imgcrawl.sources.isic.api import IsicApi


class IsicListSync:
    """Knows which images of a list a run has seen, and whether the whole list must be read again.

    key:       names the list; its state is the bookmark of this name with " state" behind it
    bookmarks: committed ones of earlier runs
    days:      after so many a list is read from its beginning, whatever its sums say
    is_part:   whether the list is but the later part of what the sums are of
    """

    def __init__(
        self,
        api: IsicApi,
        key: str,
        bookmarks: Mapping[str, str],
        days: float,
        *,
        is_part: bool = False,
    ) -> None:
        self._api = api
        self._is_part = is_part
        self._key = f"{key} state"
        self._days = days
        saved = bookmarks.get(self._key)
        self._before = ListState.from_json(saved) if saved else None
        self._state = self._before.copy() if self._before else ListState.new()
        self._given = IdSet()
        self._is_whole = False
        self._nameless = 0  # records whose ids are none: they are seen, and cannot be remembered
        self.today = ListSums()

    def start_over(self) -> None:
        """Begin to read the list from its beginning."""
        self._state, self._is_whole, self._nameless = ListState.new(), True, 0

    def take(self, page: CursorPage) -> CursorPage:
        """Return a page without the records that this run has given out already."""
        for record in page.records:
            if self._state.ids.add(record.get("isic_id")):
                self._state.add(record)
                self._nameless += record.get("isic_id") not in self._state.ids
        fresh = [record for record in page.records if self._given.add(record.get("isic_id"))]
        return replace(page, records=fresh)

    def lose(self, broken: Collection[str]) -> None:
        """Note records that the archive cannot serve: they are in the list all the same."""
        self._state.broken = {*self._state.broken, *broken}
        for isic_id in broken:
            self._state.ids.add(isic_id)

    async def mended(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the records that the archive could not serve to an earlier run, and can by now."""
        if self._is_whole or self._before is None:
            return
        async for batch in self._api.find(sorted(self._before.broken), "", once=True):
            for record in batch.records:
                self._state.broken = {*self._state.broken} - {record.get("isic_id", "")}
                if self._given.add(record.get("isic_id")):
                    yield record

    def doubt(self) -> str:
        """Return why what was read from a bookmark on is not enough; nothing if it is."""
        if self._is_whole:
            return ""
        if self._before is None:
            return "no run has read it in one go"
        return self._state.doubt(self._before, self.today, self._days)

    @property
    def is_empty(self) -> bool:
        """Whether no run has seen an image of the list."""
        return not (self._state.ids or self._nameless)

    def settled(self, promised: int | None) -> Expects:
        """Return what the list has come to beyond what was promised."""
        size = len(self._state.ids) + self._nameless
        if promised is not None and size < promised and self._is_whole and size:
            words = (
                "The archive counts %s images in this list, and its pages have %s. Its counts may "
                "be a day or two late; if it says so for longer, images are kept back."
            )
            self._api.logger.warning(words, f"{promised:,}", f"{size:,}")
        return Expects(size - (promised or 0))

    async def end(self, images: str) -> AsyncIterator[SpiderOutput]:
        """Yield what has left the list since it was read last, and the bookmark of its state.

        images: which picture a record is of
        """
        if not self._is_whole:
            self._state.hold(self.today)
        else:
            own = [] if self._is_part or self._state.broken else self._state.sums
            self._state.sums = [replace(self.today), *own]
            if self._before is not None:
                gone = [*self._before.ids.without(self._state.ids)]
                async for output in self._gone(gone, images):
                    yield output
        yield Bookmark(self._key, self._state.to_json())

    async def _gone(self, ids: list[str], images: str) -> AsyncIterator[Withdrawn]:
        async for batch in self._api.find(ids, ""):
            for record in batch.records:
                yield Withdrawn(record_id_of(record.get("isic_id"), images), flatten(record))
            for isic_id, missing in batch.missing.items():
                if missing.outcome is Outcome.NOT_FOUND:
                    yield Withdrawn(record_id_of(isic_id, images))
                else:
                    self._state.ids.add(isic_id)  # to be asked again

"""What is in flight: the records between their spider and their row, by all that they hold.

A record in flight holds its id, its place in the queue of hosts, its path below OUT and the first
URL that it asks for. Other records with the same wait for it, or make way. `InFlight.ended` lets go
of all of this at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy.exceptions import DropItem

from imgcrawl.records.items import Missing
from imgcrawl.records.question import same_question
from imgcrawl.text.addresses import canonical, sends_same

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.records.items import Bookmark, Item, Metadata, Result
    from imgcrawl.records.ordinary import OrdinaryItem


class AlreadyInFlight(DropItem):
    """An item asks for the same as another that is in flight: it has no row of its own."""


@dataclass(slots=True, eq=False)
class Segment:
    """The records between two bookmarks."""

    open: int = 0
    bookmark: Bookmark | None = None  # the one at its end, once it has come


@dataclass(slots=True, eq=False)
class Flight:
    """One record in flight, and what it holds.

    host:   whose place it has in the queue; None for an item that did not come through the queue
    known:  its entry in the ledger, from an earlier run or an earlier time in this one
    answer: what its first URL gave; others with the same URL wait for it
    whole:  the item of an ordinary spider that it is of
    """

    item: Item
    host: str | None = None
    segment: Segment | None = None
    known: LedgerEntry | None = None
    path: str = ""  # case folded
    url: str = ""
    answer: asyncio.Future[Result | None] | None = None
    whole: OrdinaryItem | None = None
    over: asyncio.Event | None = None  # made by the first that waits for its end

    def set_answer(self, result: Result | None) -> None:
        """Set the result for the items that wait for the same URL; only the first call counts."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(result)

    async def answer_for(self, other: Item) -> Result | None:
        """Return the result of the first URL, or None if it says nothing of the other item."""
        assert self.answer is not None
        result = await asyncio.shield(self.answer)
        if result is None or canonical(result.url or "") != canonical(other.urls[0]):
            return None  # a mirror's, which is not one of the other item
        if isinstance(result, Missing) and not sends_same(self.item.urls, other.urls):
            return None
        return result


class InFlight:
    """All records in flight, found by item, record id, path and URL.

    commit: called with each bookmark once all records handed out before it have ended
    """

    def __init__(self, commit: Callable[[Bookmark], None]) -> None:
        self._commit = commit
        self._on_ended: Callable[[Flight], None] = lambda _: None
        self._segments = deque([Segment()])
        self._by_item: dict[int, Flight] = {}  # by id()
        self._by_record: dict[str, Flight] = {}
        self._by_path: dict[str, Flight] = {}
        self._by_url: dict[str, Flight] = {}

    def __len__(self) -> int:
        return len(self._by_item)

    def on_ended(self, callback: Callable[[Flight], None]) -> None:
        """Call back with each record that has ended."""
        self._on_ended = callback

    def enter(self, item: Item, host: str, whole: OrdinaryItem | None = None) -> Flight:
        """Return the new flight of an item that its spider has handed out."""
        segment = self._segments[-1]
        segment.open += 1
        flight = self._by_item[id(item)] = Flight(item, host, segment, whole=whole)
        return flight

    def bookmark(self, bookmark: Bookmark) -> None:
        """Add a bookmark: it is committed once all records that entered before it have ended."""
        self._segments[-1].bookmark = bookmark
        self._segments.append(Segment())
        self._commit_bookmarks()

    def start(self, item: Item) -> bool:
        """Take the record id for an item. Return False if another item in flight has it."""
        flight = self._of(item)
        return self._by_record.setdefault(item.record_id, flight) is flight

    async def start_after(self, item: Item) -> bool:
        """Take the record id for an item once no other has it that asks for something else.

        Return False if an item in flight asks for the same.
        """
        while not self.start(item):
            if same_question(self._by_record[item.record_id].item, item):
                return False
            await self.end_of(item.record_id)
        return True

    async def end_of(self, record_id: str) -> None:
        """Wait until no record in flight has an id."""
        if (other := self._by_record.get(record_id)) is not None:
            other.over = other.over or asyncio.Event()
            await other.over.wait()

    def holds(self, item: Item) -> bool:
        """Return whether an item is in flight: it has no row yet."""
        return id(item) in self._by_item

    def of_record(self, record_id: str) -> Item | None:
        """Return the item in flight that has a record id, or None."""
        flight = self._by_record.get(record_id)
        return flight.item if flight else None

    def learn(self, item: Item, entry: LedgerEntry | None) -> None:
        """Note the ledger's entry of an item that has started."""
        self._of(item).known = entry

    def known(self, item: Item) -> LedgerEntry | None:
        """Return the ledger's entry of an item, as it was when the item started."""
        flight = self._by_item.get(id(item))
        return flight.known if flight else None

    def known_metadata(self, item: Item) -> Metadata:
        """Return the columns that the ledger had for an item when it started."""
        entry = self.known(item)
        return entry.metadata if entry else {}

    def claim_path(self, item: Item, path: str) -> None:
        """Take a path below OUT for an item that has started."""
        flight = self._of(item)
        flight.path = path.casefold()
        self._by_path[flight.path] = flight

    def has_path(self, path: str) -> str | None:
        """Return the id of the record in flight that has a path, in whatever case, or None."""
        flight = self._by_path.get(path.casefold())
        return flight.item.record_id if flight else None

    def share_url(self, item: Item) -> Flight:
        """Return the flight that asks for the item's first URL: its own if it is the first to.

        Another spelling of it makes no difference.
        """
        url = canonical(item.urls[0])
        if (asking := self._by_url.get(url)) is None:
            asking = self._by_url[url] = self._of(item)
            asking.url, asking.answer = url, asyncio.get_running_loop().create_future()
        return asking

    def ended(self, item: Any) -> None:
        """Let go of all that an item holds. No-op for an item that is not in flight."""
        flight = self._by_item.pop(id(item), None)
        if flight is None:
            return
        _drop(self._by_record, flight.item.record_id, flight)
        _drop(self._by_path, flight.path, flight)
        _drop(self._by_url, flight.url, flight)
        flight.set_answer(None)
        if flight.over is not None:
            flight.over.set()
        self._on_ended(flight)
        if flight.segment is not None:
            flight.segment.open -= 1
            self._commit_bookmarks()

    def _of(self, item: Item) -> Flight:
        # An item that a callback yields has not come through the queue, and enters here.
        return self._by_item.setdefault(id(item), Flight(item))

    def _commit_bookmarks(self) -> None:
        while (first := self._segments[0]).bookmark is not None and not first.open:
            self._commit(first.bookmark)
            self._segments.popleft()


def _drop(index: dict[str, Flight], key: str, flight: Flight) -> None:
    if index.get(key) is flight:
        del index[key]

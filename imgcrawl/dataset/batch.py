"""Entries on their way into the ledger: what is written at once, and found before it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.records.items import Stored
from imgcrawl.text.addresses import canonical, without_fragment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgcrawl.dataset.changes import Change
    from imgcrawl.dataset.entries import LedgerEntry

MOST_SPELLINGS = 50_000  # that are kept at hand


@dataclass(slots=True)
class Batch:
    """What is written in one transaction.

    entries: in the order that they came in, each with whether its row is already in a table
    """

    entries: list[tuple[LedgerEntry, bool]] = field(default_factory=list)
    bookmarks: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)  # to be called afterwards

    def __len__(self) -> int:
        return len(self.entries)

    def __bool__(self) -> bool:
        return bool(self.entries or self.bookmarks or self.unreadable)

    def latest(self) -> Iterable[tuple[LedgerEntry, bool]]:
        """Return the last entry of each record, and whether a row of before stands for it.

        What was stored and taken back within one batch has no row.
        """
        last: dict[str, tuple[LedgerEntry, bool]] = {}
        for entry, shown in self.entries:
            _, always = last.get(entry.record_id, (None, True))
            last[entry.record_id] = entry, shown and always
        return last.values()

    def before(self, later: Batch) -> Batch:
        """Return this batch and a later one as one."""
        return Batch(
            self.entries + later.entries,
            self.bookmarks + later.bookmarks,
            self.unreadable + later.unreadable,
            self.changes + later.changes,
            self.then + later.then,
        )


class Unwritten:
    """The entries that the ledger does not have yet, found by record and by URL."""

    def __init__(self, batch: Batch) -> None:
        self.latest: dict[str, LedgerEntry] = {}  # by record
        self._of_url: dict[str, LedgerEntry] = {}  # by its canonical spelling
        self._of_path: dict[str, str] = {}
        for entry, _ in batch.entries:
            self.add(entry)

    def add(self, entry: LedgerEntry) -> None:
        """Add an entry in the place of an earlier one of its record."""
        self.latest[entry.record_id] = entry
        self._of_path[entry.path] = entry.record_id
        if entry.result.url:
            url = canonical(entry.result.url)
            if is_stored(entry) or not is_stored(self.of_url(url)):
                self._of_url[url] = entry

    def owner(self, path: str) -> str | None:
        """Return the id of the record whose file name without extension is `path`, or None."""
        record_id = self._of_path.get(path)
        still = record_id is not None and self.latest[record_id].path == path
        return record_id if still else None

    def of_url(self, url: str) -> LedgerEntry | None:
        """Return an entry of this URL, a stored one if there is any, or None."""
        entry = self._of_url.get(url)
        still = entry is not None and self.latest[entry.record_id] is entry
        return entry if still else None


class Spellings:
    """How addresses were last spelt that have other spellings than the canonical one."""

    def __init__(self) -> None:
        self._other: dict[str, str] = {}  # by the canonical one

    def add(self, url: str) -> None:
        """Add an address of the ledger."""
        spelt, key = without_fragment(url), canonical(url)
        if spelt != key:
            self._other.pop(key, None)
            self._other[key] = spelt
            if len(self._other) > MOST_SPELLINGS:
                del self._other[next(iter(self._other))]

    def of(self, url: str) -> Iterable[str]:
        """Return the spellings of an address that the ledger may have, without fragments."""
        key = canonical(url)
        return dict.fromkeys((without_fragment(url), key, self._other.get(key, key)))


def is_stored(entry: LedgerEntry | None) -> bool:
    """Return whether an entry is that of a stored record."""
    return entry is not None and isinstance(entry.result, Stored)

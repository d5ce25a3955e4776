"""Write the ledger and its tables during a run, in batches."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.dataset.tables import LiveTables, write_all
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import utf8

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.records.items import Bookmark
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

BATCH_RECORDS = 500
BATCH_SECONDS = 0.5


@dataclass(slots=True)
class _Batch:
    new: list[LedgerEntry] = field(default_factory=list)
    again: list[LedgerEntry] = field(default_factory=list)  # their row is already in a table
    bookmarks: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    latest: dict[str, LedgerEntry] = field(default_factory=dict)  # by record
    ids: dict[str, set[str]] = field(default_factory=dict)  # records by URL and by SHA-256


class LedgerWriter:
    """Collects entries into batches of half a second or 500 records, each one transaction.

    The ledger is written first, then the tables that are made from it: a process that is killed
    leaves no row without its entry.

    failed: called with the error if a batch cannot be written: the run must stop
    """

    def __init__(
        self, out: OutputDirectory, ledger: Ledger, failed: Callable[[Exception], None]
    ) -> None:
        self._out = out
        self._ledger = ledger
        self._failed = failed
        self._live: LiveTables | None = None
        self._batch = _Batch()
        self._timer: asyncio.TimerHandle | None = None

    def get(self, record_id: str) -> LedgerEntry | None:
        """Return the entry of one record, from the batch or the ledger, or None."""
        return self._batch.latest.get(record_id) or self._ledger.get(record_id)

    def of_bytes(self, sha256: str) -> list[LedgerEntry]:
        """Return the records whose bytes have this digest, those of the batch included."""
        known = {entry.record_id: entry for entry in self._ledger.of_bytes(sha256)}
        taken = self._batch.latest
        known |= {id_: taken[id_] for id_ in known.keys() & taken.keys()}
        known |= {id_: taken[id_] for id_ in self._batch.ids.get(sha256, ())}
        return [entry for entry in known.values() if entry.result.sha256 == sha256]

    def of_url(self, url: str) -> LedgerEntry | None:
        """Return a record requested from this URL, preferably a stored one, or None."""
        taken = self._batch.latest
        known = [taken[id_] for id_ in self._batch.ids.get(url, ())]
        if (entry := self._ledger.of_url(url)) is not None:
            known.append(taken.get(entry.record_id, entry))
        return max(known, key=lambda entry: entry.result.outcome is Outcome.STORED, default=None)

    def record(self, entry: LedgerEntry, *, was: type[Stored | Missing] | None) -> None:
        """Add an entry to the batch. was: the class of this record's result until now."""
        same = was is type(entry.result)
        self._batch.latest[entry.record_id] = entry
        for key in (entry.result.url, entry.result.sha256):
            if key:
                self._batch.ids.setdefault(key, set()).add(entry.record_id)
        (self._batch.again if same else self._batch.new).append(entry)
        if len(self._batch.new) + len(self._batch.again) >= BATCH_RECORDS:
            self._try_flush()
        else:
            self._schedule()

    def unreadable(self, where: str, problem: str, now: str) -> None:
        """Add a piece of the source that could not be read. now: UTC, ISO 8601."""
        self._batch.unreadable.append((utf8(where), utf8(problem), now))
        if len(self._batch.unreadable) >= BATCH_RECORDS:
            self._try_flush()
        else:
            self._schedule()

    def forget_missing(self, record_id: str) -> None:
        """Delete a record of an earlier run if it is missing."""
        entry = self._ledger.get(record_id)
        if entry is not None and isinstance(entry.result, Missing):
            self._ledger.forget(record_id)

    def bookmark(self, bookmark: Bookmark) -> None:
        """Add a bookmark; it is committed with or after the entries before it."""
        self._batch.bookmarks.append((bookmark.key, bookmark.value))
        self._schedule()

    def flush(self) -> None:
        """Write the batch: first the ledger, then the tables made from it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._batch = self._batch, _Batch()
        if not (batch.new or batch.again or batch.bookmarks or batch.unreadable):
            return
        try:
            entries = [*batch.new, *batch.again]
            self._ledger.write(entries, batch.bookmarks, batch.unreadable)
        except Exception:
            self._batch = batch  # kept: the run stops, and tries once more at its end
            raise
        again = [entry for entry in batch.again if isinstance(entry.result, Stored)]
        if batch.new or again:
            stored = [entry for entry in batch.new if isinstance(entry.result, Stored)]
            missing = [entry for entry in batch.new if isinstance(entry.result, Missing)]
            if self._live is None:
                self._live = LiveTables(self._out, self._ledger)
            self._live.learn_columns(again)  # their rows change when the table is written anew
            self._live.add(stored, missing)

    def close(self) -> None:
        """Write the last batch, then the tables anew in their final order."""
        self.flush()
        if self._live is not None:
            self._live.close()
        write_all(self._out, self._ledger)

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BATCH_SECONDS, self._try_flush)

    def _try_flush(self) -> None:
        try:
            self.flush()
        except Exception as error:  # of any kind: going on would lose records
            logger.debug("The batch cannot be written", exc_info=True)
            self._failed(error)

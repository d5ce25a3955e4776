"""The one writer of the ledger and the tables while a run lasts."""

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
    again: list[LedgerEntry] = field(default_factory=list)  # their row stands in a table already
    bookmarks: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    latest: dict[str, LedgerEntry] = field(default_factory=dict)  # by record
    ids: dict[str, set[str]] = field(default_factory=dict)  # records by URL and by SHA-256


class LedgerWriter:
    """Collects entries into batches of half a second or 500 records, each one transaction.

    `failed` is called with the error where a batch cannot be written: the run must stop.
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
        """The entry of one record, which may be in the batch still."""
        return self._batch.latest.get(record_id) or self._ledger.get(record_id)

    def of_bytes(self, sha256: str) -> list[LedgerEntry]:
        """The records whose bytes were these, those of the batch included."""
        known = {entry.record_id: entry for entry in self._ledger.of_bytes(sha256)}
        taken = self._batch.latest
        known |= {id_: taken[id_] for id_ in known.keys() & taken.keys()}
        known |= {id_: taken[id_] for id_ in self._batch.ids.get(sha256, ())}
        return [entry for entry in known.values() if entry.result.sha256 == sha256]

    def of_url(self, url: str) -> LedgerEntry | None:
        """A record that was asked of this URL, a stored one where there is one."""
        taken = self._batch.latest
        known = [taken[id_] for id_ in self._batch.ids.get(url, ())]
        if (entry := self._ledger.of_url(url)) is not None:
            known.append(taken.get(entry.record_id, entry))
        return max(known, key=lambda entry: entry.result.outcome is Outcome.STORED, default=None)

    def record(self, entry: LedgerEntry, *, was: type[Stored | Missing] | None) -> None:
        """Take an entry. `was` is what the ledger has had of this record until now."""
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
        """Take a piece of the source that is no record."""
        self._batch.unreadable.append((utf8(where), utf8(problem), now))
        if len(self._batch.unreadable) >= BATCH_RECORDS:
            self._try_flush()
        else:
            self._schedule()

    def forget_missing(self, record_id: str) -> None:
        """Forget a record of an earlier run that was missing, where there is one."""
        entry = self._ledger.get(record_id)
        if entry is not None and isinstance(entry.result, Missing):
            self._ledger.forget(record_id)

    def bookmark(self, bookmark: Bookmark) -> None:
        """Take a bookmark; it is committed with, or after, the entries before it."""
        self._batch.bookmarks.append((bookmark.key, bookmark.value))
        self._schedule()

    def flush(self) -> None:
        """Write the batch: first the ledger, then the tables that are made from it."""
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
            self._batch = batch  # not lost: the run stops, and tries once more as it ends
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
        """Write the last batch, and the tables anew in their final order."""
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
        except Exception as error:  # whatever it is, going on would lose records
            logger.debug("The batch cannot be written", exc_info=True)
            self._failed(error)

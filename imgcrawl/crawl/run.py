"""One run into one OUT: what its parts share.

The pipelines, the back-pressure, the progress display and the summary all meet here. Spiders do
not: they yield what they find, and are given what they need.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgcrawl.crawl.in_flight import InFlight
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import write_all
from imgcrawl.dataset.writer import LedgerWriter
from imgcrawl.records.counts import Counts
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota, describe_quotas
from imgcrawl.storage.directory import FAILURES, LEDGER, METADATA, OutputDirectory
from imgcrawl.storage.record_files import RecordFiles
from imgcrawl.text.redact import utf8
from imgcrawl.text.sizes import format_size
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imgcrawl.records.items import Item, Result, Unreadable
    from imgcrawl.storage.uploader import Uploader


class Run:
    """An open OUT with its ledger, from the first record to the last.

    Raises OutputError where OUT cannot be used.
    """

    def __init__(
        self, out: Path, *, local: bool = True, remote: Mapping[str, Any] | None = None
    ) -> None:
        self.out = OutputDirectory(out)
        self.uploader: Uploader | None = None  # where OUT itself lies in an object store
        try:
            if remote is not None:
                from imgcrawl.storage.uploader import Uploader  # noqa: PLC0415 - loads the libraries

                self.uploader = Uploader(self.out, remote, self.fail)
            self.ledger = Ledger(self.out.root / LEDGER)
        except BaseException:
            self._close_out()
            raise
        self.files = RecordFiles(self.out, local=local, uploader=self.uploader)
        self.recorder = LedgerWriter(self.out, self.ledger, self.cannot_write)
        self.in_flight = InFlight(self.recorder.bookmark)
        self.counts = Counts()
        self.started_at = utc_now()
        self.started = time.monotonic()
        self.error: str | None = None
        self.stopping = False
        self.quotas: dict[str, Quota] = {}
        self._on_stop: list[Callable[[], None]] = []
        # A run that was killed may have left files that its ledger does not know yet.
        self.recovering = self.ledger.state("open") == "1"
        if self.uploader is not None:
            self.recovering |= self.uploader.after_death
        self.ledger.set_state("open", "1")
        if self.recovering or not self._has_tables():
            write_all(self.out, self.ledger)

    # --- a record -----------------------------------------------------------------------------

    def look_up(self, item: Item) -> LedgerEntry | None:
        """Return the entry that the ledger has of an item that starts, and keep it at hand."""
        entry = self.recorder.get(item.record_id)
        self.in_flight.learn(item, entry)
        return entry

    def has_file(self, entry: LedgerEntry) -> bool:
        """Return True if a stored record has all that it must: its file is there, undoubted."""
        stored = entry.result
        if not isinstance(stored, Stored) or entry.doubt:
            return False
        return stored.file_name is None or self.files.is_there(stored.file_name, stored.bytes)

    def same_url(self, item: Item) -> Result | None:
        """Return what the first URL of an item gave another record, or None.

        A stored file counts whenever it was stored, a failure only if it is of this run.
        """
        entry = self.recorder.of_url(utf8(item.urls[0]))
        if entry is None or entry.record_id == item.record_id:
            return None
        match entry.result:
            case Stored(file_name=str()) as stored:
                return stored if self.files.local and self.has_file(entry) else None
            case Missing() as missing if self._is_ours(entry):
                return missing if entry.to_item().urls == item.urls else None
        return None

    def finish(self, item: Item, result: Result) -> None:
        """Write down what became of an item: the last thing to happen to a record."""
        before = self.in_flight.known(item)
        if item.unchanged:
            self._finish_unchanged(item, result, before)
        else:
            if item.previous_failure is not None and before is not None:
                self._uncount(before)
            self.counts.add(result, candidate=item.quota is not None)
            if isinstance(result, Stored) and item.quota in self.quotas:
                self.quotas[item.quota].count(1)
            self._record(item, result, before, utc_now())
        if isinstance(result, Missing) and result.outcome is Outcome.DISK_FULL:
            self.fail(f"The disk of {self.out.root} is full. Free some space and run again.")
        if isinstance(result, Stored) and item.replaces:
            self.recorder.forget_missing(item.replaces)
        self.in_flight.ended(item)

    def _finish_unchanged(self, item: Item, result: Result, before: LedgerEntry | None) -> None:
        """Keep the row of a record that was not asked for anew; its columns may have changed."""
        if item.quota is None:  # a quota knows what it has from the start
            self.counts.add_unchanged(result)
        if before is None:
            return
        if "phash" in before.metadata:
            item.metadata.setdefault("phash", before.metadata["phash"])  # made once, kept
        if before.metadata != item.metadata:
            self._record(item, result, before, before.last_try_at)

    def revoke(self, entry: LedgerEntry, missing: Missing) -> None:
        """Remove the file of a record that was stored and turns out to be missing."""
        stored = entry.result
        assert isinstance(stored, Stored)
        if stored.file_name is not None:
            self.files.remove(stored.file_name)
        self.recorder.record(replace(entry, result=missing, last_try_at=utc_now()), was=Stored)
        self._uncount(entry)
        self.counts.add(missing, candidate=entry.quota is not None)
        if entry.quota in self.quotas:
            self.quotas[entry.quota].count(-1)

    def unreadable(self, piece: Unreadable) -> None:
        """Write down a piece of the source that is no record, until a run can read it."""
        self.recorder.unreadable(piece.where, piece.problem, utc_now())
        self.counts.outcomes[Outcome.BAD_URL] += 1

    def _record(self, item: Item, result: Result, before: LedgerEntry | None, now: str) -> None:
        was = type(before.result) if before else None
        self.recorder.record(LedgerEntry.from_item(item, result, now), was=was)

    def _uncount(self, entry: LedgerEntry) -> None:
        candidate, ours = entry.quota is not None, self._is_ours(entry)
        self.counts.remove(entry.result, candidate=candidate, in_this_run=ours)

    def _is_ours(self, entry: LedgerEntry) -> bool:
        """Return True if this run was the last to ask for a record."""
        return entry.last_try_at >= self.started_at

    # --- classes ------------------------------------------------------------------------------

    def open_quota(self, quota: Quota) -> None:
        """Add a quota, with what is already stored of it."""
        if self.quotas.get(quota.key) is quota:
            return
        self.quotas[quota.key] = quota
        self.ledger.write_quotas([quota])
        entries = self.ledger.of_quota(quota.key)
        quota.stored = sum(
            isinstance(e.result, Stored) and bool(e.result.file_name) and self.has_file(e)
            for e in entries
        )
        self.counts.unchanged += quota.stored

    def note_quotas(self) -> None:
        """Write down what was learnt of the classes: how long their lists are."""
        self.ledger.write_quotas(self.quotas.values())

    def describe_activity(self) -> str:
        """Return what is under way: classes, large files, or the phase."""
        if self.quotas:
            return describe_quotas(self.quotas.values())
        return self.counts.describe_activity()

    # --- the run ------------------------------------------------------------------------------

    def fail(self, error: str) -> None:
        """End the run because of `error`, a sentence for the user."""
        if self.error is None:
            self.error = error
        self.stop()

    def cannot_write(self, error: Exception) -> None:
        """End the run because OUT takes nothing any more."""
        self.fail(
            f"{self.out.root} cannot be written to any more ({error}). Free some space there, and "
            "run the same command again: it goes on."
        )

    def check_disk(self, needed: int) -> None:
        """End the run if the disk cannot hold `needed` bytes less what is stored already."""
        if self.uploader is not None:
            return  # files only pass through
        needed -= self.ledger.stored_bytes()
        free = self.out.free_bytes()
        if needed > free:
            self.fail(
                f"This needs about {format_size(needed)} more, and {self.out.root} has "
                f"{format_size(free)} free. Free some, choose less, give another directory "
                "with -a out=DIR, or turn this check off with -s CHECK_FREE_DISK=0."
            )

    def stop(self) -> None:
        """Start nothing new; what is under way is finished."""
        if self.stopping:
            return
        self.stopping = True
        for callback in self._on_stop:
            callback()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call back when the run is to stop early."""
        self._on_stop.append(callback)

    def is_complete(self) -> bool:
        """Return True if all that was promised is stored: each record, each class's number."""
        promised = self.ledger.counts(promised=True)
        full = all(not count.short for count in self.ledger.classes())
        return full and not self.ledger.n_unreadable() and set(promised) <= {Outcome.STORED}

    async def prepare(self) -> None:
        """List the object store that OUT lies in, and keep it in step from now on.

        Raises StoreError.
        """
        if self.uploader is not None:
            await self.uploader.start(self._sizes_of_tables)

    def close(self, *, whole: bool = True) -> None:
        """Let go of OUT. whole: whether its last rows are written; if not, the next run mends it.

        Raises StoreError where an object store does not take them: they stay on this machine; and
        OSError or sqlite3.Error where OUT cannot be written to any more.
        """
        left = self.uploader is not None and self.uploader.pending
        try:
            self.ledger.set_state("open", "0" if whole and not left else "1")
            self.ledger.close()
            if self.uploader is not None:
                self.uploader.end()
        finally:
            self._close_out()

    def _close_out(self) -> None:
        try:
            if self.uploader is not None:
                self.uploader.close()
        finally:
            self.out.close()

    def _sizes_of_tables(self) -> dict[str, int]:
        """Return how many bytes have been written of the tables that grow, by name."""
        self.recorder.flush()
        paths = [self.out.root / name for name in (METADATA, FAILURES)]
        return {path.name: path.stat().st_size for path in paths if path.exists()}

    def _has_tables(self) -> bool:
        return all((self.out.root / name).exists() for name in (METADATA, FAILURES))

"""The records of a run: what is known of each, and what becomes of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imgcrawl.crawl.in_flight import InFlight
from imgcrawl.dataset.changes import changes_of
from imgcrawl.dataset.entries import LedgerEntry, Outdated
from imgcrawl.records.counts import Counts
from imgcrawl.records.items import Missing, Stored, VolumeItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import describe_quotas
from imgcrawl.storage.digests import digest
from imgcrawl.text.addresses import sends_same
from imgcrawl.text.redact import utf8
from imgcrawl.text.times import timestamp, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.dataset.writer import LedgerWriter
    from imgcrawl.records.items import Item, Result, Unreadable, Withdrawn
    from imgcrawl.records.quotas import Quota
    from imgcrawl.storage.record_files import RecordFiles

logger = logging.getLogger(__name__)

MADE_ONCE = frozenset({"phash", "exif"})  # columns that are made of a file, and kept with it

# Columns of a record that its source has no longer, or has no longer in its list: UTC, ISO 8601.
WITHDRAWN, UNMATCHED = "withdrawn_at", "unmatched_at"


class RunRecords:
    """Looks records up in the ledger, counts them, writes them down, and takes them back.

    disk_full: called when a record is missing because the disk is full
    """

    def __init__(
        self,
        ledger: Ledger,
        writer: LedgerWriter,
        files: RecordFiles,
        disk_full: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._files = files
        self._disk_full = disk_full
        self.started_at = utc_now()
        self.counts = Counts()
        self.in_flight = InFlight(writer.bookmark)
        self.quotas: dict[str, Quota] = {}
        self._suspect: str | None = None

    def suspect_since(self, when: str) -> None:
        """Look again at files that a killed run stored after a time (UTC, ISO 8601)."""
        self._suspect = when

    def look_up(self, item: Item) -> LedgerEntry | None:
        """Return the entry that the ledger has of an item that starts, and keep it at hand."""
        entry = self._writer.get(item.record_id)
        self.in_flight.learn(item, entry)
        return entry

    def is_free(self, path: str, item: Item) -> bool:
        """Return whether no other record has, or is to have, a path below OUT (no extension).

        Those that share a file have the same.
        """
        holders = (self._writer.owner(path), self.in_flight.has_path(path))
        return {*holders} <= {None, item.record_id, *_sharers(item)}

    def is_whole(self, item: Item, stored: Stored) -> bool:
        """Return whether all records that share a stored file of an item say the same of it."""
        for record_id in _sharers(item):
            entry = self._writer.get(record_id)
            if entry is None or entry.doubt or not isinstance(entry.result, Stored):
                return False
            if (entry.result.file_name, entry.result.sha256) != (stored.file_name, stored.sha256):
                return False
        return True

    def drop(self, item: Item, why: str) -> None:
        """Write down a record that a pipeline of the user's dropped; its new file is removed.

        One that was there before stays: what is stored is not taken away by another filter.
        """
        if isinstance(item.result, Stored) and not item.unchanged:
            self.take_back(item, Outcome.DROPPED, why)
        elif item.result is None:
            item.result = Missing(
                Outcome.DROPPED, why, item.urls[0] if item.urls else None, tries=0
            )
        assert item.result is not None
        self.finish(item, item.result)

    def result_of(self, item: Item) -> Result | None:
        """Return what became of a record: by its item, or else by the ledger."""
        if item.result is not None:
            return item.result
        entry = self._writer.get(item.record_id)
        return entry.result if entry else None

    def has_file(self, entry: LedgerEntry) -> bool:
        """Return True if a stored record has all that it must: its file is there, undoubted."""
        stored = entry.result
        if not isinstance(stored, Stored) or entry.doubt:
            return False
        return stored.file_name is None or self._files.is_there(stored.file_name, stored.bytes)

    def is_intact(self, entry: LedgerEntry) -> bool:
        """Return True if a stored record has all that it must, a killed run's bytes looked at.

        A power cut takes what had not reached the disk; and a file that is younger than its row
        was put there for another question, whose row was not written. Blocks.
        """
        stored = entry.result
        if not self.has_file(entry) or not isinstance(stored, Stored):
            return False
        if self._suspect is None or stored.file_name is None or not stored.downloaded_at:
            return True
        path = self._files.on_disk(stored.file_name)
        if path is None or not path.is_file():
            return True
        is_younger = path.stat().st_mtime >= timestamp(stored.downloaded_at) + 1  # whole seconds
        if entry.last_try_at < self._suspect and not is_younger:
            return True
        if digest(path)[0] == stored.sha256:
            return True
        logger.warning("%s is not what was stored: it is fetched again", stored.file_name)
        return False

    def same_url(self, item: Item) -> Result | None:
        """Return what the first URL of an item gave another record, or None.

        A stored file counts whenever it was stored, a failure only if it is of this run.
        """
        entry = self._writer.of_url(utf8(item.urls[0]))
        if entry is None or entry.record_id == item.record_id:
            return None
        match entry.result:
            case Stored(file_name=str()) as stored:
                return stored if self._files.local and self.has_file(entry) else None
            case Missing() as missing if self._is_ours(entry):
                return missing if sends_same(entry.to_item().urls, item.urls) else None
        return None

    def finish(self, item: Item, result: Result) -> None:
        """Write down what became of an item: the last thing to happen to a record."""
        before = self.in_flight.known(item)
        self.counts.changed += item.changed
        if item.unchanged:
            self._finish_unchanged(item, result, before)
        elif self._keeps_file(item, result, before):
            assert before is not None
            assert isinstance(result, Missing)
            self.counts.add_unchanged(before.result)
            kept = replace(before, outdated=Outdated(item.to_json(), result))
            self._writer.record(kept, was=Stored)
        else:
            if before is not None and self._is_counted(item, before):
                self._uncount(before)
            self.counts.add(result, candidate=item.quota is not None)
            if isinstance(result, Stored) and item.quota in self.quotas:
                self.quotas[item.quota].count(1)
            self._record(item, result, before, utc_now())
        if isinstance(result, Missing) and result.outcome is Outcome.DISK_FULL:
            self._disk_full()
        if isinstance(result, Stored) and item.replaces:
            self._writer.forget_missing(item.replaces)
        self.in_flight.ended(item)

    def _finish_unchanged(self, item: Item, result: Result, before: LedgerEntry | None) -> None:
        """Keep the row of a record that was not asked for anew; its columns may have changed."""
        if item.quota is None:  # a quota knows what it has from the start
            self.counts.add_unchanged(result)
        if before is None:
            return
        if item.changed:  # its row tells of the file that is there
            return
        for name in MADE_ONCE & before.metadata.keys():
            item.metadata.setdefault(name, before.metadata[name])
        moved = bool(item.mask_of) and before.item != item.to_json()
        if before.metadata != item.metadata or before.outdated or item.proved or moved:
            self._record(item, result, before, before.last_try_at)

    def _keeps_file(self, item: Item, result: Result, before: LedgerEntry | None) -> bool:
        """Return True if what was asked for anew is missing, and the file of before is there."""
        if before is None or not item.changed or not isinstance(result, Missing):
            return False
        is_file = isinstance(before.result, Stored) and before.result.file_name is not None
        return is_file and self.has_file(before)

    def _replaced(self, before: LedgerEntry | None, result: Result) -> Callable[[], None] | None:
        """Return what removes the file of an earlier question, if the new one has another name.

        It is called once the new file and its row are on the disk.
        """
        if before is None or not isinstance(before.result, Stored):
            return None
        old = before.result.file_name
        if not isinstance(result, Stored) or old is None or old == result.file_name:
            return None
        return partial(self._files.replace, old, result.file_name or "")

    def withdraw(self, gone: Withdrawn) -> None:
        """Note that a record is no longer in its list: its file and its row stay, marked.

        One that is missing is not promised any more, and forgotten.
        """
        entry = self._writer.get(gone.record_id)
        column = WITHDRAWN if gone.metadata is None else UNMATCHED
        if entry is None or column in entry.metadata:
            return
        if gone.by_id and isinstance(entry.result, Missing):
            return
        self.counts.withdrawn += 1
        if isinstance(entry.result, Missing):
            self._writer.flush()
            self._writer.forget_missing(gone.record_id)
            return
        now = utc_now()
        own = {name: entry.metadata[name] for name in MADE_ONCE & entry.metadata.keys()}
        metadata = (entry.metadata if gone.metadata is None else gone.metadata | own) | {
            column: now
        }
        changes = changes_of(entry, metadata, entry.result, now)
        self._writer.record(replace(entry, metadata=metadata), was=Stored, changes=changes)

    def stored_with(self, record_id: str, sha256: str) -> Item | LedgerEntry | None:
        """Return who stored a record with these bytes: its item in flight, or else its entry.

        None if it has been taken back, or has other bytes by now.
        """
        item = self.in_flight.of_record(record_id)
        fresh = item is not None and not item.unchanged
        holder = item if fresh else self._writer.get(record_id)
        if holder is None or not isinstance(holder.result, Stored):
            return None
        return holder if holder.result.sha256 == sha256 else None

    def take_back(self, holder: Item | LedgerEntry, outcome: Outcome, message: str) -> None:
        """Make a record missing that is stored, in flight or written down, and remove its file."""
        stored = holder.result
        assert isinstance(stored, Stored)
        missing = stored.as_missing(outcome, message)
        if isinstance(holder, LedgerEntry):
            self.revoke(holder, missing)
            return
        self._remove_file(holder, stored.file_name)
        holder.result = missing

    def revoke(self, entry: LedgerEntry, missing: Missing) -> None:
        """Remove the file of a record that was stored and turns out to be missing."""
        stored = entry.result
        assert isinstance(stored, Stored)
        self._remove_file(entry.to_item(), stored.file_name)
        self._writer.record(replace(entry, result=missing, last_try_at=utc_now()), was=Stored)
        self._uncount(entry)
        self.counts.add(missing, candidate=entry.quota is not None)
        if entry.quota in self.quotas:
            self.quotas[entry.quota].count(-1)

    def _remove_file(self, item: Item, file_name: str | None) -> None:
        """Remove the file of a record, unless another that is or may yet be stored shares it."""
        for record_id in _sharers(item):
            sharer = self.in_flight.of_record(record_id) or self._writer.get(record_id)
            if sharer is not None and not isinstance(sharer.result, Missing):
                return
        if file_name is not None:
            self._files.remove(file_name)

    def unreadable(self, piece: Unreadable) -> None:
        """Write down a piece of the source that is no record, until a run can read it."""
        self._writer.unreadable(piece.where, piece.problem, utc_now())
        self.counts.outcomes[Outcome.BAD_URL] += 1

    def _record(self, item: Item, result: Result, before: LedgerEntry | None, now: str) -> None:
        was = type(before.result) if before else None
        then = self._replaced(before, result) if item.changed else None
        entry = LedgerEntry.from_item(item, result, now)
        changes = [] if before is None else changes_of(before, item.metadata, result, utc_now())
        self.counts.relabelled += any(change.column != "sha256" for change in changes)
        self._writer.record(entry, was=was, then=then, changes=changes)

    def _uncount(self, entry: LedgerEntry) -> None:
        candidate, ours = entry.quota is not None, self._is_ours(entry)
        self.counts.remove(entry.result, candidate=candidate, in_this_run=ours)

    def _is_counted(self, item: Item, before: LedgerEntry) -> bool:
        """Return True if this run has counted a result of a record that gets another now."""
        return item.previous_failure is not None or (item.changed and self._is_ours(before))

    def _is_ours(self, entry: LedgerEntry) -> bool:
        """Return True if this run was the last to ask for a record."""
        return entry.last_try_at >= self.started_at

    def open_quota(self, quota: Quota) -> None:
        """Add a quota, with what is already stored of it; or write down what was learnt of it."""
        self._ledger.write_quotas([quota])
        if self.quotas.get(quota.key) is quota:
            return
        self.quotas[quota.key] = quota
        entries = self._ledger.of_quota(quota.key)
        quota.stored = sum(
            isinstance(e.result, Stored) and bool(e.result.file_name) and self.has_file(e)
            for e in entries
        )
        self.counts.unchanged += quota.stored

    def note_quotas(self) -> None:
        """Write down what was learnt of the classes: how long their lists are."""
        self._ledger.write_quotas(self.quotas.values())

    def describe_activity(self) -> str:
        """Return what is under way: classes, large files, or the phase."""
        if self.quotas:
            return describe_quotas(self.quotas.values())
        return self.counts.describe_activity()


def _sharers(item: Item) -> frozenset[str]:
    """Return the ids of the other records that have the file of an item."""
    return item.sharers if isinstance(item, VolumeItem) else frozenset()

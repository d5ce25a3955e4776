"""Write the ledger and its tables during a run, in batches.

Files first: before a row claims a file, its bytes and its name are on the disk. Then the ledger,
then the tables that are made from it.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

from imgcrawl.dataset.batch import Batch, Spellings, Unwritten, is_stored
from imgcrawl.dataset.metadata_table import TableIndex
from imgcrawl.dataset.tables import LiveTables, finish_all
from imgcrawl.records.items import Missing, Stored
from imgcrawl.text.addresses import canonical
from imgcrawl.text.redact import utf8
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgcrawl.dataset.changes import Change
    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.records.items import Bookmark
    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

BATCH_RECORDS = 500
BATCH_SECONDS = 1.0
MOST_RECORDS = 5000  # that wait for a slow disk; then the run waits, too
POINT_SECONDS = 30.0  # after a kill, what is younger than the last point is looked at again
DURABLE = "durable_at"  # the state of the ledger that tells that point: UTC, ISO 8601


class LedgerWriter:
    """Collects entries into batches of a second or 500 records, each one transaction.

    The ledger is written first, then the tables that are made from it: a process that is killed
    leaves no row without its entry.

    failed: called with the error if a batch cannot be written: the run must stop
    sync:   brings the files to the disk; blocks. None if they are elsewhere, or if rows may claim
            what a power cut takes
    """

    def __init__(
        self,
        out: OutputDirectory,
        ledger: Ledger,
        failed: Callable[[Exception], None],
        sync: Callable[[], None] | None = None,
    ) -> None:
        self._out = out
        self._ledger = ledger
        ledger.watch()
        self._failed = failed
        self._live: LiveTables | None = None
        self._batch = Batch()
        self._unwritten = Unwritten(self._batch)
        self._spellings = Spellings()
        self._timer: asyncio.TimerHandle | None = None
        self._sync = sync
        self._threads = ThreadPoolExecutor(1, "sync")
        self._waiting = Batch()  # whose files are on their way to the disk
        self._synced: Future[None] | None = None
        self._began = ""  # when that was asked for
        self._point: float | None = None  # when the ledger was last told; None: not to be told

    def keep_points(self) -> None:
        """Note from now on how far all is on the disk: what a killed run left was looked at."""
        if self._sync is not None:
            self._point = 0.0

    def get(self, record_id: str) -> LedgerEntry | None:
        """Return the entry of one record, from a batch or the ledger, or None."""
        return self._unwritten.latest.get(record_id) or self._ledger.get(record_id)

    def owner(self, path: str) -> str | None:
        """Return the id of the record whose file name without extension is `path`, or None."""
        return self._unwritten.owner(path) or self._ledger.owner(path)

    def of_url(self, url: str) -> LedgerEntry | None:
        """Return a record requested from this URL, preferably a stored one, or None.

        Another spelling of it makes no difference, if it is the canonical one or of this run.
        """
        waiting = self._unwritten.of_url(canonical(url))
        if is_stored(waiting) or (written := self._written_of_url(url)) is None:
            return waiting
        written = self._unwritten.latest.get(written.record_id, written)
        return written if waiting is None or is_stored(written) else waiting

    def _written_of_url(self, url: str) -> LedgerEntry | None:
        found = None
        for spelling in self._spellings.of(url):
            entry = self._ledger.of_url(spelling)
            if is_stored(entry):
                return entry
            found = found or entry
        return found

    def record(
        self,
        entry: LedgerEntry,
        *,
        was: type[Stored | Missing] | None,
        then: Callable[[], None] | None = None,
        changes: Iterable[Change] = (),
    ) -> None:
        """Add an entry to the batch.

        was:     the class of this record's result until now
        then:    called once the entry is written and its file on the disk
        changes: what is another one by now in its row
        """
        self._batch.changes += changes
        if then is not None:
            self._batch.then.append(then)
        same = was is type(entry.result)
        self._unwritten.add(entry)
        if entry.result.url:
            self._spellings.add(entry.result.url)
        self._batch.entries.append((entry, same))
        if len(self._batch) >= BATCH_RECORDS:
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
        """Write all that waits. Blocks until the files are on the disk."""
        self._stop_timer()
        self._end_sync()
        if self._batch:
            self._begin_sync()
            self._end_sync()

    def _begin_sync(self) -> None:
        """Have the files of the batch brought to the disk, while the next one is collected."""
        self._waiting, self._batch = self._batch, Batch()
        self._began = utc_now()
        if self._sync is not None and len(self._waiting):
            self._synced = self._threads.submit(self._sync)

    def _end_sync(self) -> None:
        """Write the batch whose files are on the disk; wait for them if they are not yet."""
        batch = self._waiting
        if not batch:
            return
        try:
            if self._synced is not None:
                self._synced.result()
            entries = (entry for entry, _ in batch.entries)
            self._ledger.write(entries, batch.bookmarks, batch.unreadable, batch.changes)
        except Exception:
            self._batch = batch.before(self._batch)  # kept: the run tries once more at its end
            raise
        finally:
            self._waiting, self._synced = Batch(), None
        self._unwritten = Unwritten(self._batch)
        self._note_point()
        for call in batch.then:
            call()
        self._show(batch)

    def _show(self, batch: Batch) -> None:
        """Append the rows of a batch to the tables."""
        latest = batch.latest()
        again = [entry for entry, shown in latest if shown and is_stored(entry)]
        new = [entry for entry, shown in latest if not shown]
        if not (new or again):
            return
        if self._live is None:
            self._live = LiveTables(self._out, self._ledger)
        self._live.learn_columns(again)  # their rows change when the table is written anew
        stored = [entry for entry in new if is_stored(entry)]
        self._live.add(stored, [entry for entry in new if not is_stored(entry)])

    def _note_point(self) -> None:
        if self._point is not None and monotonic() - self._point >= POINT_SECONDS:
            self._point = monotonic()
            self._ledger.set_state(DURABLE, self._began)

    def close(self) -> None:
        """Write the last batch, then the tables anew in their final order."""
        self.flush()
        self._threads.shutdown()
        index = TableIndex.of(self._out, self._ledger)
        if self._live is not None:
            self._live.close()
            index = self._live.index
        finish_all(self._out, self._ledger, index)

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BATCH_SECONDS, self._try_flush)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _try_flush(self) -> None:
        """Write the batch, or begin to; the loop goes on while the disk is busy."""
        self._stop_timer()
        try:
            busy = self._synced is not None and not self._synced.done()
            if busy and len(self._batch) < MOST_RECORDS:
                self._schedule()
                return
            self._end_sync()
            if self._batch:
                self._begin_sync()
                if self._synced is None:
                    self._end_sync()
                else:
                    self._schedule_end(self._synced)
        except Exception as error:  # of any kind: going on would lose records
            logger.debug("The batch cannot be written", exc_info=True)
            self._failed(error)

    def _schedule_end(self, synced: Future[None]) -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            if self._synced is synced:
                self._try_flush()

        synced.add_done_callback(lambda _: loop.call_soon_threadsafe(end))

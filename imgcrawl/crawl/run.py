"""One run into one OUT: opened, stopped, closed.

The pipelines, the back-pressure, the progress display and the summary all meet here. Spiders do
not: they yield what they find, and are given what they need.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.crawl.room import DatasetRoom
from imgcrawl.crawl.run_records import RunRecords
from imgcrawl.dataset.image_table import ImageTable
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.schema import describe_error
from imgcrawl.dataset.tables import write_all
from imgcrawl.dataset.writer import DURABLE, LedgerWriter
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import FAILURES, LEDGER, METADATA, OutputDirectory
from imgcrawl.storage.disk_sync import DiskSync
from imgcrawl.storage.record_files import RecordFiles
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imgcrawl.storage.uploader import Uploader

logger = logging.getLogger(__name__)


class Run:
    """An open OUT with its ledger, from the first record to the last.

    max_total: bytes that the stored files of OUT may have; 0: any number

    Raises OutputError where OUT cannot be used.
    """

    def __init__(
        self,
        out: Path,
        *,
        local: bool = True,
        remote: Mapping[str, Any] | None = None,
        durable: bool = True,
        max_total: int = 0,
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
        # What leaves this machine is in its store before its row is written.
        self.sync = DiskSync(self.out.root) if durable and local and remote is None else None
        self.recorder = LedgerWriter(self.out, self.ledger, self.cannot_write, self.sync)
        self.images = ImageTable(self.out)
        self.records = RunRecords(self.ledger, self.recorder, self.files, self._disk_full)
        self.room = DatasetRoom(max_total, self.ledger.stored_bytes() if max_total else 0)
        self.in_flight, self.counts = self.records.in_flight, self.records.counts
        self.started = time.monotonic()
        self.error: str | None = None
        self.stopping = self.refused = False
        self.halted: str | None = None  # why it ends early as it was asked to: no fault
        self._on_stop: list[Callable[[], None]] = []
        # A run that was killed may have left files that its ledger does not know yet.
        self.recovering = self.ledger.state("open") == "1"
        if self.uploader is not None:
            self.recovering |= self.uploader.after_death
            self.on_stop(self.uploader.hurry)
        if self.recovering:
            self.records.suspect_since(self.ledger.state(DURABLE) or "")
        else:
            self.ledger.set_state(DURABLE, self.records.started_at)
        self.ledger.set_state("open", "1")
        if self.recovering or not self._has_tables():
            write_all(self.out, self.ledger)

    def fail(self, error: str) -> None:
        """End the run because of `error`, a sentence for the user."""
        if self.error is None:
            self.error = error
        self.stop()

    def fault(self, who: str, error: BaseException) -> None:
        """Have the run end as failed because of a fault in code; what was promised is finished."""
        words = f"{who} failed: {type(error).__name__}: {error} ({_where(error)})."
        self.error = self.error or f"{words} The log has the traceback."

    def halt(self, words: str) -> None:
        """End the run as its arguments ask for: what is left is for another run."""
        if self.halted is None:
            self.halted = words
            logger.warning("%s", words)
        self.stop()

    def refuse(self, error: str) -> None:
        """End the run before its first request: its arguments do not fit what is in OUT."""
        self.refused = True
        self.fail(error)

    def cannot_write(self, error: Exception) -> None:
        """End the run because OUT takes nothing any more, or its ledger cannot be read."""
        if isinstance(error, sqlite3.DatabaseError):
            self.fail(describe_error(self.ledger.path, error))
            return
        self.fail(
            f"{self.out.root} cannot be written to any more ({error}). Free some space there, and "
            "run the same command again: it goes on."
        )

    def _disk_full(self) -> None:
        if self.halted is not None:
            return  # the disk is not, but the room that the dataset may take
        self.fail(f"The disk of {self.out.root} is full. Free some space and run again.")

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
        left = self.ledger.n_unreadable() or self.ledger.n_outdated()
        return full and not left and set(promised) <= {Outcome.STORED}

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
            if self.sync is not None and whole:
                self.sync()  # the tables and the summary, before the ledger says that all is well
            self.ledger.set_state("open", "0" if whole and not left else "1")
            self.ledger.close()
            if self.sync is not None:
                self.sync.close()
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


def _where(error: BaseException) -> str:
    """Return the file and the line that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "nobody knows where"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"

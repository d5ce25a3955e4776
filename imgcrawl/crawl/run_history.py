"""The history of an OUT during a run: the run's own row, and that of one before it that was killed.

The ledger keeps the rows, so they go wherever it goes; runs.csv is made of them.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.history import (
    KILLED,
    MAX_ERROR,
    MOST_RUNS,
    RUNNING,
    RunRow,
    by_reason,
    from_json,
    row_of_summary,
    runs_csv,
    to_json,
)
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.exit_status import describe_status
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import RUNS
from imgcrawl.text.redact import plain_text, printable
from imgcrawl.text.times import timestamp

if TYPE_CHECKING:
    from imgcrawl.crawl.run import Run

logger = logging.getLogger(__name__)

_STATE = "runs"  # the state of the ledger that keeps the rows


class RunHistory:
    """Writes down that a run began, and what it came to; all raise sqlite3.Error, OSError."""

    def __init__(self, run: Run, spider: str) -> None:
        """Write the row of a run that has begun; one that is running still was killed."""
        self._run = run
        self._row = RunRow(started_at=run.records.started_at, spider=spider)
        rows = from_json(run.ledger.state(_STATE))
        if rows and rows[-1].status == RUNNING:
            rows[-1] = _killed(rows[-1], run.ledger)
        elif run.uploader is not None and run.uploader.dead_since:
            # It was killed on another machine before its ledger had reached the store.
            began = f"{run.uploader.dead_since[:19]}Z"
            rows.append(RunRow(started_at=began, status=KILLED))
        self._before = rows[1 - MOST_RUNS :]
        try:
            self._write()
        except OSError as error:  # a full disk has the run end later, in its own words
            logger.warning("%s could not be written: %s", RUNS, error)

    def end(self, summary: dict[str, Any] | None, exit_status: int) -> None:
        """Write what the run came to. summary: None where it could not be summed up."""
        if summary is not None:
            self._row = row_of_summary(summary)
        self._come_to(exit_status)
        self._write()

    def break_off(self, exit_status: int) -> None:
        """Write that the run was told to stop, and did so at once: it has no summary."""
        self._row = _killed(self._row, self._run.ledger)
        self._come_to(exit_status)
        self._write()

    def amend(self, exit_status: int) -> None:
        """Write, once the ledger is closed, that the run came to something else after all."""
        self._come_to(exit_status)
        with closing(Ledger(self._run.ledger.path)) as ledger:
            ledger.set_state(_STATE, to_json([*self._before, self._row]))

    def _come_to(self, exit_status: int) -> None:
        error = self._run.error or self._run.halted or ""
        error = printable(plain_text(error), MAX_ERROR)
        words = describe_status(exit_status)
        self._row = replace(self._row, exit_status=int(exit_status), status=words, error=error)

    def _write(self) -> None:
        rows = [*self._before, self._row]
        self._run.ledger.set_state(_STATE, to_json(rows))
        self._run.out.write(RUNS, lambda file: file.write(runs_csv(rows)))


def _killed(row: RunRow, ledger: Ledger) -> RunRow:
    """Return the row of a run that ended without a word: what it had brought into the ledger."""
    counts, size, last = ledger.since(row.started_at)
    stored = counts.pop(Outcome.STORED, 0)
    missing = {str(outcome): n for outcome, n in counts.items()}
    last = last or row.started_at
    seconds = timestamp(last) - timestamp(row.started_at)
    total = stored + sum(missing.values())
    return replace(
        row,
        ended_at=last,
        status=KILLED,
        seconds=seconds,
        new=stored,
        missing=sum(missing.values()),
        missing_by_reason=by_reason(missing),
        bytes=size,
        records_per_second=round(total / seconds, 3) if seconds else None,
    )

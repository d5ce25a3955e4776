"""The tables for people: metadata.csv, failures.csv, classes.csv, attribution.txt.

All are views of the ledger. During a run, rows are appended to the first two, for readers who
cannot wait; at its end all are written anew in the order of the record ids: the same whatever order
the downloads finished in.
"""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.dataset.annotations import write_annotations
from imgcrawl.dataset.changes import CHANGES_COLUMNS
from imgcrawl.dataset.duplicates import write_duplicates
from imgcrawl.dataset.loader_card import write_loader_card
from imgcrawl.dataset.metadata_table import (
    TableIndex,
    finish_metadata,
    line_of,
    write_metadata,
)
from imgcrawl.dataset.record_columns import (
    MASK_COLUMNS,
    MAX_COLUMNS,
    OUTDATED,
    PICTURE_COLUMNS,
    metadata_row,
    own_column,
    public_url,
    table_columns,
)
from imgcrawl.dataset.samples import write_masks
from imgcrawl.dataset.split_tables import write_split_tables
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import MISSING, Outcome
from imgcrawl.storage.directory import ATTRIBUTION, CHANGES, CLASSES, FAILURES, METADATA
from imgcrawl.text.csv_cells import safe_cell
from imgcrawl.text.redact import utf8, without_secrets

if TYPE_CHECKING:
    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

FAILURE_COLUMNS = (
    "record_id",
    "url",
    "reason",
    "http_status",
    "tries",
    "last_try_at",
    "message",
)
CLASSES_COLUMNS = (
    *("class", "label", "wanted", "stored", "short", "candidates", "tried", "failed", "note"),
)
# A column that is new after so many rows enters the table at the end of the run: rewriting a
# long table would stop every download.
LIVE_REWRITE_ROWS = 20_000


def failure_values(entry: LedgerEntry) -> tuple[Any, ...]:
    """Return the values of a missing record for FAILURE_COLUMNS, URLs without secrets."""
    missing = entry.result
    assert isinstance(missing, Missing)
    return (
        entry.record_id,
        public_url(missing.url),
        missing.outcome.value,
        missing.http_status,
        missing.tries,
        entry.last_try_at,
        public_url(missing.message),
    )


def unreadable_values(where: str, problem: str, when: str) -> tuple[Any, ...]:
    """Return the values for FAILURE_COLUMNS of a piece of the source that is no record."""
    return (where, "", Outcome.BAD_URL.value, "", 0, when, problem)


def failure_row(entry: LedgerEntry) -> list[str]:
    """Return the cells of a missing record."""
    return [safe_cell(value) for value in failure_values(entry)]


def write_failures(out: OutputDirectory, ledger: Ledger) -> None:
    """Write failures.csv anew from the ledger."""

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(FAILURE_COLUMNS)
        writer.writerows(map(failure_row, ledger.entries(MISSING)))
        for piece in ledger.unreadable():
            writer.writerow([safe_cell(value) for value in unreadable_values(*piece)])

    out.write(FAILURES, write)


def write_attribution(out: OutputDirectory, ledger: Ledger) -> None:
    """Write the owners of the stored images, most images first, "Anonymous" last."""
    if "attribution" not in ledger.columns():
        return
    names = sorted(ledger.count_values("attribution"), key=lambda name: name == "Anonymous")

    def write(file: IO[str]) -> None:
        file.write("\n\n".join(" ".join(name.split()) for name in names) + "\n")

    out.write(ATTRIBUTION, write)


def write_classes(out: OutputDirectory, ledger: Ledger) -> None:
    """Write the quota of each class, its stored and missing records and their reasons, if any."""
    if next(ledger.classes(), None) is None:
        out.discard(CLASSES)
        return

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(CLASSES_COLUMNS)
        for count in ledger.classes():
            failed = [f"{reason} {n}" for reason, n in sorted(count.missing.items())]
            tried = count.stored + sum(count.missing.values())
            row = (
                *(count.key, count.label, count.wanted, count.stored, count.short, count.listed),
                *(tried, "; ".join(failed), count.note),
            )
            writer.writerow([safe_cell(cell) for cell in row])

    out.write(CLASSES, write)


def write_changes(out: OutputDirectory, ledger: Ledger) -> None:
    """Write changes.csv anew from the ledger, if anything has changed."""
    rows = ledger.changes()
    first = next(rows, None)
    if first is None:
        out.discard(CHANGES)
        return

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(CHANGES_COLUMNS)
        for row in chain([first], rows):
            writer.writerow([safe_cell(without_secrets(cell)) for cell in row])

    out.write(CHANGES, write)


def write_all(out: OutputDirectory, ledger: Ledger) -> None:
    """Write every table anew from the ledger."""
    write_metadata(out, ledger)
    _write_others(out, ledger)


def finish_all(out: OutputDirectory, ledger: Ledger, index: TableIndex | None) -> None:
    """Write every table at the end of a run.

    index: of metadata.csv before this run appended to it; None if it is not known
    """
    finish_metadata(out, ledger, index)
    if ledger.has_changed():
        _write_others(out, ledger)
    else:
        write_failures(out, ledger)
        write_classes(out, ledger)
        write_changes(out, ledger)


def _write_others(out: OutputDirectory, ledger: Ledger) -> None:
    write_split_tables(out, ledger)
    write_loader_card(out, ledger)
    write_annotations(out, ledger)
    write_failures(out, ledger)
    write_attribution(out, ledger)
    write_classes(out, ledger)
    write_changes(out, ledger)
    write_masks(out, ledger)
    write_duplicates(out, ledger)


class LiveTables:
    """metadata.csv and failures.csv during a run: rows are appended as records end."""

    def __init__(self, out: OutputDirectory, ledger: Ledger) -> None:
        self._out = out
        self._ledger = ledger
        self._rows = 0
        self.index: TableIndex | None = None  # of metadata.csv before anything was appended
        self._open()

    def add(self, stored: list[LedgerEntry], missing: list[LedgerEntry]) -> None:
        """Append rows of records that are already in the ledger."""
        self._rows += len(stored)
        if self.learn_columns(stored) and self._rows < LIVE_REWRITE_ROWS:
            self.close()
            write_metadata(self._out, self._ledger)
            self._open()
        else:
            self._append([entry for entry in stored if not entry.mask_of])
        self._failures.writerows(map(failure_row, missing))
        for file in self._files:
            file.flush()

    def close(self) -> None:
        """Close both files."""
        for file in self._files:
            file.flush()
        with suppress(FileNotFoundError):
            ours, there = os.fstat(self._metadata.fileno()), (self._out.root / METADATA).stat()
            if (there.st_ino, there.st_size) != (ours.st_ino, self._end):
                self.index = None  # somebody has written another table
        for file in self._files:
            file.close()

    def _append(self, stored: list[LedgerEntry]) -> None:
        lines = [line_of(metadata_row(entry, self._columns)) for entry in stored]
        places = []
        for entry, line in zip(stored, lines, strict=True):
            places.append((self._end, len(line), utf8(entry.record_id)))
            self._end += len(line)
        self._metadata.write(b"".join(lines))
        if self._known == set(self._columns):  # else the rows of this table are too short
            self._ledger.place_rows(places)

    def _open(self) -> None:
        self.index = TableIndex.of(self._out, self._ledger)
        self._columns = table_columns(self._ledger)
        self._known = set(self._columns)
        self._metadata = (self._out.root / METADATA).open("ab")
        self._end = self._metadata.seek(0, os.SEEK_END)
        failures = (self._out.root / FAILURES).open(
            "a", encoding="utf-8", errors="backslashreplace", newline=""
        )
        self._failures = csv.writer(failures)
        self._files: tuple[IO[Any], ...] = (self._metadata, failures)

    def learn_columns(self, stored: list[LedgerEntry]) -> bool:
        """Add columns seen for the first time to the ledger; return True if there were any."""
        masks = [entry for entry in stored if entry.mask_of]
        rows = [entry for entry in stored if not entry.mask_of] if masks else stored
        names = {own_column(name) for entry in rows for name in entry.metadata} - self._known
        names |= set(MASK_COLUMNS if masks else ()) - self._known
        if any(isinstance(e.result, Stored) and e.result.format for e in stored):
            names |= set(PICTURE_COLUMNS) - self._known
        if any(entry.outdated for entry in stored):
            names |= {OUTDATED} - self._known
        names = set(sorted(names)[: MAX_COLUMNS - len(self._known)])
        if not names:
            return False
        self._known |= names
        self._ledger.add_columns(names)
        return True

"""What differs between two versions of a dataset: records, bytes, labels."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, TYPE_CHECKING

from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgcrawl.exports.lock_file import LockedRecord

COLUMNS = ("record_id", "change", "column", "before", "after")


class Difference(StrEnum):
    """What became of a record."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"  # other bytes
    RELABELLED = "relabelled"  # another value in a column of the dataset's own


@dataclass(slots=True)
class DiffFigures:
    """Records by change, those that are the same, and how often each column has another value."""

    records: Counter[Difference] = field(default_factory=Counter)
    same: int = 0
    columns: Counter[str] = field(default_factory=Counter)


DiffRow = tuple[str, Difference, str, str, str]


def write_diff(
    before: Iterable[LockedRecord], after: Iterable[LockedRecord], file: IO[str]
) -> DiffFigures:
    """Write the differences as a table, in the order of the ids. Memory is flat."""
    figures = DiffFigures()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    with closing(sqlite3.connect("")) as database:  # a file of its own, gone when it is closed
        for table, records in (("a", before), ("b", after)):
            database.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY, sha256, columns TEXT)")
            database.executemany(
                f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)",  # noqa: S608 - constants
                ((r.id, r.sha256, json.dumps(r.columns, sort_keys=True)) for r in records),
            )
        for row in _rows(database, figures):
            writer.writerow(map(safe_cell, row))
    return figures


def _rows(database: sqlite3.Connection, figures: DiffFigures) -> Iterator[DiffRow]:
    found = database.execute(
        "SELECT id, a.sha256, b.sha256, a.columns, b.columns"
        " FROM (SELECT id FROM a UNION SELECT id FROM b)"
        " LEFT JOIN a USING (id) LEFT JOIN b USING (id) ORDER BY id"
    )
    for record_id, old, new, had, has in found:
        if old is None or new is None:
            change = Difference.ADDED if old is None else Difference.REMOVED
            figures.records[change] += 1
            yield record_id, change, "", "", ""
            continue
        changes = set()
        if old != new:
            changes.add(Difference.CHANGED)
            yield record_id, Difference.CHANGED, "sha256", old, new
        if had != has:
            for name, before, after in _columns(json.loads(had), json.loads(has)):
                changes.add(Difference.RELABELLED)
                figures.columns[name] += 1
                yield record_id, Difference.RELABELLED, name, before, after
        figures.records.update(changes)
        figures.same += not changes


def _columns(had: dict[str, object], has: dict[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield the columns whose cells differ: 1 and "1" are the same, and so are None and nothing."""
    for name in sorted({*had, *has}):
        before, after = safe_cell(had.get(name)), safe_cell(has.get(name))
        if before != after:
            yield name, before, after

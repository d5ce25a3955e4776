"""Merge the tables of several OUTs: of the shards of a dataset, or of many datasets.

Rows are streamed: memory does not grow with their number. Cells are copied as they are: their
writer has already made them safe for spreadsheets.
"""

from __future__ import annotations

import csv
import heapq
import json
import os
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain, pairwise
from operator import itemgetter
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Self, TypeAlias

from imgcrawl.dataset.changes import CHANGES_COLUMNS
from imgcrawl.dataset.image_table import COLUMNS as IMAGE_COLUMNS
from imgcrawl.dataset.record_columns import FIXED_COLUMNS, MASK
from imgcrawl.dataset.tables import CLASSES_COLUMNS, FAILURE_COLUMNS
from imgcrawl.dataset.typed_rows import write_rows
from imgcrawl.dataset.written_whole import written_whole
from imgcrawl.storage.directory import CHANGES, CLASSES, FAILURES, MASKS, METADATA, WELLS
from imgcrawl.text.csv_cells import LONGEST_CELL, safe_cell, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILE_NAME = "file_name"
_OPEN_FILES = 400

KeyedRow: TypeAlias = tuple[str, list[str]]  # the key that rows are ordered by, and the cells


@dataclass(frozen=True, slots=True)
class MergeInput:
    """An OUT to merge with others.

    columns: constant columns, by name, that each of its rows is given
    """

    name: str
    root: Path
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    fixed: tuple[str, ...]
    key: str  # the column that rows are ordered by
    always: bool  # whether to write it even if no part has one


_TABLES = (
    _Table(METADATA, FIXED_COLUMNS, "record_id", always=True),
    _Table(FAILURES, FAILURE_COLUMNS, "record_id", always=True),
    _Table(CLASSES, CLASSES_COLUMNS, "class", always=False),
    _Table(CHANGES, CHANGES_COLUMNS, "record_id", always=False),
    _Table(MASKS, FIXED_COLUMNS, "record_id", always=False),
    _Table(WELLS, IMAGE_COLUMNS, "record_id", always=False),
)
MERGED = tuple(table.name for table in _TABLES)


def merge_tables(parts: Sequence[MergeInput], target: Path) -> None:
    """Write metadata.csv, failures.csv and, if a part has them, the other tables of all parts.

    target: the folder they are written to, each as a whole or not at all. ``file_name`` becomes
    relative to it.

    Columns: the fixed ones, the parts' constant ones, the datasets' own, sorted; an own column with
    the name of a constant one gets an underscore. Rows are in the order of their ids, whatever
    their order in a part; an id that several parts have keeps all of its rows. A part without a
    table adds nothing. Beyond some hundred parts, which would each hold a file open, all rows are
    sorted on disk.
    Raises OSError if a table cannot be read or written.
    """
    target.mkdir(parents=True, exist_ok=True)
    for table in _TABLES:
        found = [part for part in parts if (part.root / table.name).is_file()]
        if found or table.always:
            _merge(table, found, target)
        else:
            (target / table.name).unlink(missing_ok=True)


def _merge(table: _Table, parts: Sequence[MergeInput], target: Path) -> None:
    constant = list(dict.fromkeys(name for part in parts for name in part.columns))
    sources = [_Source(table, part, target, constant) for part in parts]
    own = sorted({name for source in sources for name in source.own})
    columns = [*table.fixed, *constant, *own]
    with ExitStack() as open_files, written_whole(target / table.name) as file:

        def rows() -> Iterator[list[str]]:
            if len(sources) > _OPEN_FILES:
                every = chain.from_iterable(source.rows(columns) for source in sources)
                sorter = open_files.enter_context(closing(sqlite3.connect("")))
                return (cells for _, cells in _sorted(sorter, every))
            parts = [open_files.enter_context(_SortedRows(s, columns)) for s in sources]
            merged = heapq.merge(*(part.rows for part in parts), key=itemgetter(0))
            return (cells for _, cells in merged)

        header = [safe_cell(name) for name in columns]
        write_rows(file, header, rows, len(table.fixed))


class _Source:
    """One table of one part, its columns under their names in the merged table."""

    def __init__(self, table: _Table, part: MergeInput, target: Path, constant: list[str]) -> None:
        self.path = part.root / table.name
        self._part = part
        self._table = table
        relative = os.path.relpath(part.root.absolute(), target.absolute())
        self._prefix = "" if relative == os.curdir else f"{Path(relative).as_posix()}/"
        with _open_rows(self.path) as rows:
            header = next(rows, [])
        taken = {*table.fixed, *constant}
        self._names = [
            intern(name if name in table.fixed else _unused_name(name, taken)) for name in header
        ]
        self.own = set(self._names) - set(table.fixed)

    def rows(self, columns: list[str]) -> Iterator[KeyedRow]:
        """Yield the rows in the order of the file, each with its key and a cell per column."""
        width = len(self._names)
        place = {name: n for n, name in enumerate(self._names)}
        key = place.get(self._table.key)
        if key is None:
            return  # a file that was cut before its header was complete holds no rows
        # A cell that stands in every row, or in none, comes after the row's own.
        extra = [safe_cell(value) for value in self._part.columns.values()]
        place.update((name, width + n) for n, name in enumerate(self._part.columns))
        order = [place.get(name, width + len(extra)) for name in columns]
        names_at = [place[name] for name in (_FILE_NAME, MASK) if name in place]
        with _open_rows(self.path) as rows:
            next(rows, None)
            for row in rows:
                if len(row) != width:
                    row = [*row[:width], *[""] * (width - len(row))]
                for at in names_at if self._prefix else ():
                    row[at] = self._relocated(row[at]) if row[at] else ""
                full = [*row, *extra, ""]
                yield unescaped(row[key]), [full[n] for n in order]

    def _relocated(self, cell: str) -> str:
        name = unescaped(cell)
        if name != cell and (self._part.root / cell).exists():
            name = cell  # the apostrophe is its own
        return safe_cell(self._prefix + name)


class _SortedRows:
    """The rows of a source in the order of their keys, sorted on disk if the file is not."""

    def __init__(self, source: _Source, columns: list[str]) -> None:
        self._sorter: sqlite3.Connection | None = None
        keys = (key for key, _ in source.rows(columns))
        if all(before <= after for before, after in pairwise(keys)):
            self.rows = source.rows(columns)
        else:
            # A run that was killed leaves rows in the order that they came in, and failures.csv
            # ends with the rows of a list that could not be read.
            self._sorter = sqlite3.connect("")  # a file of its own, gone when it is closed
            self.rows = _sorted(self._sorter, source.rows(columns))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._sorter is not None:
            self._sorter.close()


def _sorted(database: sqlite3.Connection, rows: Iterator[KeyedRow]) -> Iterator[KeyedRow]:
    """Yield rows in the order of their keys; `database` is a file of its own, empty."""
    database.execute("CREATE TABLE t (key BLOB, n INTEGER PRIMARY KEY, cells TEXT)")
    database.executemany(
        "INSERT INTO t (key, cells) VALUES (?, ?)",
        ((key.encode("utf-8"), json.dumps(cells)) for key, cells in rows),
    )
    database.commit()
    found = database.execute("SELECT key, cells FROM t ORDER BY key, n")
    return ((key.decode("utf-8"), json.loads(cells)) for key, cells in found)


@contextmanager
def _open_rows(path: Path) -> Iterator[Iterator[list[str]]]:
    """Open a CSV file as an iterator of its rows, which may have long cells."""
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        yield (row for row in csv.reader(file) if row)


def _unused_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name

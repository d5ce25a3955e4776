"""The stored records of an OUT as rows, whether it has a ledger or the tables of several others.

A plan and merged shards have a metadata.csv over all their OUTs, and no ledger of their own.
"""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.record_columns import FIXED_COLUMNS, record_values, table_columns
from imgcrawl.dataset.samples import samples
from imgcrawl.records.items import Stored
from imgcrawl.storage.directory import LEDGER, MASKS, METADATA
from imgcrawl.storage.store_tables import version_of
from imgcrawl.text.csv_cells import LONGEST_CELL, unescaped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory


class DatasetTable(Protocol):
    """The stored records of a dataset. columns: their names, the fixed ones first."""

    columns: list[str]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the values of each record by column, None or absent where there is none."""

    def mask_sha256(self, record_id: str, file_name: str) -> str | None:
        """Return the SHA-256 of the mask in the row of a record, where that is known."""


class LedgerTable:
    """The records of a ledger, in the order of their ids."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.columns = [*FIXED_COLUMNS, *table_columns(ledger)]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the values of each record by column."""
        return map(record_values, samples(self._ledger))

    def mask_sha256(self, record_id: str, file_name: str) -> str | None:
        """Return the SHA-256 of the mask in the row of a record, which `rows` has just yielded."""
        mask = self._ledger.best_mask(record_id)
        return mask.result.sha256 if mask and isinstance(mask.result, Stored) else None


class CsvTable:
    """The rows of a metadata.csv, all of them texts, in the order of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._masks: sqlite3.Connection | None = None
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            self.columns = next(csv.reader(file), [])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the cells of each row, as they were before they were made safe."""
        csv.field_size_limit(LONGEST_CELL)
        with self._path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            for row in rows:
                if row:
                    yield dict(zip(self.columns, map(unescaped, row), strict=False))

    def mask_sha256(self, record_id: str, file_name: str) -> str | None:
        """Return the SHA-256 that masks.csv, beside this table, has of a mask."""
        if self._masks is None:
            self._masks = self._read_masks()
        found = self._masks.execute("SELECT sha256 FROM masks WHERE name = ?", [file_name])
        row = found.fetchone()
        return row[0] if row else None

    def _read_masks(self) -> sqlite3.Connection:
        database = sqlite3.connect("")  # a file of its own, gone when it is closed
        database.execute("CREATE TABLE masks (name TEXT PRIMARY KEY, sha256) WITHOUT ROWID")
        path = self._path.with_name(MASKS)
        if path.is_file():
            database.executemany(
                "INSERT OR REPLACE INTO masks VALUES (?, ?)",
                (
                    (row.get("file_name", ""), row["sha256"])
                    for row in CsvTable(path).rows()
                    if row.get("sha256")
                ),
            )
        return database


@contextmanager
def open_table(out: OutputDirectory) -> Iterator[DatasetTable]:
    """Yield the records of an OUT. Raises OutputError if its ledger cannot be read."""
    if (out.root / LEDGER).is_file():
        with closing(Ledger(out.root / LEDGER)) as ledger:
            yield LedgerTable(ledger)
    else:
        yield CsvTable(out.root / METADATA)


def bring_tables(out: OutputDirectory, storage: Storage, *names: str) -> None:
    """Bring tables of an OUT in an object store, which are there, to where they can be read.

    Raises StoreError.
    """
    if storage.is_local:
        return
    for name in names:
        if version_of(storage, name) is not None:
            storage.get(name, out.root / name)

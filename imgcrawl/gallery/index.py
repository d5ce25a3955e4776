"""The rows of a dataset in a SQLite file of their own, to be browsed and filtered.

Each column of metadata.csv is one here, so that a filter is a plain comparison, whatever a source
calls its columns. Missing records are rows without a file. OUT is only read: a crawl may run.
"""

from __future__ import annotations

import sqlite3
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.class_columns import CLASS_COLUMNS
from imgcrawl.dataset.dataset_table import CsvTable
from imgcrawl.exports.report_facts import failures
from imgcrawl.records.errors import OutputError
from imgcrawl.storage.directory import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REASON = "reason"  # the column that missing records have, and stored ones have not
_OF_MISSING = ("record_id", "url", REASON, "last_try_at", "message")
MOST = 500  # columns; SQLite takes 2,000
VALUES = 200  # of a column that are offered to choose from
PAGE = 400  # rows of an answer, at most
_CELL = 2_000  # characters of a cell that are kept


class GalleryIndex:
    """The records of one OUT, in the order of its table, those that are missing behind them.

    columns: their names; label: the one of the classes, or None. For any thread
    """

    def __init__(self, root: Path) -> None:
        if not (root / METADATA).is_file():
            raise OutputError(f"{root} has no {METADATA} yet")
        table = CsvTable(root / METADATA)
        self.root = root
        self.columns = [*dict.fromkeys([*table.columns[: MOST - 5], REASON, *_OF_MISSING])]
        self.label = next((name for name in CLASS_COLUMNS if name in self.columns), None)
        self._lock = Lock()
        # A file without a name, which is gone when it is closed.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        names = ", ".join(f"c{n}" for n in range(len(self.columns)))
        self._db.execute(f"CREATE TABLE records (n INTEGER PRIMARY KEY, words, {names})")
        marks = ", ".join("?" * (len(self.columns) + 1))
        self._db.execute("BEGIN")
        self._db.executemany(
            f"INSERT INTO records (words, {names}) VALUES ({marks})",  # noqa: S608 - numbers
            map(self._row, self._records(table)),
        )
        self._db.execute("COMMIT")
        self.total = self._one("SELECT count(*) FROM records")

    def _records(self, table: CsvTable) -> Iterator[dict[str, str]]:
        yield from table.rows()
        for one, url, reason, when, message, label in failures(self.root, self.label):
            found = dict(zip(_OF_MISSING, (one, url, reason, when, message), strict=True))
            yield found | ({self.label: label} if self.label else {})

    def _row(self, record: dict[str, str]) -> list[str]:
        cells = [record.get(name, "")[:_CELL] for name in self.columns]
        return ["\n".join(cells).lower(), *cells]

    def rows(
        self, first: int, count: int, where: dict[str, str], words: str
    ) -> tuple[int, list[dict[str, Any]]]:
        """Return how many records there are, and some of them: number, id, class, file, reason.

        where: values by column; words: a text that has to be in a cell
        """
        condition, values = self._where(where, words)
        shown = ("record_id", self.label or "record_id", "file_name", REASON)
        fields = ", ".join(self._column(name) for name in shown)
        total = self._one(f"SELECT count(*) FROM records {condition}", values)  # noqa: S608 - as below
        # The names of columns are numbers of our own; what a user or a source says is a parameter.
        query = f"SELECT n, {fields} FROM records {condition} ORDER BY n LIMIT ? OFFSET ?"  # noqa: S608
        found = self._all(query, [*values, min(count, PAGE), first])
        keys = ("n", "id", "label", "file", "reason")
        return total, [dict(zip(keys, row, strict=True)) for row in found]

    def values(self, column: str) -> list[tuple[str, int]]:
        """Return the commonest values of a column, with the number of records of each."""
        name = self._column(column)
        query = f"SELECT {name}, count(*) AS many FROM records GROUP BY 1"  # noqa: S608 - as above
        return self._all(f"{query} ORDER BY many DESC, 1 LIMIT ?", [VALUES])

    def record(self, number: int) -> dict[str, str] | None:
        """Return the cells of a record that are not empty, by column."""
        found = self._all("SELECT * FROM records WHERE n = ?", [number])
        if not found:
            return None
        return {name: cell for name, cell in zip(self.columns, found[0][2:], strict=True) if cell}

    def close(self) -> None:
        """Remove it."""
        with self._lock:
            self._db.close()

    def _where(self, where: dict[str, str], words: str) -> tuple[str, list[str]]:
        parts = [f"{self._column(name)} = ?" for name in where]
        values = [*where.values()]
        if words:
            parts.append("instr(words, ?)")
            values.append(words.lower())
        return (f"WHERE {' AND '.join(parts)}" if parts else ""), values

    def _column(self, name: str) -> str:
        """Return how a column is called here. Raises ValueError for one that there is not."""
        return f"c{self.columns.index(name)}"

    def _one(self, query: str, values: Iterable[Any] = ()) -> int:
        return int(self._all(query, values)[0][0])

    def _all(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        with self._lock:
            return [*islice(self._db.execute(query, [*values]), VALUES + PAGE)]

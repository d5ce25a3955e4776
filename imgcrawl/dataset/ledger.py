"""The ledger: every promised record and its outcome, in one SQLite file.

It is the truth from which ``metadata.csv`` and ``failures.csv`` can be made again. Writes come in
batches, each one transaction: an entry is there whole or not at all, whatever kills the process.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from imgcrawl.dataset.entries import RECORD_COLUMNS, ClassCount, LedgerEntry, entry_of
from imgcrawl.dataset.schema import connect
from imgcrawl.records.errors import OutputError
from imgcrawl.records.items import Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imgcrawl.records.quotas import Quota


class Ledger:
    """An open ledger. Not for use from two threads: each opens its own.

    Raises OutputError where the file is not a ledger, or is one of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = connect(path)
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{path} is not a ledger of imgcrawl ({error}). Move it away to start anew, "
                "or choose another directory with -a out=DIR."
            ) from error

    def get(self, record_id: str) -> LedgerEntry | None:
        """The entry of one record."""
        row = self._db.execute("SELECT * FROM records WHERE record_id = ?", (record_id,)).fetchone()
        return entry_of(row) if row else None

    def owner(self, path: str) -> str | None:
        """The record whose final name (without extension) is `path`."""
        row = self._db.execute("SELECT record_id FROM records WHERE path = ?", (path,)).fetchone()
        return row[0] if row else None

    def forget(self, record_id: str) -> None:
        """Take a record out that is promised no longer."""
        self._db.execute("DELETE FROM records WHERE record_id = ?", (record_id,))

    def forget_unreadable(self) -> None:
        """The source is about to be read again: what could not be read of it, may be now."""
        self._db.execute("DELETE FROM unreadable")

    def unreadable(self) -> Iterator[tuple[str, str, str]]:
        """(where, problem, when) of the pieces of the source that are no records."""
        rows = self._db.execute("SELECT * FROM unreadable ORDER BY place")
        return (tuple(row) for row in rows)

    def n_unreadable(self) -> int:
        """How many pieces of the source are no records."""
        return int(self._db.execute("SELECT count(*) FROM unreadable").fetchone()[0])

    def write(
        self,
        entries: Iterable[LedgerEntry],
        bookmarks: Iterable[tuple[str, str]] = (),
        unreadable: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Write a batch in one transaction: all of it is there afterwards, or nothing."""
        marks = ", ".join("?" * len(RECORD_COLUMNS))
        with self._transaction():
            self._db.executemany(
                f"INSERT OR REPLACE INTO records ({', '.join(RECORD_COLUMNS)}) VALUES ({marks})",  # noqa: S608 - constants
                (entry.row() for entry in entries),
            )
            self._db.executemany("INSERT OR REPLACE INTO bookmarks VALUES (?, ?)", bookmarks)
            self._db.executemany("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?)", unreadable)

    def of_bytes(self, sha256: str) -> list[LedgerEntry]:
        """The records whose bytes were these, stored or not."""
        rows = self._db.execute("SELECT * FROM records WHERE sha256 = ?", (sha256,))
        return [entry_of(row) for row in rows]

    def same_bytes(self) -> Iterator[LedgerEntry]:
        """The stored records whose bytes others have too, the same ones next to each other."""
        # The index has them in order: sorting whole rows would take memory as the dataset grows.
        several = self._db.execute(
            "SELECT sha256 FROM records WHERE sha256 IS NOT NULL GROUP BY sha256"
            " HAVING count(*) > 1 ORDER BY sha256"
        )
        for (sha256,) in several:
            group = [e for e in self.of_bytes(sha256) if isinstance(e.result, Stored)]
            if len(group) > 1:
                yield from sorted(group, key=lambda entry: entry.record_id)

    def values(self, column: str) -> Iterator[tuple[str, str]]:
        """(record, value) of the stored records that have a column of the dataset's own."""
        if column not in self.columns():
            return iter(())
        rows = self._db.execute(
            "SELECT record_id, json_extract(metadata, '$.' || json_quote(?)) AS value FROM records"
            " WHERE outcome = 'stored' AND value IS NOT NULL ORDER BY record_id",
            (column,),
        )
        return ((str(row[0]), str(row[1])) for row in rows)

    def of_url(self, url: str) -> LedgerEntry | None:
        """A record that was asked of this URL, a stored one where there is one."""
        # Nearly always there is none, which the index alone can tell.
        if self._db.execute("SELECT 1 FROM records WHERE url = ?", (url,)).fetchone() is None:
            return None
        row = self._db.execute(
            "SELECT * FROM records WHERE url = ? ORDER BY outcome = 'stored' DESC, last_try_at DESC"
            " LIMIT 1",
            (url,),
        ).fetchone()
        return entry_of(row) if row else None

    def of_quota(self, key: str) -> list[LedgerEntry]:
        """The stored records of a class that has a quota."""
        rows = self._db.execute(
            "SELECT * FROM records WHERE quota = ? AND outcome = 'stored'", (key,)
        )
        return [entry_of(row) for row in rows]

    def write_quotas(self, quotas: Iterable[Quota]) -> None:
        """Note what is wanted of classes."""
        rows = ((q.key, q.label, q.wanted, q.listed, q.note or None) for q in quotas)
        with self._transaction():
            self._db.executemany(
                "INSERT INTO quotas VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " label = excluded.label, wanted = excluded.wanted, note = excluded.note,"
                " listed = coalesce(excluded.listed, listed)",
                rows,
            )

    def classes(self) -> Iterator[ClassCount]:
        """Each class that has a quota, and what became of its candidates."""
        for key, label, wanted, listed, note in self._db.execute(
            "SELECT key, label, wanted, listed, note FROM quotas ORDER BY key"
        ).fetchall():
            counts = dict(
                self._db.execute(
                    "SELECT outcome, count(*) FROM records WHERE quota = ? GROUP BY outcome", (key,)
                ).fetchall()
            )
            stored = counts.pop(Outcome.STORED, 0)
            yield ClassCount(key, label or "", wanted, stored, listed, dict(counts), note or "")

    def captures(self, url: str, since: str) -> str | None:
        """What the Wayback Machine answered of a URL, if that was after `since` (ISO 8601)."""
        row = self._db.execute(
            "SELECT answer FROM captures WHERE url = ? AND asked_at > ?", (url, since)
        ).fetchone()
        return row[0] if row else None

    def write_captures(self, url: str, answer: str, now: str) -> None:
        """Keep what the Wayback Machine answered of a URL."""
        row = (utf8(url), answer, now)
        self._db.execute("INSERT OR REPLACE INTO captures VALUES (?, ?, ?)", row)

    def counts(self, *, promised: bool = False) -> dict[Outcome, int]:
        """How many records ended in which way; with `promised`, without candidates of quotas."""
        where = "WHERE quota IS NULL" if promised else ""
        rows = self._db.execute(f"SELECT outcome, count(*) FROM records {where} GROUP BY outcome")  # noqa: S608 - a constant
        try:
            return {Outcome(outcome): count for outcome, count in rows}
        except ValueError as error:
            raise OutputError(
                f"The ledger {self.path} is not one of imgcrawl's: {error}"
            ) from error

    def stored_bytes(self) -> int:
        """The bytes of all stored files."""
        row = self._db.execute("SELECT sum(bytes) FROM records WHERE outcome = 'stored'")
        return int(row.fetchone()[0] or 0)

    def entries(
        self, outcomes: Iterable[Outcome], after: str = "", limit: int = -1
    ) -> Iterator[LedgerEntry]:
        """Entries of the given outcomes with an id above `after`, in the order of their ids."""
        words = [str(outcome) for outcome in outcomes]
        rows = self._db.execute(
            f"SELECT * FROM records WHERE outcome IN ({', '.join('?' * len(words))})"  # noqa: S608 - question marks
            " AND record_id > ? ORDER BY record_id LIMIT ?",
            (*words, after, limit),
        )
        return map(entry_of, rows)

    def count_values(self, column: str) -> dict[str, int]:
        """How many stored records have which value of a dataset's own column, most first."""
        rows = self._db.execute(
            "SELECT json_extract(metadata, '$.' || json_quote(?)) AS value, count(*) AS n"
            " FROM records WHERE outcome = 'stored' AND value IS NOT NULL"
            " GROUP BY value ORDER BY n DESC, value",
            (column,),
        )
        return {str(value): count for value, count in rows}

    def failures_by_host(self) -> Iterator[tuple[str, str]]:
        """(URL, outcome) of every missing record."""
        rows = self._db.execute("SELECT url, outcome FROM records WHERE outcome != 'stored'")
        return ((row["url"] or "", row["outcome"]) for row in rows)

    def bookmarks(self) -> dict[str, str]:
        """The bookmarks that were committed."""
        return dict(self._db.execute("SELECT key, value FROM bookmarks").fetchall())

    def columns(self) -> list[str]:
        """The dataset's own columns, sorted."""
        return [row[0] for row in self._db.execute("SELECT name FROM columns ORDER BY name")]

    def add_columns(self, names: Iterable[str]) -> None:
        """Make columns known for good."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO columns VALUES (?)", ((name,) for name in names)
            )

    def state(self, name: str) -> str | None:
        """A fact about the ledger itself."""
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_state(self, name: str, value: str) -> None:
        """Note a fact about the ledger itself."""
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Close the file, and leave no journal beside it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on an exception."""

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")

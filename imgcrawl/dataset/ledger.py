"""The ledger: every promised record and its outcome, in one SQLite file.

``metadata.csv`` and ``failures.csv`` can be made again from it. Writes come in batches, each one
transaction: an entry is complete or absent, however the process ends.
"""

from __future__ import annotations

import sqlite3
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from imgcrawl.dataset.entries import RECORD_COLUMNS, ClassCount, LedgerEntry
from imgcrawl.dataset.schema import SENT_URL, close, connect, describe_error
from imgcrawl.records.errors import OutputError
from imgcrawl.records.items import Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.addresses import host_of
from imgcrawl.text.redact import utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imgcrawl.dataset.changes import Change
    from imgcrawl.records.quotas import Quota


class Ledger:
    """An open ledger, for one thread: each other thread opens its own.

    Raises OutputError if the file is not a ledger, or has a later schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._watches = self._has_changed = False
        try:
            self._db = connect(path)
        except sqlite3.DatabaseError as error:
            raise OutputError(describe_error(path, error)) from error

    def get(self, record_id: str) -> LedgerEntry | None:
        """Return the entry of one record, or None."""
        row = self._db.execute("SELECT * FROM records WHERE record_id = ?", (record_id,)).fetchone()
        return LedgerEntry.from_row(row) if row else None

    def owner(self, path: str) -> str | None:
        """Return the id of the record whose file name without extension is `path`, or None."""
        row = self._db.execute("SELECT record_id FROM records WHERE path = ?", (path,)).fetchone()
        return row[0] if row else None

    def top_folders(self, some: Iterable[str]) -> set[str]:
        """Return the folders of OUT that stored files lie in ("": OUT itself), if `some` do."""
        query = "SELECT 1 FROM records WHERE path > ? || '/' AND path < ? || '0' LIMIT 1"
        if not any(self._db.execute(query, (folder, folder)).fetchone() for folder in some):
            return set()
        rows = self._db.execute(
            "SELECT DISTINCT substr(file_name, 1, instr(file_name, '/') - 1) FROM records"
            " WHERE outcome = 'stored' AND file_name IS NOT NULL"
        )
        return {folder for (folder,) in rows}

    def named_files(self) -> Iterator[str]:
        """Yield the names of stored files that have the name of their source, and of cubes."""
        for folder in ("files", "cubes"):
            rows = self._db.execute(
                "SELECT file_name FROM records WHERE path > ? || '/' AND path < ? || '0'"
                " AND outcome = 'stored' AND file_name IS NOT NULL",
                (folder, folder),
            )
            yield from (name for (name,) in rows)

    def forget(self, record_id: str) -> None:
        """Delete a record that is no longer promised."""
        self._db.execute("DELETE FROM records WHERE record_id = ?", (record_id,))

    def doubt(self, record_ids: Iterable[str], why: str) -> None:
        """Have the files of stored records fetched again by the next crawl.

        Rows and files stay as they are until a new file is stored.
        """
        with self._transaction():
            self._db.executemany(
                "UPDATE records SET doubt = ? WHERE record_id = ?",
                ((why, record_id) for record_id in record_ids),
            )

    def watch(self) -> None:
        """Note from now on, for this connection, which records are touched."""
        noted = "INSERT OR REPLACE INTO touched VALUES ({}.record_id, NULL, NULL);"
        self._db.executescript(
            "CREATE TEMP TABLE IF NOT EXISTS touched"
            " (record_id TEXT PRIMARY KEY, at INTEGER, length INTEGER) WITHOUT ROWID;"
            + "".join(
                f" CREATE TEMP TRIGGER IF NOT EXISTS touched_{event} AFTER {event} ON main.records"
                f" BEGIN {noted.format(row)} END;"
                for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
            )
        )
        self._watches = True

    def place_rows(self, rows: Iterable[tuple[int, int, str]]) -> None:
        """Note where rows of touched records were appended to the table: byte, length, record."""
        if self._watches:
            with self._transaction():
                self._db.executemany(
                    "UPDATE touched SET at = ?, length = ? WHERE record_id = ?", rows
                )

    def is_touched(self, record_id: str | None = None) -> bool:
        """Return whether a record, or any, was touched since the table was last written."""
        if not self._watches:
            return True
        query = "SELECT 1 FROM touched WHERE record_id = coalesce(?, record_id) LIMIT 1"
        return self._db.execute(query, (record_id,)).fetchone() is not None

    def touched(self, after: str, last: str | None = None) -> Iterator[tuple[str, int | None, int]]:
        """Yield the touched records above `after`, up to `last`, by their ids, and where a row is.

        A row that was appended before its record was touched again is none.
        """
        upto, values = ("", (after,)) if last is None else (" AND record_id <= ?", (after, last))
        query = "SELECT record_id, at, length FROM touched WHERE record_id > ?"
        return (tuple(row) for row in self._db.execute(f"{query}{upto} ORDER BY record_id", values))

    def forget_touched(self) -> None:
        """Forget which records were touched: the table has their rows."""
        if self._watches:
            self._has_changed |= self.is_touched()
            self._db.execute("DELETE FROM touched")

    def has_changed(self) -> bool:
        """Return whether any record was touched since the ledger is watched."""
        return self._has_changed or self.is_touched()

    def forget_unreadable(self) -> None:
        """Delete the unreadable pieces of the source, which is about to be read again."""
        self._db.execute("DELETE FROM unreadable")

    def unreadable(self) -> Iterator[tuple[str, str, str]]:
        """Yield (place, problem, time) of each piece of the source that could not be read."""
        rows = self._db.execute("SELECT * FROM unreadable ORDER BY place")
        return (tuple(row) for row in rows)

    def changes(self) -> Iterator[tuple[str, ...]]:
        """Yield the fields of each `Change`, by record, and in the order that they were seen."""
        rows = self._db.execute(
            "SELECT record_id, name, before, after, seen_at FROM changes ORDER BY record_id, number"
        )
        return (tuple(row) for row in rows)

    def index_masks(self) -> None:
        """Note, for this connection, which stored records are masks, and of which records.

        Masks of one attribute of what a picture shows are left out: none is the picture's mask.
        """
        self._db.executescript(
            "DROP TABLE IF EXISTS temp.masks;"
            " CREATE TEMP TABLE masks AS SELECT record_id,"
            " json_extract(item, '$.mask_of') AS image,"
            " coalesce(json_extract(item, '$.rank'), 0) AS rank FROM records"
            " WHERE outcome = 'stored' AND instr(item, '\"mask_of\":\"')"
            " AND json_extract(metadata, '$.mask_attribute') IS NULL;"
            " CREATE INDEX temp.masks_image ON masks (image, rank);"
        )

    def best_mask(self, record_id: str) -> LedgerEntry | None:
        """Return the best mask of a record, among those of `index_masks`, or None."""
        row = self._db.execute(
            "SELECT records.* FROM temp.masks JOIN records USING (record_id)"
            " WHERE image = ? ORDER BY masks.rank, record_id LIMIT 1",
            (record_id,),
        ).fetchone()
        return LedgerEntry.from_row(row) if row else None

    def n_with(self, column: str) -> int:
        """Return the number of stored records that have something in a dataset column."""
        return sum(1 for _ in self.values(column))

    def n_unreadable(self) -> int:
        """Return the number of pieces of the source that could not be read."""
        return int(self._db.execute("SELECT count(*) FROM unreadable").fetchone()[0])

    def write(
        self,
        entries: Iterable[LedgerEntry],
        bookmarks: Iterable[tuple[str, str]] = (),
        unreadable: Iterable[tuple[str, str, str]] = (),
        changes: Iterable[Change] = (),
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
            self._db.executemany(
                "INSERT INTO changes (record_id, name, before, after, seen_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (tuple(map(utf8, change)) for change in changes),
            )

    def of_bytes(self, sha256: str) -> Iterator[LedgerEntry]:
        """Yield the records, stored or not, whose bytes have this digest, in order of their ids."""
        # The index has them in order.
        rows = self._db.execute(
            "SELECT * FROM records WHERE sha256 = ? ORDER BY record_id", (sha256,)
        )
        return map(LedgerEntry.from_row, rows)

    def same_bytes(self) -> Iterator[str]:
        """Yield the digests (hexadecimal, sorted) that several stored files share.

        Records that are datasets of one file are not the same.
        """
        # The index has them in order: sorting whole rows would take memory as the dataset grows.
        several = self._db.execute(
            "SELECT sha256 FROM records WHERE sha256 IS NOT NULL GROUP BY sha256"
            " HAVING count(*) > 1 ORDER BY sha256"
        )
        for (sha256,) in several:
            entries = self.stored_with(sha256)
            first = next(entries, None)
            for entry in entries:
                if not (entry.shares_file and first and first.has_file_of(entry)):
                    yield sha256
                    break

    def stored_with(self, sha256: str) -> Iterator[LedgerEntry]:
        """Yield the stored records whose bytes have a digest, in order of their ids."""
        return (entry for entry in self.of_bytes(sha256) if isinstance(entry.result, Stored))

    def values(self, column: str) -> Iterator[tuple[str, str, str]]:
        """Yield (record id, SHA-256, value) of the stored records that have a dataset column."""
        if column not in self.columns():
            return iter(())
        rows = self._db.execute(
            "SELECT record_id, coalesce(sha256, ''),"
            " json_extract(metadata, '$.' || json_quote(?)) AS value FROM records"
            " WHERE outcome = 'stored' AND value IS NOT NULL ORDER BY record_id",
            (column,),
        )
        return ((row[0], row[1], str(row[2])) for row in rows)

    def of_url(self, url: str) -> LedgerEntry | None:
        """Return a record requested from this URL, preferably a stored one, then the latest.

        url: without its fragment. None if there is no such record.
        """
        row = self._db.execute(
            f"SELECT * FROM records WHERE {SENT_URL} = ? AND url IS NOT NULL"  # noqa: S608 - a constant
            " ORDER BY outcome = 'stored' DESC, last_try_at DESC LIMIT 1",
            (url,),
        ).fetchone()
        return LedgerEntry.from_row(row) if row else None

    def of_quota(self, key: str) -> Iterator[LedgerEntry]:
        """Yield the stored records of a class that has a quota."""
        rows = self._db.execute(
            "SELECT * FROM records WHERE quota = ? AND outcome = 'stored'", (key,)
        )
        return map(LedgerEntry.from_row, rows)

    def write_quotas(self, quotas: Iterable[Quota]) -> None:
        """Write the quotas of classes."""
        rows = ((q.key, q.label, q.wanted, q.listed, q.note or None) for q in quotas)
        with self._transaction():
            self._db.executemany(
                "INSERT INTO quotas VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " label = excluded.label, wanted = excluded.wanted, note = excluded.note,"
                " listed = coalesce(excluded.listed, listed)",
                rows,
            )

    def classes(self) -> Iterator[ClassCount]:
        """Yield the counts of each class that has a quota."""
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
        """Return the Wayback Machine's answer about a URL if later than `since` (ISO 8601)."""
        row = self._db.execute(
            "SELECT answer FROM captures WHERE url = ? AND asked_at > ?", (url, since)
        ).fetchone()
        return row[0] if row else None

    def write_captures(self, url: str, answer: str, now: str) -> None:
        """Write the Wayback Machine's answer about a URL."""
        row = (utf8(url), answer, now)
        self._db.execute("INSERT OR REPLACE INTO captures VALUES (?, ?, ?)", row)

    def counts(self, *, promised: bool = False) -> dict[Outcome, int]:
        """Return the number of records by outcome; `promised` leaves out candidates of quotas."""
        where = "WHERE quota IS NULL" if promised else ""
        rows = self._db.execute(f"SELECT outcome, count(*) FROM records {where} GROUP BY outcome")  # noqa: S608 - a constant
        try:
            return {Outcome(outcome): count for outcome, count in rows}
        except ValueError as error:
            raise OutputError(
                f"The ledger {self.path} is not one of imgcrawl's: {error}"
            ) from error

    def n_outdated(self) -> int:
        """Return the number of stored records whose file answers an earlier question."""
        query = "SELECT count(*) FROM records WHERE outdated IS NOT NULL"
        return int(self._db.execute(query).fetchone()[0])

    def since(self, when: str) -> tuple[dict[Outcome, int], int, str]:
        """Return the records last tried since a time (UTC, ISO 8601): counts, bytes, latest try."""
        rows = self._db.execute(
            "SELECT outcome, count(*), sum(CASE outcome WHEN 'stored' THEN bytes END),"
            " max(last_try_at) FROM records WHERE last_try_at >= ? GROUP BY outcome",
            (when,),
        ).fetchall()
        counts = {Outcome(row[0]): row[1] for row in rows}
        return counts, sum(row[2] or 0 for row in rows), max((row[3] for row in rows), default="")

    def sample(self, n: int) -> list[str]:
        """Return the ids of `n` stored records drawn by chance, or of all if there are fewer."""
        rows = self._db.execute(
            "SELECT record_id FROM records WHERE outcome = 'stored' ORDER BY random() LIMIT ?", (n,)
        )
        return [record_id for (record_id,) in rows]

    def addresses(self) -> list[tuple[str, str]]:
        """Return the id of each record and where it came from, or was looked for; sorted."""
        return self._db.execute(
            "SELECT record_id, coalesce(url, '') FROM records ORDER BY record_id"
        ).fetchall()

    def is_empty(self) -> bool:
        """Return True if no record was ever written."""
        return self._db.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None

    def stored_bytes(self) -> int:
        """Return the total size of all stored files in bytes."""
        row = self._db.execute("SELECT sum(bytes) FROM records WHERE outcome = 'stored'")
        return int(row.fetchone()[0] or 0)

    def entries(
        self, outcomes: Iterable[Outcome], after: str = "", limit: int = -1, quota: str = ""
    ) -> Iterator[LedgerEntry]:
        """Yield entries of the given outcomes with an id above `after`, in order of their ids.

        quota: only candidates of this class
        """
        words = [str(outcome) for outcome in outcomes]
        # The plus keeps SQLite from walking through the outcomes of all classes.
        one_class = "quota = ? AND +" if quota else ""
        rows = self._db.execute(
            f"SELECT * FROM records WHERE {one_class}outcome IN ({', '.join('?' * len(words))})"  # noqa: S608 - question marks
            " AND record_id > ? ORDER BY record_id LIMIT ?",
            (*([quota] if quota else ()), *words, after, limit),
        )
        return map(LedgerEntry.from_row, rows)

    def count_values(self, column: str) -> dict[str, int]:
        """Return the number of stored records by value of a dataset column, most first."""
        rows = self._db.execute(
            "SELECT json_extract(metadata, '$.' || json_quote(?)) AS value, count(*) AS n"
            " FROM records WHERE outcome = 'stored' AND value IS NOT NULL"
            " GROUP BY value ORDER BY n DESC, value",
            (column,),
        )
        return {str(value): count for value, count in rows}

    def failed_hosts(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield each host with missing records, and their number by outcome; sorted."""
        self._db.create_function("host_of", 1, host_of, deterministic=True)
        rows = self._db.execute(
            "SELECT host_of(url) AS host, outcome, count(*) FROM records"
            " WHERE outcome != 'stored' GROUP BY host, outcome ORDER BY host, outcome"
        )
        for host, counts in groupby(rows, key=itemgetter(0)):
            yield host, {outcome: n for _, outcome, n in counts}

    def bookmarks(self) -> dict[str, str]:
        """Return the committed bookmarks by key."""
        return dict(self._db.execute("SELECT key, value FROM bookmarks").fetchall())

    def columns(self) -> list[str]:
        """Return the names of the dataset's own columns, sorted."""
        return [row[0] for row in self._db.execute("SELECT name FROM columns ORDER BY name")]

    def add_columns(self, names: Iterable[str]) -> None:
        """Add columns of the dataset's own."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO columns VALUES (?)", ((name,) for name in names)
            )

    def state(self, name: str) -> str | None:
        """Return a property of the ledger itself, or None."""
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_state(self, name: str, value: str) -> None:
        """Set a property of the ledger itself."""
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Close the file and leave no journal beside it.

        Raises OutputError if it may only be read, and was written to meanwhile.
        """
        close(self._db, self.path)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on an exception.

    SQLite itself rolls back on some errors, such as a full disk.
    """

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")

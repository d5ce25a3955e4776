"""The manifest of a copy, the objects that are stored: on the disk, since there may be millions.

While a copy is not complete its manifest is a small database; rows of it are written once the
objects that they speak of are on the disk. In the end it is a table beside the copy.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.storage.digests import is_md5
from imgcrawl.volumes.copy.listing import ListedObject, key_problem
from imgcrawl.volumes.copy.object_table import CopiedObject, CopyTotal, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

BATCH = 200  # rows that a kill may cost; objects whose MD5 is listed are found on the disk
_CREATE = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4000;
CREATE TABLE IF NOT EXISTS objects (
    key TEXT PRIMARY KEY, folded TEXT NOT NULL, seen INTEGER NOT NULL,
    size INTEGER, etag TEXT, bytes INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_name ON objects (folded);
"""


@dataclass(slots=True)
class CopyPlan:
    """What a page of listed objects needs."""

    wanted: list[ListedObject]
    refused: list[tuple[ListedObject, str]]
    present_bytes: int = 0  # bytes that are there already


class CopyManifest:
    """The manifest of one copy. Its methods block for milliseconds; any thread may call them.

    Those that write raise OSError if the disk is full.

    size_of: returns the bytes of an object's file, or None; None in place of the function if the
             files lie in a bucket, which is trusted to have what it was given
    digests: MD5 and SHA-256 of an object's file
    sync:    brings the objects to the disk; None if they are elsewhere
    """

    def __init__(
        self,
        path: Path,
        table: Path,
        size_of: Callable[[str], int | None] | None,
        digests: Callable[[str], tuple[str, str]],
        sync: Callable[[], None] | None = None,
    ) -> None:
        self._path, self._table = path, table
        self._size_of, self._digests, self._sync = size_of, digests, sync
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._noting = threading.Lock()  # is never held for long, so that `keep` need not wait
        self._rows: list[CopiedObject] = []
        self._closed = False
        self._clear = ""  # the folder that was last found to be no object
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError:  # damaged: what is there is found by looking at the disk
            self._remove()
            self._db = self._opened()
        last = self._db.execute("SELECT max(seen) FROM objects").fetchone()[0]
        self._run = (last or 0) + 1

    def _opened(self) -> sqlite3.Connection:
        known = self._path.exists()
        db = sqlite3.connect(self._path, check_same_thread=False)
        try:
            db.executescript(_CREATE)
            db.execute("SELECT max(seen) FROM objects")
        except sqlite3.DatabaseError:
            db.close()
            raise
        if not known and self._table.exists():
            sql = "INSERT OR IGNORE INTO objects VALUES (?, ?, 0, ?, ?, ?, ?)"
            db.executemany(sql, self._rows_of_table())
            db.commit()
        return db

    def _rows_of_table(self) -> Iterator[tuple[object, ...]]:
        """Yield the rows of the table for objects whose files are there."""
        for kept in read_table(self._table):
            n_bytes = self._size_of(kept.key) if self._size_of else None
            if n_bytes is not None:
                yield kept.key, kept.key.casefold(), kept.size, kept.etag, n_bytes, kept.sha256

    def plan(self, page: Iterable[ListedObject]) -> CopyPlan:
        """Return which objects of a page must be fetched."""
        plan = CopyPlan([], [])
        with self._lock, _full_disk():
            self._flush()
            for found in page:
                problem = key_problem(found.key) or self._name_conflict(found.key)
                if problem is not None:
                    plan.refused.append((found, problem))
                    continue
                kept = self._find(found)
                if kept is None:
                    plan.wanted.append(found)
                else:
                    plan.present_bytes += kept.bytes
            self._db.commit()
        return plan

    def keep(self, kept: CopiedObject) -> bool:
        """Note an object that is stored; return whether `flush` is due."""
        with self._noting:
            self._rows.append(kept)
            return len(self._rows) >= BATCH

    def flush(self) -> None:
        """Write the noted objects to the database."""
        with self._lock, _full_disk():
            self._flush()
            self._db.commit()

    def known(self, key: str) -> CopiedObject | None:
        """Return the note of an object whose file has not changed since, or None."""
        with self._lock:
            self._flush()
            kept = self._row(key)
        return kept if kept and kept.sha256 and self._is_stored(kept) else None

    def unlisted(self) -> list[ListedObject]:
        """Return some stored objects that this run has not listed."""
        sql = "SELECT key, size, etag FROM objects WHERE seen < ? LIMIT 1000"
        with self._lock:
            self._flush()
            return [
                ListedObject(key, "", size, tag)
                for key, size, tag in self._db.execute(sql, (self._run,))
            ]

    def forget(self, key: str) -> None:
        """Remove an object that is gone."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE key = ?", (key,))

    def finish(self, temporary: Path) -> CopyTotal:
        """Write the table of the complete copy, and remove the database."""
        sql = "SELECT key, size, etag, bytes, sha256 FROM objects WHERE sha256 > '' ORDER BY key"
        with self._lock:
            self._flush()
            self._db.commit()
            total = write_table(temporary, (CopiedObject(*row) for row in self._db.execute(sql)))
        self._table.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(self._table)
        self.close()
        self._remove()
        return total

    def count(self) -> int:
        """Return the number of stored objects."""
        with self._lock:
            self._flush()
            sql = "SELECT count(*) FROM objects WHERE sha256 > ''"
            return int(self._db.execute(sql).fetchone()[0])

    def keys(self) -> Iterator[str]:
        """Yield the keys of the stored objects."""
        sql = "SELECT key FROM objects WHERE sha256 > ''"
        with self._lock:
            self._flush()
            for (key,) in self._db.execute(sql):
                yield key

    def close(self) -> None:
        """Write the noted objects and close the database, unless that has been done."""
        with self._lock:
            if not self._closed:
                self._flush()
                self._db.commit()
                self._db.close()
                self._closed = True

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _flush(self) -> None:
        with self._noting:
            rows, self._rows = self._rows, []
        if rows and self._sync is not None:
            self._sync()
        self._db.executemany(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((r.key, r.key.casefold(), self._run, r.size, r.etag, r.bytes, r.sha256) for r in rows),
        )

    def _row(self, key: str) -> CopiedObject | None:
        sql = "SELECT size, etag, bytes, sha256 FROM objects WHERE key = ?"
        row = self._db.execute(sql, (key,)).fetchone()
        return None if row is None or row[2] is None else CopiedObject(key, *row)

    def _find(self, found: ListedObject) -> CopiedObject | None:
        """Mark an object as listed in this run; return its note if it is stored already."""
        kept = self._row(found.key)
        if kept is not None:
            self._db.execute("UPDATE objects SET seen = ? WHERE key = ?", (self._run, found.key))
            return kept if self._is_same(found, kept) else None
        insert = "INSERT OR IGNORE INTO objects (key, folded, seen) VALUES (?, ?, ?)"
        self._db.execute(insert, (found.key, found.key.casefold(), self._run))
        size = self._size_of(found.key) if self._size_of else None
        if size is None or found.size not in {None, size}:
            return None
        # A run that was killed may have stored it and not noted it: its size alone proves nothing.
        if not is_md5(found.etag):
            return None
        md5, sha256 = self._digests(found.key)
        if md5 != found.etag:
            return None
        kept = CopiedObject(found.key, found.size, found.etag, size, sha256)
        self.keep(kept)
        return kept

    def _is_same(self, found: ListedObject, kept: CopiedObject) -> bool:
        if not kept.sha256:  # the source had none
            return found.size is None
        if found.etag and kept.etag and found.etag != kept.etag:
            return False
        if found.size is not None and kept.size not in {None, found.size}:
            return False
        return self._is_stored(kept)

    def _is_stored(self, kept: CopiedObject) -> bool:
        return self._size_of is None or self._size_of(kept.key) == kept.bytes

    def _name_conflict(self, key: str) -> str | None:
        """Return why a key cannot stand beside those listed before it, or None."""
        folded = key.casefold()
        other = self._db.execute(
            "SELECT key FROM objects WHERE folded = ? AND key <> ? AND seen = ?",
            (folded, key, self._run),
        ).fetchone()
        if other is not None:
            return f"it differs from {other[0]} by case only"
        below = "SELECT key FROM objects WHERE folded > ? AND folded < ? AND seen = ? LIMIT 1"
        if self._db.execute(below, (f"{folded}/", f"{folded}0", self._run)).fetchone():
            return "it is the folder of others, too"
        folder = folded.rpartition("/")[0]
        if folder == self._clear:
            return None
        upper = folder
        while upper:
            sql = "SELECT 1 FROM objects WHERE folded = ? AND seen = ?"
            if self._db.execute(sql, (upper, self._run)).fetchone():
                return "an object has the name of its folder"
            upper = upper.rpartition("/")[0]
        self._clear = folder
        return None


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise OSError(errno.ENOSPC, str(error)) from error

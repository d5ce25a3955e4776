"""Which objects of a copy are there: kept on the disk, since there may be millions.

While a copy is not complete its manifest is a small database; rows of it are written after the
objects that they speak of. In the end it is a table beside the copy, by which anybody can check it:
key, size and ETag as the source has them, SHA-256 of what is stored.
"""

from __future__ import annotations

import errno
import hashlib
import re
import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.volumes.listing import Object, problem_of
from imgcrawl.volumes.sums import is_md5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

BATCH = 200  # rows that a kill may cost; what they speak of is found on the disk
HEADER = "key\tsize\tetag\tsha256\n"
_CREATE = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -4000;
CREATE TABLE IF NOT EXISTS objects (
    key TEXT PRIMARY KEY, folded TEXT NOT NULL, seen INTEGER NOT NULL,
    size INTEGER, etag TEXT, bytes INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_name ON objects (folded);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that is there: size and etag as the source says, bytes as they lie on the disk.

    sha256: empty for a chunk that the source does not have
    """

    key: str
    size: int | None
    etag: str | None
    bytes: int
    sha256: str


@dataclass(slots=True)
class Plan:
    """What is to be done about a page of objects."""

    wanted: list[Object]
    refused: list[tuple[Object, str]]
    held: int = 0  # bytes that are there already
    absent: int = 0  # known not to be at the source


@dataclass(frozen=True, slots=True)
class Total:
    """What a complete copy comes to; sha256: of the lines ``SHA-256, two blanks, key``, sorted."""

    objects: int
    bytes: int
    sha256: str


class Manifest:
    """Of one copy. Its methods block for milliseconds; any thread may call them.

    Those that write raise OSError where the disk is full.

    there:   the bytes of an object's file, None where there is none; None in place of the function
             where the files lie in a store, which is trusted to have what it was given
    digests: MD5 and SHA-256 of an object's file
    """

    def __init__(
        self,
        path: Path,
        table: Path,
        there: Callable[[str], int | None] | None,
        digests: Callable[[str], tuple[str, str]],
    ) -> None:
        self._path, self._table = path, table
        self._there, self._digests = there, digests
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._noting = threading.Lock()  # is never held for long, so that `keep` need not wait
        self._rows: list[Kept] = []
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
            db.executemany(sql, _rows_of(self._table, self._there or (lambda _: None)))
            db.commit()
        return db

    def plan(self, page: Iterable[Object]) -> Plan:
        """Which objects of a page must be asked for."""
        plan = Plan([], [])
        with self._lock, _full_disk():
            self._flush()
            for found in page:
                problem = problem_of(found.key) or self._clash(found.key)
                if problem is not None:
                    plan.refused.append((found, problem))
                    continue
                kept = self._look(found)
                if kept is None:
                    plan.wanted.append(found)
                else:
                    plan.held += kept.bytes
                    plan.absent += not kept.sha256
            self._db.commit()
        return plan

    def keep(self, kept: Kept) -> bool:
        """Note an object that is there; whether `flush` is due."""
        with self._noting:
            self._rows.append(kept)
            return len(self._rows) >= BATCH

    def flush(self) -> None:
        """Write what was noted."""
        with self._lock, _full_disk():
            self._flush()
            self._db.commit()

    def known(self, key: str) -> Kept | None:
        """What was noted of an object whose file is still as it was."""
        with self._lock:
            self._flush()
            kept = self._row(key)
        return kept if kept and kept.sha256 and self._lies_there(kept) else None

    def unseen(self) -> list[Object]:
        """Some objects that are there, and that nobody has listed in this run."""
        sql = "SELECT key, size, etag FROM objects WHERE seen < ? LIMIT 1000"
        with self._lock:
            self._flush()
            return [
                Object(key, "", size, tag) for key, size, tag in self._db.execute(sql, (self._run,))
            ]

    def forget(self, key: str) -> None:
        """An object is gone."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE key = ?", (key,))

    def finish(self, temporary: Path) -> Total:
        """The copy is complete: write the table, and let go of the database."""
        total, count, size = hashlib.sha256(), 0, 0
        sql = "SELECT key, size, etag, sha256, bytes FROM objects WHERE sha256 > '' ORDER BY key"
        with self._lock, temporary.open("w", encoding="utf-8", newline="") as file:
            self._flush()
            self._db.commit()
            file.write(HEADER)
            for key, listed, etag, sha256, n_bytes in self._db.execute(sql):
                listed = n_bytes if listed is None else listed
                file.write(f"{key}\t{listed}\t{_one_line(etag or '')}\t{sha256}\n")
                total.update(f"{sha256}  {key}\n".encode())
                count, size = count + 1, size + n_bytes
        self._table.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(self._table)
        self.close()
        self._remove()
        return Total(count, size, total.hexdigest())

    def count(self) -> int:
        """Objects that are there."""
        with self._lock:
            self._flush()
            sql = "SELECT count(*) FROM objects WHERE sha256 > ''"
            return int(self._db.execute(sql).fetchone()[0])

    def close(self) -> None:
        """Write what was noted, and let go of the database, if that has not been done."""
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
        self._db.executemany(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((r.key, r.key.casefold(), self._run, r.size, r.etag, r.bytes, r.sha256) for r in rows),
        )

    def _row(self, key: str) -> Kept | None:
        sql = "SELECT size, etag, bytes, sha256 FROM objects WHERE key = ?"
        row = self._db.execute(sql, (key,)).fetchone()
        return None if row is None or row[2] is None else Kept(key, *row)

    def _look(self, found: Object) -> Kept | None:
        """What there is of an object already; it has now been seen."""
        kept = self._row(found.key)
        if kept is not None:
            self._db.execute("UPDATE objects SET seen = ? WHERE key = ?", (self._run, found.key))
            return kept if self._is_same(found, kept) else None
        insert = "INSERT OR IGNORE INTO objects (key, folded, seen) VALUES (?, ?, ?)"
        self._db.execute(insert, (found.key, found.key.casefold(), self._run))
        size = self._there(found.key) if self._there else None
        if size is None or found.size not in {None, size}:
            return None
        # A run that was killed had stored it, and not come to note it.
        md5, sha256 = self._digests(found.key)
        if is_md5(found.etag) and md5 != found.etag:
            return None
        kept = Kept(found.key, found.size, found.etag, size, sha256)
        self.keep(kept)
        return kept

    def _is_same(self, found: Object, kept: Kept) -> bool:
        if not kept.sha256:  # the source had none
            return found.size is None
        if found.etag and kept.etag and found.etag != kept.etag:
            return False
        if found.size is not None and kept.size not in {None, found.size}:
            return False
        return self._lies_there(kept)

    def _lies_there(self, kept: Kept) -> bool:
        return self._there is None or self._there(kept.key) == kept.bytes

    def _clash(self, key: str) -> str | None:
        """Why a key cannot stand beside those that came before it."""
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


def _rows_of(table: Path, there: Callable[[str], int | None]) -> Iterator[tuple[object, ...]]:
    """The rows of a finished copy's table whose files are there."""
    with closing(table.open(encoding="utf-8", newline="")) as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            if (
                len(cells) == 4
                and re.fullmatch(r"[0-9]{1,18}", cells[1])
                and problem_of(cells[0]) is None
            ):
                key, size, etag, sha256 = cells
                n_bytes = there(key)
                if n_bytes is not None:
                    yield key, key.casefold(), int(size), etag or None, n_bytes, sha256


def _one_line(text: str) -> str:
    return re.sub(r"[\t\r\n]", " ", text)

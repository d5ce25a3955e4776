"""The objects of a store: listed once when a run starts, and kept up to date during it."""

from __future__ import annotations

import sqlite3
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BATCH = 1000  # rows of one transaction


class Listing:
    """Keys and sizes of objects, in a file so that memory stays flat. For any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Another run lists anew: nothing here has to outlive a crash.
        self._db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE objects (key TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;"
        )
        self._copies: set[str] = set()  # folders below sizes/

    def fill(self, objects: Iterable[tuple[str, int]]) -> int:
        """Add the objects that a store lists, and return their number."""
        rows, count = iter(objects), 0
        while batch := [(_text(key), size) for key, size in islice(rows, _BATCH)]:
            count += len(batch)
            with self._lock:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?)", batch)
                self._db.execute("COMMIT")
            self._copies.update(_copy_folder(key) for key, _ in batch if key.startswith("sizes/"))
        return count

    def add(self, key: str, size: int) -> None:
        """Add an object, or set its size."""
        self.fill([(key, size)])

    def remove(self, key: str) -> None:
        """Remove an object."""
        with self._lock:
            self._db.execute("DELETE FROM objects WHERE key = ?", (_text(key),))

    def has(self, key: str) -> bool:
        """Return whether there is an object of that key."""
        with self._lock:
            found = self._db.execute("SELECT 1 FROM objects WHERE key = ?", (_text(key),))
            return found.fetchone() is not None

    def size(self, name: str) -> int | None:
        """Return the bytes of an object, or of all below a folder; None if there is neither."""
        with self._lock:
            row = self._db.execute(
                "SELECT sum(size) FROM objects WHERE key = ? OR (key > ? AND key < ?)",
                (_text(name), _text(f"{name}/"), _text(f"{name}0")),  # 0 comes next to the slash
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def below(self, folder: str = "") -> Iterator[str]:
        """Yield the keys below a folder, sorted; of all objects without one."""
        last, end = (f"{folder}/", f"{folder}0") if folder else ("", "\U0010ffff")
        sql = "SELECT key FROM objects WHERE key > ? AND key < ? ORDER BY key LIMIT ?"
        while True:
            with self._lock:
                page = self._db.execute(sql, (_text(last), _text(end), _BATCH)).fetchall()
            if not page:
                return
            yield from (row[0] for row in page)
            last = page[-1][0]

    def of_record(self, name: str) -> list[str]:
        """Return the keys of a stored file, or folder, and of its smaller copies."""
        stem = name.rpartition(".")[0] or name
        spans = [(f"{name}/", f"{name}0")]
        spans += [(f"sizes/{n}/{stem}.", f"sizes/{n}/{stem}/") for n in self._copies]
        keys = [name] if self.has(name) else []
        with self._lock:
            for first, last in spans:
                found = self._db.execute(
                    "SELECT key FROM objects WHERE key > ? AND key < ?", (_text(first), _text(last))
                )
                keys += [row[0] for row in found]
        return keys

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _copy_folder(key: str) -> str:
    return key.split("/", 2)[1]


def _text(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode("utf-8")

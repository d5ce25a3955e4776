"""Records with the same bytes: as quickly found among ten thousand of them as among two."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from imgcrawl.text.redact import utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger


class Place(NamedTuple):
    """Where a record stands among those with its bytes: in a group, in the order of a key."""

    group: str
    key: str
    record_id: str


class SameBytesIndex:
    """An index by digest, for what has to be known of each new record.

    The ledger's records of a digest are read once, with the first question; what the run stores
    from then on is added by whoever asks. Beyond SQLite's cache it is in a temporary file.

    place_of: returns the place of a record of the ledger, or None if it has none
    """

    def __init__(self, ledger: Ledger, place_of: Callable[[LedgerEntry], Place | None]) -> None:
        self._ledger, self._place_of = ledger, place_of
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(
            "CREATE TABLE same (sha256 TEXT, grp TEXT, key TEXT, record_id TEXT,"
            " PRIMARY KEY (sha256, grp, key, record_id)) WITHOUT ROWID"
        )
        self._db.execute("BEGIN")

    def open(self, sha256: str) -> None:
        """Read what the ledger has of a digest, unless something is known of it already."""
        known = self._db.execute("SELECT 1 FROM same WHERE sha256 = ?", (sha256,)).fetchone()
        if known is None:
            for entry in self._ledger.of_bytes(sha256):
                if (place := self._place_of(entry)) is not None:
                    self.add(sha256, place)

    def add(self, sha256: str, place: Place) -> None:
        """Add a record."""
        self._db.execute("INSERT OR IGNORE INTO same VALUES (?, ?, ?, ?)", _row(sha256, place))

    def remove(self, sha256: str, place: Place) -> None:
        """Remove a record, if it is there."""
        query = "DELETE FROM same WHERE sha256 = ? AND grp = ? AND key = ? AND record_id = ?"
        self._db.execute(query, _row(sha256, place))

    def keys(self, sha256: str, group: str, limit: int) -> list[str]:
        """Return the first different keys of a group, at most `limit`, sorted."""
        query = "SELECT min(key) FROM same WHERE sha256 = ? AND grp = ? AND key > ?"
        found: list[str] = []
        last = ""
        while len(found) < limit:
            # One step down the index each: DISTINCT would read every record of a key.
            last = self._db.execute(query, (sha256, group, last)).fetchone()[0]
            if last is None:
                break
            found.append(last)
        return found

    def records(self, sha256: str, group: str) -> Iterator[str]:
        """Yield the record ids of a group, which must not change meanwhile."""
        query = "SELECT record_id FROM same WHERE sha256 = ? AND grp = ?"
        return (row[0] for row in self._db.execute(query, (sha256, group)))

    def clear(self, sha256: str, group: str) -> None:
        """Remove a group."""
        self._db.execute("DELETE FROM same WHERE sha256 = ? AND grp = ?", (sha256, group))


def _row(sha256: str, place: Place) -> tuple[str, ...]:
    return (sha256, *map(utf8, place))

"""Groups of pictures that look the same, by their perceptual hashes.

Two hashes are near that differ in three bits or less. To compare all with all would take a day for
a million: the bits in which they differ at all are cut into five blocks, of which at least two are
equal in near hashes, so that only those with two equal blocks are compared, and where many have
them, these are cut again (multi-index hashing: Norouzi, Punjani, Fleet 2012, arXiv:1307.2982).
"""

from __future__ import annotations

import re
import sqlite3
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NEAR = 3  # bits of 64 by which near hashes differ at most
_BLOCKS = NEAR + 2
_FEW = 256  # hashes that are compared with each other
_HASH = re.compile(r"[0-9a-f]{16}")

_TABLES = """
CREATE TABLE pictures (hash INTEGER, record_id TEXT, sha256 TEXT);
CREATE TABLE leaders (hash INTEGER PRIMARY KEY, leader INTEGER);
CREATE TABLE members (
    leader INTEGER, record_id TEXT, sha256 TEXT, PRIMARY KEY (leader, record_id)
) WITHOUT ROWID;
"""


class NearDuplicates:
    """The groups of near pictures that are not all of the same bytes.

    pictures: (record id, SHA-256, hash: 16 hexadecimal digits); other values are left out

    Nearness is transitive: two records of a group may differ by more. Records are in a temporary
    file, the different hashes in memory, some 100 bytes each.
    """

    def __init__(self, pictures: Iterable[tuple[str, str, str]]) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(f"{_TABLES} BEGIN;")
        self._db.executemany(
            "INSERT INTO pictures VALUES (?, ?, ?)",
            (
                (_signed(int(text, 16)), record_id, sha256)
                for record_id, sha256, text in pictures
                if _HASH.fullmatch(text)
            ),
        )
        if self._db.execute("SELECT 1 FROM pictures").fetchone() is not None:
            self._find()

    def _find(self) -> None:
        import numpy as np  # noqa: PLC0415 - 11 MB, for those who ask for hashes

        found = self._db.execute("SELECT DISTINCT hash FROM pictures ORDER BY hash")
        hashes = np.fromiter((row[0] for row in found), np.int64)
        leaders = _Linker(np, hashes.view(np.uint64)).leaders()
        rows = ((int(each), int(leader)) for each, leader in zip(hashes, leaders, strict=True))
        self._db.executemany("INSERT INTO leaders VALUES (?, ?)", rows)
        self._db.execute(
            "INSERT INTO members"
            " SELECT leader, record_id, sha256 FROM pictures JOIN leaders USING (hash)"
        )

    def groups(self) -> Iterator[int]:
        """Yield each group, in the order of their first records."""
        found = self._db.execute(
            "SELECT leader FROM members GROUP BY leader HAVING min(sha256) < max(sha256)"
            " ORDER BY min(record_id)"
        )
        return (row[0] for row in found)

    def members(self, group: int) -> Iterator[str]:
        """Yield the record ids of a group, sorted."""
        query = "SELECT record_id FROM members WHERE leader = ? ORDER BY record_id"
        return (row[0] for row in self._db.execute(query, (group,)))

    def close(self) -> None:
        """Remove the temporary file."""
        self._db.close()


class _Linker:
    """Finds which of different hashes are linked by near ones. hashes: an array of uint64."""

    def __init__(self, np: Any, hashes: Any) -> None:
        self._np, self._hashes = np, hashes
        self._leader = np.arange(len(hashes))

    def leaders(self) -> Any:
        """Return the position of the first hash of each one's group."""
        everything = self._np.arange(len(self._hashes))
        self._link(everything)
        return self._leaders_of(everything)

    def _link(self, members: Any) -> None:
        """Link the near ones among some hashes, given by their positions."""
        np = self._np
        leaders = self._leaders_of(members)
        if (leaders == leaders[0]).all():
            return
        values = self._hashes[members]
        if len(members) <= _FEW:
            self._compare(members, values)
            return
        different = int(np.bitwise_or.reduce(values ^ values[0]))
        bits = [1 << n for n in range(64) if different >> n & 1]
        blocks = [sum(bits[n::_BLOCKS]) for n in range(_BLOCKS)]
        for equal in combinations(blocks, _BLOCKS - NEAR):
            for bucket in self._buckets(values & np.uint64(sum(equal))):
                self._link(members[bucket])

    def _buckets(self, keys: Any) -> Iterator[Any]:
        """Yield the places of equal keys, where there are several."""
        np = self._np
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        ends = np.append(starts[1:], len(keys))
        several = ends - starts > 1
        for start, end in zip(starts[several], ends[several], strict=True):
            yield order[start:end]

    def _compare(self, members: Any, values: Any) -> None:
        """Link a few hashes, each compared with each."""
        np = self._np
        near = np.bitwise_count(values[:, None] ^ values) <= NEAR
        places = first = np.arange(len(values))
        while True:  # each takes the first of its neighbours' firsts, until none has an earlier one
            earlier = np.where(near, first, len(values)).min(axis=1)
            earlier = earlier[earlier]
            if (earlier == first).all():
                break
            first = earlier
        for place in np.flatnonzero(first != places):
            pair = self._leaders_of(members[[place, first[place]]])
            self._leader[pair.max()] = pair.min()

    def _leaders_of(self, members: Any) -> Any:
        leaders = self._leader[members]
        while ((further := self._leader[leaders]) != leaders).any():
            leaders = further
        self._leader[members] = leaders
        return leaders


def _signed(value: int) -> int:
    """Return 64 bits as SQLite and int64 have them."""
    return value - (1 << 64) if value >> 63 else value

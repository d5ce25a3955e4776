"""Which records belong together: they share a patient, a lesion, or their bytes.

A record is its number in the table. Memory: 8 bytes a record and column.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

_NOBODY = 0  # the hash of an empty cell
_MASK = "/mask/"  # in the id of a record that is the mask of another


class Groups:
    """The records of a table, joined by what they share.

    columns: whose values join; empty cells join nobody. Equal bytes always join, and so do a
             picture and its masks
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = ("sha256", *columns)
        self._ids, self._owners = array("Q"), array("Q")
        self._values = [array("Q") for _ in self._columns]

    def add(self, row: dict[str, Any]) -> None:
        """Add the next record of the table."""
        record_id = str(row.get("record_id"))
        self._ids.append(hash_of(record_id))
        self._owners.append(hash_of(record_id.partition(_MASK)[0]))
        for name, values in zip(self._columns, self._values, strict=True):
            values.append(hash_of(row.get(name)))

    def roots(self, pairs: Iterable[tuple[str, str]]) -> npt.NDArray[np.int64]:
        """Return the group of each record, as the number of one of its records; shape (records,).

        pairs: ids of records that belong together besides, as duplicates.csv has them
        """
        parents = array("q", range(len(self._ids)))
        for hashes in (self._owners, *self._values):
            for one, other in _equal(hashes).tolist():
                _join(parents, one, other)
        for one, other in self._numbers(pairs):
            _join(parents, one, other)
        return np.array([_root(parents, n) for n in range(len(parents))], np.int64)

    def _numbers(self, pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[int, int]]:
        """Yield the numbers of pairs of records by their ids; of others than ours nothing."""
        ids = np.frombuffer(self._ids, np.uint64)
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        for pair in pairs:
            wanted = np.array([hash_of(record_id) for record_id in pair], np.uint64)
            at = np.minimum(np.searchsorted(ordered, wanted), max(len(ordered) - 1, 0))
            if len(ordered) and bool((ordered[at] == wanted).all()):
                one, other = order[at].tolist()
                yield one, other


def hash_of(value: Any) -> int:
    """Return 8 bytes that stand for a value; 0 for none. Of 10 million, two meet in 1 of 10^5."""
    text = safe_cell(value).strip()
    if not text:
        return _NOBODY
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def _equal(hashes: array[int]) -> Any:
    """Return pairs of records, each with the one before that has the same value; shape (n, 2)."""
    values = np.frombuffer(hashes, np.uint64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    equal = (ordered[1:] == ordered[:-1]) & (ordered[1:] != _NOBODY)
    return np.stack([order[:-1][equal], order[1:][equal]], axis=1)


def _root(parents: array[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _join(parents: array[int], one: int, other: int) -> None:
    one, other = _root(parents, one), _root(parents, other)
    parents[max(one, other)] = min(one, other)

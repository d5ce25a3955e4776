"""duplicates.csv: groups of equal or similar pictures, across classes and splits or within one.

Nothing is removed.
"""

from __future__ import annotations

import csv
from contextlib import closing
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.dataset.class_columns import class_of, split_of
from imgcrawl.dataset.near_duplicates import NearDuplicates
from imgcrawl.storage.directory import DUPLICATES
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("group", "kind", "across", "record_id", "file_name", "class", "split", "sha256")


def write_duplicates(out: OutputDirectory, ledger: Ledger) -> None:
    """Write the groups of stored records with equal bytes, and of those that look the same.

    Similar pictures are found if ``phash`` is among the columns. Without any group there is no
    file. A group may be as large as the dataset: its records are read twice and never held.
    """
    with closing(NearDuplicates(ledger.values("phash"))) as near:
        if next(ledger.same_bytes(), None) is None and next(near.groups(), None) is None:
            out.discard(DUPLICATES)
            return

        def write(file: IO[str]) -> None:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for number, (kind, entries) in enumerate(_groups(ledger, near), 1):
                across = _across(entries())
                for entry in entries():
                    writer.writerow(_row(number, kind, across, entry))

        out.write(DUPLICATES, write)


def _groups(
    ledger: Ledger, near: NearDuplicates
) -> Iterator[tuple[str, Callable[[], Iterable[LedgerEntry]]]]:
    """Yield the kind of each group, and a function that reads its records."""
    for sha256 in ledger.same_bytes():
        yield "exact", partial(ledger.stored_with, sha256)
    for group in near.groups():
        yield "near", partial(_entries, ledger, near, group)


def _entries(ledger: Ledger, near: NearDuplicates, group: int) -> Iterator[LedgerEntry]:
    return filter(None, map(ledger.get, near.members(group)))


def _across(group: Iterable[LedgerEntry]) -> str:
    """Return what a group lies across: "classes", "splits", both with a plus, or neither."""
    classes, splits = set(), set()
    for entry in group:
        classes.add(class_of(entry.metadata))
        splits.add(split_of(entry.metadata))
        if len(classes) > 1 and len(splits) > 1:
            break
    several = {"classes": len(classes) > 1, "splits": len(splits) > 1}
    return "+".join(name for name, is_so in several.items() if is_so)


def _row(number: int, kind: str, across: str, entry: LedgerEntry) -> list[Any]:
    name = getattr(entry.result, "file_name", None)
    where = class_of(entry.metadata), split_of(entry.metadata), entry.result.sha256
    return [safe_cell(cell) for cell in (number, kind, across, entry.record_id, name, *where)]

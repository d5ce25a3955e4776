"""duplicates.csv: groups of equal or similar pictures, across classes and splits or within one.

Nothing is removed.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.dataset.class_columns import class_of, split_of
from imgcrawl.storage.directory import DUPLICATES
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("group", "kind", "across", "record_id", "file_name", "class", "split", "sha256")
NEAR = 3  # bits of 64 by which the perceptual hashes of near duplicates differ at most
_BAND = 16  # bits; of four bands at least one is the same where three bits differ


def write_duplicates(out: OutputDirectory, ledger: Ledger) -> None:
    """Write the groups of stored records with equal bytes, and of those that look the same.

    Similar pictures are found if ``phash`` is among the columns. Without any group there is no
    file.
    """
    near = near_groups(ledger.values("phash"))
    if not near and next(ledger.same_bytes(), None) is None:
        out.discard(DUPLICATES)
        return

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        number = 0
        for number, group in enumerate(_groups(ledger.same_bytes()), 1):
            _write_group(writer, number, "exact", group)
        for group_ids in near:
            found = (ledger.get(record_id) for record_id in group_ids)
            group = [entry for entry in found if entry is not None]
            if len({entry.result.sha256 for entry in group}) > 1:
                number += 1
                _write_group(writer, number, "near", group)

    out.write(DUPLICATES, write)


def near_groups(hashes: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return groups of records whose 64-bit hashes differ by three bits or less.

    hashes: (record id, hash in hexadecimal) pairs. Nearness is transitive: two records of a group
    may differ by more than three bits.
    """
    values = {record: int(text, 16) for record, text in hashes}
    bands: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    leader = {record: record for record in values}

    def find(record: str) -> str:
        while leader[record] != record:
            leader[record] = leader[leader[record]]
            record = leader[record]
        return record

    for record, value in values.items():
        for band in range(64 // _BAND):
            alike = bands[band, value >> (band * _BAND) & ((1 << _BAND) - 1)]
            for other in alike:
                if (values[other] ^ value).bit_count() <= NEAR:
                    leader[find(record)] = find(other)
            alike.append(record)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for record in values:
        groups[find(record)].append(record)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def _groups(entries: Iterable[LedgerEntry]) -> Iterator[list[LedgerEntry]]:
    group: list[LedgerEntry] = []
    for entry in entries:
        if group and group[0].result.sha256 != entry.result.sha256:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _write_group(writer: Any, number: int, kind: str, group: list[LedgerEntry]) -> None:
    across = [
        name
        for name, of in (("classes", class_of), ("splits", split_of))
        if len({of(entry.metadata) for entry in group}) > 1
    ]
    for entry in group:
        name = getattr(entry.result, "file_name", None)
        where = class_of(entry.metadata), split_of(entry.metadata), entry.result.sha256
        row = (number, kind, "+".join(across), entry.record_id, name, *where)
        writer.writerow([safe_cell(cell) for cell in row])

"""splits.csv: which record is for training, and which for validation or test.

No group of records lies in two splits. What had a split keeps it: a dataset that grows is split on,
so that no record of a test set is ever trained on. splits.json tells what was asked and what came.
"""

from __future__ import annotations

import csv
import json
from array import array
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from imgcrawl.exports.assign import TOLERANCE, Group, assign
from imgcrawl.exports.groups import Groups, hash_of
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.directory import DUPLICATES, SPLITS_REPORT, SPLITS_TABLE
from imgcrawl.text.csv_cells import LONGEST_CELL, safe_cell, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from imgcrawl.dataset.dataset_table import DatasetTable
    from imgcrawl.exports.split_request import SplitRequest
    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("record_id", "split")
NO_CLASS = ""


@dataclass(slots=True)
class SplitFigures:
    """What came of it.

    records: by class, then by split; groups: how many have several records, and how many lie in the
    largest; kept: records that had their split; moved: that had another, and were joined to a group
    """

    records: dict[str, dict[str, int]] = field(default_factory=dict)
    groups: int = 0
    largest: int = 0
    kept: int = 0
    moved: int = 0
    anew: bool = False  # there were splits of another request


class _Rows:
    """What is kept of the rows of a table: 8 bytes a column each."""

    def __init__(self, request: SplitRequest) -> None:
        self._request = request
        self.groups = Groups(request.group)
        self.ids, self.chance, self.classes = array("Q"), array("Q"), array("l")
        self.names: dict[str, int] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Add the next row."""
        self.groups.add(row)
        record_id = str(row["record_id"])
        self.ids.append(hash_of(record_id))
        seeded = blake2b(f"{self._request.seed}:{record_id}".encode(), digest_size=8)
        self.chance.append(int.from_bytes(seeded.digest(), "little"))
        name = " / ".join(safe_cell(row.get(column)) for column in self._request.stratify)
        self.classes.append(self.names.setdefault(name, len(self.names)))


def write_splits(
    out: OutputDirectory,
    table: DatasetTable,
    request: SplitRequest,
    progress: Callable[[int], object] = lambda _: None,
) -> SplitFigures:
    """Write splits.csv and splits.json of an OUT. progress: is called with the rows read.

    Raises ArgumentError where there is no record; the splits of before are left then.
    """
    rows = _Rows(request)
    for number, row in enumerate(table.rows(), 1):
        rows.add(row)
        progress(number)
    if not rows.ids:
        raise ArgumentError(f"{out.root} has no stored record: there is nothing to split")
    roots = rows.groups.roots(_duplicates(out.root / DUPLICATES))
    before, anew = _before(out, request, rows.ids)
    groups, members = _as_groups(rows, roots, before)
    assign(groups, [*request.ratios.values()])
    splits = np.empty(len(rows.ids), np.int64)
    for group, numbers in zip(groups, members, strict=True):
        splits[numbers] = -1 if group.split is None else group.split
    figures = _figures(request, rows, splits, before)
    figures.groups = sum(len(numbers) > 1 for numbers in members)
    figures.largest, figures.anew = max(map(len, members)), anew
    _write(out, table, request, splits, figures)
    return figures


def _as_groups(
    rows: _Rows, roots: npt.NDArray[np.int64], before: npt.NDArray[np.int64]
) -> tuple[list[Group], list[npt.NDArray[np.int64]]]:
    """Return the groups in an order of chance, and the numbers of the records of each."""
    order = np.argsort(roots, kind="stable")
    starts = np.flatnonzero(np.diff(roots[order], prepend=-1))
    chance = np.frombuffer(rows.chance, np.uint64)
    first = np.minimum.reduceat(chance[order], starts)
    members = np.split(order, starts[1:])
    classes = np.frombuffer(rows.classes, np.int64)
    groups, numbers = [], []
    for n in np.argsort(first, kind="stable").tolist():
        mine = members[n]
        had = Counter(before[mine][before[mine] >= 0].tolist())
        # Of a group that lies in several, where most of it is.
        split = min(had, key=lambda split: (-had[split], split)) if had else None
        groups.append(Group(dict(Counter(classes[mine].tolist())), split))
        numbers.append(mine)
    return groups, numbers


def _duplicates(path: Path) -> Iterator[tuple[str, str]]:
    """Yield pairs of records that duplicates.csv has in one group."""
    first: tuple[str, str] | None = None
    for row in _csv_rows(path):
        record_id = unescaped(row.get("record_id") or "")
        if first is not None and first[0] == row.get("group"):
            yield first[1], record_id
        else:
            first = row.get("group") or "", record_id


def _before(
    out: OutputDirectory, request: SplitRequest, ids: array[int]
) -> tuple[npt.NDArray[np.int64], bool]:
    """Return the split that each record had, -1 for none; and whether another request made them."""
    none = np.full(len(ids), -1, np.int64)
    try:
        asked = json.loads(out.path(SPLITS_REPORT).read_text("utf-8"))["asked"]
    except FileNotFoundError:
        asked = _asked(request)  # somebody else's splits, or none
    except (OSError, ValueError, LookupError, TypeError):
        asked = None
    if asked != _asked(request):
        return none, out.path(SPLITS_TABLE).is_file()
    places = {name: n for n, name in enumerate(request.ratios)}
    known, had = array("Q"), array("q")
    for row in _csv_rows(out.path(SPLITS_TABLE)):
        if (split := places.get(row.get("split") or "")) is not None:
            known.append(hash_of(unescaped(row.get("record_id") or "")))
            had.append(split)
    if not known:
        return none, False
    order = np.argsort(np.frombuffer(known, np.uint64), kind="stable")
    ordered, wanted = np.frombuffer(known, np.uint64)[order], np.frombuffer(ids, np.uint64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, np.frombuffer(had, np.int64)[order][at], none), False


def _figures(
    request: SplitRequest,
    rows: _Rows,
    splits: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
) -> SplitFigures:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(request.ratios, 0))
    names, places = [*rows.names], [*request.ratios]
    pairs = np.stack([np.frombuffer(rows.classes, np.int64), splits], axis=1)
    for (each, split), n in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
        counts[names[each]][places[split]] = int(n)
    by_size = sorted(counts.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
    had = before >= 0
    moved = int((had & (before != splits)).sum())
    return SplitFigures(dict(by_size), kept=int(had.sum()) - moved, moved=moved)


def _write(
    out: OutputDirectory,
    table: DatasetTable,
    request: SplitRequest,
    splits: npt.NDArray[np.int64],
    figures: SplitFigures,
) -> None:
    names = [*request.ratios]

    def write(file: IO[str]) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        pairs = zip(table.rows(), splits.tolist(), strict=True)
        writer.writerows((safe_cell(row["record_id"]), names[split]) for row, split in pairs)

    # The table first: a report of before, beside it, has another request and is taken for none.
    out.write(SPLITS_TABLE, write)
    report = {"asked": _asked(request)} | asdict(figures)
    out.write(SPLITS_REPORT, lambda file: file.write(json.dumps(report, indent=1) + "\n"))


def _asked(request: SplitRequest) -> dict[str, Any]:
    """Return a request as JSON has it."""
    asked: dict[str, Any] = json.loads(json.dumps(asdict(request)))
    return asked


def _csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table; of a file that is not there, none."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except FileNotFoundError:
        return


def off_shares(request: SplitRequest, figures: SplitFigures) -> Iterator[tuple[str, str, float]]:
    """Yield (class, split, its share of the class) where that is far from what was asked for."""
    for name, counts in figures.records.items():
        n = sum(counts.values())
        for (split, ratio), count in zip(request.ratios.items(), counts.values(), strict=True):
            if abs(count / n - ratio) > TOLERANCE:
                yield name, split, count / n

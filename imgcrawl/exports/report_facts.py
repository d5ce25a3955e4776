"""What a report tells of a dataset, gathered in one pass and in bounded memory."""

from __future__ import annotations

import csv
import heapq
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.class_columns import CLASS_COLUMNS
from imgcrawl.dataset.dataset_table import CsvTable, open_table
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.record_columns import public_url
from imgcrawl.records.items import Missing
from imgcrawl.records.outcomes import MISSING
from imgcrawl.storage.directory import DUPLICATES, FAILURES, LEDGER
from imgcrawl.text.addresses import host_of
from imgcrawl.text.csv_cells import safe_cell, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imgcrawl.dataset.history import RunRow
    from imgcrawl.storage.directory import OutputDirectory

LICENCES = ("copyright_license", "license", "licence", "License", "license_name")
OWNERS = ("attribution", "author", "creator", "owner", "credit")
_MOST = 5_000  # different values that are counted of a column; the rest are counted together
OTHERS = "(others)"
NONE = "(none)"
EXAMPLES = 3  # failures shown for a reason
GROUPS = 12  # of duplicates
_OF_A_CLASS = 24  # pictures, at most
MEMBERS = 4  # shown of a group


class Tally:
    """Counts values, of which a hostile source may have any number."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, value: Any, default: str = NONE) -> None:
        """Count a value."""
        text = safe_cell(value)[:200] or default
        if text not in self.counts and len(self.counts) >= _MOST:
            text = OTHERS
        self.counts[text] += 1


@dataclass(slots=True)
class DuplicateGroup:
    """Records with equal or similar pictures. across: classes, splits, both, or neither."""

    kind: str
    across: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class ReportFacts:
    """The figures of a report.

    label:   the column of the classes, or None
    samples: rows by class, drawn by chance
    pages:   the address of the first page of all pictures, empty if there is none
    runs:    of runs.csv, the oldest first
    """

    records: int = 0
    bytes: int = 0
    label: str | None = None
    tallies: dict[str, Tally] = field(default_factory=dict)
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failures: dict[str, Tally] = field(default_factory=dict)
    examples: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    duplicates: list[DuplicateGroup] = field(default_factory=list)
    n_duplicates: int = 0
    pages: str = ""
    runs: list[RunRow] = field(default_factory=list)

    def count(self, name: str, value: Any) -> None:
        """Count a value under a heading."""
        self.tallies.setdefault(name, Tally()).add(value)


def gather(
    out: OutputDirectory, *, seed: int, pictures: int, progress: Callable[[int], object]
) -> ReportFacts:
    """Read the tables of an OUT. pictures: of the contact sheet, about."""
    facts = ReportFacts()
    with open_table(out) as table:
        facts.label = next((name for name in CLASS_COLUMNS if name in table.columns), None)
        sampler = _Sampler(facts.label, seed, pictures)
        for number, row in enumerate(table.rows()):
            _count(facts, row)
            sampler.add(row)
            progress(number)
    if facts.records:
        facts.samples = sampler.samples(facts.tallies["class"].counts)
    _read_failures(out, facts)
    _read_duplicates(out, facts)
    return facts


def _count(facts: ReportFacts, row: dict[str, Any]) -> None:
    facts.records += 1
    facts.bytes += int(row.get("bytes") or 0)
    facts.count("class", row.get(facts.label) if facts.label else None)
    facts.count("format", row.get("format"))
    facts.count("mode", row.get("mode"))
    facts.count("source", row.get("source"))
    facts.count("day of download", str(row.get("downloaded_at") or "")[:10])
    facts.count("licence", next((row[n] for n in LICENCES if row.get(n)), None))
    facts.count("owner", next((row[n] for n in OWNERS if row.get(n)), None))
    if row.get("suspect"):
        facts.count("suspect", row["suspect"])
    width, height = int(row.get("width") or 0), int(row.get("height") or 0)
    if width and height:
        facts.count("longest side", _bin(max(width, height)))
        facts.count("aspect ratio", _ratio(width / height))
    if row.get("bytes"):
        facts.count("bytes of a file", _bin(int(row["bytes"])))


def _bin(n: int) -> str:
    """Return the range of powers of two that a number lies in; sorts as text."""
    low = 1 << (max(n, 1).bit_length() - 1)
    return f"{low:>13,} to {2 * low - 1:,}"


def _ratio(ratio: float) -> str:
    for most, name in ((0.5, "a tall"), (0.7, "b 1:2 to 2:3"), (0.95, "c 2:3 to 1:1")):
        if ratio < most:
            return name[2:]
    if ratio <= 1.05:
        return "square"
    return "1:1 to 3:2" if ratio < 1.45 else "3:2 to 2:1" if ratio < 2 else "wide"


class _Sampler:
    """Draws some rows of each class by chance, the same for the same seed."""

    def __init__(self, label: str | None, seed: int, pictures: int) -> None:
        self._label, self._seed, self._pictures = label, seed, pictures
        self._heaps: dict[str, list[tuple[int, int, dict[str, Any]]]] = {}
        self._number = 0

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, if it is among those that chance takes."""
        self._number += 1
        name = safe_cell(row.get(self._label))[:200] if self._label else ""
        name = name or NONE
        if not row.get("file_name") or (
            name not in self._heaps and len(self._heaps) >= self._pictures
        ):
            return
        seeded = f"{self._seed}:{row['record_id']}".encode("utf-8", "replace")
        chance = int.from_bytes(blake2b(seeded, digest_size=8).digest(), "big")
        heap = self._heaps.setdefault(name, [])
        heapq.heappush(heap, (-chance, self._number, row))
        while len(heap) > self._share():
            heapq.heappop(heap)

    def _share(self) -> int:
        """Return how many rows of a class are kept; no class is known to be the last."""
        return max(2, min(_OF_A_CLASS, self._pictures // max(1, len(self._heaps))))

    def samples(self, counts: Counter[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the rows by class, the largest classes first."""
        found: dict[str, list[dict[str, Any]]] = {}
        left = self._pictures
        for name in sorted(self._heaps, key=lambda name: (-counts[name], name)):
            rows = [row for _, _, row in sorted(self._heaps[name], reverse=True)[: self._share()]]
            found[name] = rows[:left]
            left -= len(found[name])
            if left <= 0:
                break
        return found


def _read_failures(out: OutputDirectory, facts: ReportFacts) -> None:
    for record_id, url, reason, when, message, label in failures(out.root, facts.label):
        for name, value in (("reason", reason), ("host", host_of(url) if url else NONE)):
            facts.failures.setdefault(name, Tally()).add(value)
        facts.failures.setdefault("day", Tally()).add(when[:10])
        if label:
            facts.failures.setdefault("class", Tally()).add(label)
        examples = facts.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append((record_id, url, message))


def failures(root: Path, label: str | None) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield (id, URL, reason, time, message, class) of each missing record of an OUT."""
    if not (root / LEDGER).is_file():
        if (root / FAILURES).is_file():
            for row in CsvTable(root / FAILURES).rows():
                names = ("record_id", "url", "reason", "last_try_at", "message")
                one, url, reason, when, message = (row.get(name, "") for name in names)
                yield one, url, reason, when, message, ""
        return
    with closing(Ledger(root / LEDGER)) as ledger:
        for entry in ledger.entries(MISSING):
            missing = entry.result
            assert isinstance(missing, Missing)
            name = safe_cell(entry.metadata.get(label)) if label else ""
            url, message = public_url(missing.url) or "", public_url(missing.message) or ""
            yield entry.record_id, url, str(missing.outcome), entry.last_try_at, message, name
        for where, problem, when in ledger.unreadable():
            yield where, "", "unreadable", when, problem, ""


def _read_duplicates(out: OutputDirectory, facts: ReportFacts) -> None:
    """Keep the groups that matter most: those across splits, then across classes, then large."""
    if not (out.root / DUPLICATES).is_file():
        return
    best: list[tuple[tuple[bool, bool, int], int, DuplicateGroup]] = []

    def keep(group: DuplicateGroup | None) -> None:
        if group is None:
            return
        facts.n_duplicates += 1
        rank = ("splits" in group.across, "classes" in group.across, group.size)
        heapq.heappush(best, (rank, -facts.n_duplicates, group))
        if len(best) > GROUPS:
            heapq.heappop(best)

    current, number = None, None
    with (out.root / DUPLICATES).open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            if row.get("group") != number:
                keep(current)
                number = row.get("group")
                current = DuplicateGroup(row.get("kind") or "", row.get("across") or "")
            assert current is not None
            current.size += 1
            if len(current.rows) < MEMBERS:
                current.rows.append(
                    {name: unescaped(cell or "") for name, cell in row.items() if name}
                )
    keep(current)
    facts.duplicates = [
        group for _, _, group in sorted(best, key=lambda each: each[:2], reverse=True)
    ]

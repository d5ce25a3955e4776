"""An export, planned: which record goes into which file of it, before a byte is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.exports.source import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.exports.source import ExportRecord, ExportSource


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked for. size: the longest side in pixels, or None for the originals' bytes."""

    format: str
    label: str | None = None
    size: int | None = None
    shard_bytes: int = 1_000_000_000


@dataclass(slots=True)
class ExportPlan:
    """What an export will be.

    shards:      of each split, the number of records of each of its files
    labels:      the classes that there are, sorted
    masks:       whether a record has any
    fingerprint: another for other records, splits or options
    """

    request: ExportRequest
    shards: dict[str, list[int]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    masks: bool = False
    fingerprint: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def records(self) -> int:
        """Number of records."""
        return sum(map(sum, self.shards.values()))


def plan_export(source: ExportSource, request: ExportRequest) -> ExportPlan:
    """Go through the table and plan. Files are as large as the originals in them make them."""
    plan = ExportPlan(request)
    sizes: dict[str, int] = {}
    labels: set[str] = set()
    digest = hashlib.sha256(repr(request).encode())
    digest.update(repr(source.table.kinds).encode())
    for record in source.records(plan.left_out):
        digest.update(f"{record.key}\0{record.row['sha256']}\0{record.split}\0".encode())
        digest.update(repr([mask["sha256"] for mask in record.masks] + [record.row]).encode())
        labels.add(record.label)
        plan.masks |= bool(record.masks)
        shards = plan.shards.setdefault(record.split, [0])
        size = int(record.row.get("bytes") or 0)
        if shards[-1] and sizes.get(record.split, 0) + size > request.shard_bytes:
            shards.append(0)
            sizes[record.split] = 0
        shards[-1] += 1
        sizes[record.split] = sizes.get(record.split, 0) + size
    plan.labels = sorted(label for label in labels if label)
    plan.fingerprint = digest.hexdigest()
    plan.shards = dict(sorted(plan.shards.items()))
    return plan


def in_shards(source: ExportSource, plan: ExportPlan) -> Iterator[tuple[int, ExportRecord]]:
    """Yield each record with the number of its file among those of its split."""
    seen: dict[str, tuple[int, int]] = {}
    for record in source.records(LeftOut()):
        shard, n = seen.get(record.split, (0, 0))
        if n == plan.shards[record.split][shard]:
            shard, n = shard + 1, 0
        seen[record.split] = shard, n + 1
        yield shard, record

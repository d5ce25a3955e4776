"""Exports into files of many records each, which are complete or not there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.plan import in_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.exports.bodies import Bodies
    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource


@dataclass(slots=True)
class ExportFigures:
    """What an export wrote. files: their names, first those that people look for."""

    records: int = 0
    bytes: int = 0
    already: int = 0  # records in files that a run before had completed
    splits: Counter[str] = field(default_factory=Counter)  # records of each, those included
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for people: what is otherwise than expected

    def add(self, split: str, size: int) -> None:
        """Count a record that was written. size: of its picture, bytes"""
        self.records += 1
        self.bytes += size
        self.splits[split] += 1


class ShardWriter(Protocol):
    """Writes one file."""

    def add(self, record: ExportRecord, bodies: Bodies) -> None:
        """Add a record."""

    def close(self) -> None:
        """Complete the file."""


def write_shards(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    name_of: Callable[[str, int], str],
    open_writer: Callable[[Path], ShardWriter],
    *,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write every file of a plan that is not there yet.

    name_of:  returns the name of a file by its split and number
    progress: is called with records and bytes so far
    """
    figures = ExportFigures()
    there: dict[str, bool] = {}
    writers: dict[str, ShardWriter] = {}
    seen: dict[str, int] = {}
    for shard, record in in_shards(source, plan):
        name = name_of(record.split, shard)
        path = dest.root / name
        seen[name] = seen.get(name, 0) + 1
        if there.setdefault(name, path.is_file()):
            figures.already += 1
            figures.splits[record.split] += 1
        elif (bodies := bodies_of(source, record, plan.request.size, plan.left_out)) is not None:
            if name not in writers:
                writers[name] = open_writer(dest.temporary(path))
            writers[name].add(record, bodies)
            figures.add(record.split, len(bodies.picture.data))
            progress(figures.records, figures.bytes)
        else:
            dest.lacks(name)
        if seen[name] == plan.shards[record.split][shard] and name in writers:
            writers.pop(name).close()
            dest.temporary(path).replace(path)
        if seen[name] == 1:
            figures.files.append(name)
    figures.files.sort()
    return figures

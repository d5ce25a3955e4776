"""A dataset in the form that a tool of the field reads."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from imgcrawl.dataset.class_columns import CLASS_COLUMNS
from imgcrawl.dataset.typed_table import TypedTable
from imgcrawl.exports.destination import open_destination
from imgcrawl.exports.plan import ExportRequest, plan_export
from imgcrawl.exports.source import ExportSource, Splits
from imgcrawl.exports.split_request import require_columns
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.dataset.dataset_table import DatasetTable
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.shards import ExportFigures
    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

_ROOM = "imgcrawl.exports.formats."
FORMATS = {
    "webdataset": "webdataset:export",
    "parquet": "parquet:export",
    "huggingface": "parquet:export",
    "imagefolder": "imagefolder:export",
    "coco": "coco:export",
    "croissant": "croissant:export",
    "tfrecord": "tfrecord:export",
    "lance": "lance:export",
    "labelstudio": "labels_elsewhere:export_labelstudio",
    "cvat": "labels_elsewhere:export_cvat",
    "fiftyone": "labels_elsewhere:export_fiftyone",
}
# Formats of files; the others are of pictures, and their readers fail at anything else.
_OF_FILES = frozenset({"webdataset", "tfrecord", "lance"})
# Formats whose files have classes anyway: without --label, the column that is one by its name.
_WITH_CLASSES = frozenset({"imagefolder", "coco", "labelstudio", "cvat", "fiftyone"})


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to."""

    plan: ExportPlan
    figures: ExportFigures
    root: Path


def export_dataset(
    out: OutputDirectory,
    storage: Storage,
    table: DatasetTable,
    request: ExportRequest,
    *,
    dest: Path,
    splits: Path | None = None,
    progress: Callable[[int, int], object] = lambda *_: None,
) -> Exported:
    """Export the pictures of a dataset into a folder. splits: a splits.csv.

    Raises ArgumentError, which says what to type instead, before anything is written.
    """
    require_format(request.format)
    if request.label is not None:
        require_columns("--label", [request.label], table.columns)
    label = request.label
    if label is None and request.format in _WITH_CLASSES:
        label = next((name for name in CLASS_COLUMNS if name in table.columns), None)
    request = ExportRequest(request.format, label, request.size, request.shard_bytes)
    source = ExportSource(
        TypedTable(table),
        storage,
        Splits(splits) if splits is not None else None,
        label,
        pictures_only=request.format not in _OF_FILES,
    )
    plan = plan_export(source, request)
    if not plan.records:
        why = "; ".join(plan.left_out.lines())
        raise ArgumentError(f"{out.root} has no picture to export. {why}".rstrip())
    destination = open_destination(dest, out.root, plan)
    module, _, name = FORMATS[request.format].partition(":")
    export = getattr(import_module(_ROOM + module), name)
    return Exported(plan, export(source, plan, destination, progress), destination.root)


def require_format(name: str) -> None:
    """Raise ArgumentError, which names the nearest, for a format that is not known."""
    if name not in FORMATS:
        raise ArgumentError(
            f"--to {name}: there is no such format{did_you_mean(name, FORMATS)} "
            f"There are: {', '.join(FORMATS)}"
        )

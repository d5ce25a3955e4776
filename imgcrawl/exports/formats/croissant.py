"""Croissant: a description that machines read, over the Parquet files of the export.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Over Parquet, readers get
the pictures themselves; over a table and a folder of files they get none.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.column_kinds import Kind
from imgcrawl.exports.formats import parquet
from imgcrawl.exports.formats.parquet import IMAGE, MASKS, split_name
from imgcrawl.exports.source import LeftOut
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.shards import ExportFigures
    from imgcrawl.exports.source import ExportSource

NAME = "croissant.json"
_PARQUET = "application/x-parquet"
_LICENCES = ("copyright_license", "license", "licence", "License")
_MOST = 50  # licences and owners that are named
_TYPES = {
    Kind.TEXT: "sc:Text",
    Kind.INTEGER: "sc:Integer",
    Kind.NUMBER: "sc:Float",
    Kind.TRUTH: "sc:Boolean",
}
_TERMS = {
    **{name: f"cr:{name}" for name in ("citeAs", "column", "equivalentProperty", "extract")},
    **{name: f"cr:{name}" for name in ("field", "fileProperty", "fileObject", "fileSet")},
    **{name: f"cr:{name}" for name in ("format", "includes", "isLiveDataset", "jsonPath", "key")},
    **{name: f"cr:{name}" for name in ("md5", "parentField", "path", "recordSet", "references")},
    **{
        name: f"cr:{name}" for name in ("regex", "repeated", "replace", "samplingRate", "separator")
    },
    **{name: f"cr:{name}" for name in ("source", "subField", "transform")},
}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
    **_TERMS,
}


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write the Parquet files, then croissant.json."""
    figures = parquet.export(source, plan, dest, progress)
    with dest.writing(NAME) as file:
        json.dump(_described(source, plan, dest.root, figures), file, indent=1, ensure_ascii=False)
    figures.files.insert(0, NAME)
    return figures


def _described(
    source: ExportSource, plan: ExportPlan, root: Path, figures: ExportFigures
) -> dict[str, Any]:
    licences, days = _facts(source)
    files = [name for name in figures.files if name.endswith(".parquet")]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": root.name or "dataset",
        "description": f"{figures.splits.total():,} pictures, downloaded and exported by imgcrawl.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": "The owners of the pictures, as their records name them.",
        "datePublished": days or "1970-01-01",
        "license": licences or ["https://schema.org/license"],
        "url": "https://example.org/",
        "version": "1.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "encodingFormat": _PARQUET,
                "sha256": _sha256(root / name),
            }
            for name in files
        ]
        + [
            _file_set(split)
            for split in plan.shards
            if len(_files_of(split_name(split), files)) > 1
        ],
        "recordSet": [_record_set(source, plan, split, files) for split in plan.shards],
    }


def _record_set(
    source: ExportSource, plan: ExportPlan, split: str, files: list[str]
) -> dict[str, Any]:
    """Return the records of one split: a field for each column, the picture first."""
    name = split_name(split)
    mine = _files_of(name, files)
    place = {"fileObject": {"@id": mine[0]}} if len(mine) == 1 else {"fileSet": {"@id": _set(name)}}
    fields = [_field(name, place, IMAGE, "sc:ImageObject", {"jsonPath": "bytes"})]
    for column, kind in source.table.kinds.items():
        if column not in {IMAGE, MASKS}:
            kind = Kind.INTEGER if column == plan.request.label else kind
            fields.append(_field(name, place, column, _TYPES[kind], {}))
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _file_set(split: str) -> dict[str, Any]:
    """Return the files of a split that has several: a record set reads them as one."""
    name = split_name(split)
    return {
        "@type": "cr:FileSet",
        "@id": _set(name),
        "name": _set(name),
        "encodingFormat": _PARQUET,
        "includes": f"data/{name}-*.parquet",
    }


def _set(name: str) -> str:
    return f"{name}-files"


def _files_of(name: str, files: list[str]) -> list[str]:
    """Return the files of a split, by the name that they have for it."""
    return [file for file in files if file.startswith(f"data/{name}-")]


def _field(
    split: str, place: dict[str, Any], column: str, kind: str, transform: dict[str, str]
) -> dict[str, Any]:
    source: dict[str, Any] = {**place, "extract": {"column": column}}
    if transform:
        source["transform"] = transform
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{column}",
        "name": f"{split}/{column}",
        "dataType": kind,
        "source": source,
    }


def _facts(source: ExportSource) -> tuple[list[str], str]:
    """Return the licences that records name, most first, and the day of the last download."""
    counts: dict[str, int] = {}
    last = ""
    for record in source.records(LeftOut()):
        named = next((record.row[c] for c in _LICENCES if record.row.get(c)), None)
        if named is not None and (safe_cell(named) in counts or len(counts) < 10_000):
            counts[safe_cell(named)] = counts.get(safe_cell(named), 0) + 1
        last = max(last, str(record.row.get("downloaded_at") or ""))
    return sorted(counts, key=lambda name: (-counts[name], name))[:_MOST], last[:10]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

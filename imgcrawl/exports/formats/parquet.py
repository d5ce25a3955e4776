"""Parquet as Hugging Face's Hub and loader have it: pictures, typed columns, and a card beside.

Source: datasets 5.2.0, ``features/image.py`` and ``arrow_writer.py``: an image is a struct of bytes
and path; the schema's metadata ``huggingface`` tells the features.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.column_kinds import Kind
from imgcrawl.exports.card import write_card
from imgcrawl.exports.shards import ExportFigures, write_shards
from imgcrawl.exports.source import ALL
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra
from imgcrawl.text.csv_cells import safe_cell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgcrawl.exports.bodies import Bodies, Body
    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportRecord, ExportSource

IMAGE, MASKS = "image", "masks"
ROWS = 100  # of a group: a reader that wants one row reads so many pictures
_GROUP_BYTES = 64 << 20
_DTYPES = {
    Kind.TEXT: "string",
    Kind.INTEGER: "int64",
    Kind.NUMBER: "float64",
    Kind.TRUTH: "bool",
}


class ImageSchema:
    """The columns of the files: the pictures, then those of the table."""

    def __init__(self, source: ExportSource, plan: ExportPlan) -> None:
        import pyarrow as pa  # noqa: PLC0415 - 30 MB, and no part of the core

        self._label, self._classes = plan.request.label, {c: n for n, c in enumerate(plan.labels)}
        picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        fields = [(IMAGE, picture)]
        features: dict[str, Any] = {IMAGE: {"_type": "Image"}}
        if plan.masks:
            fields.append((MASKS, pa.list_(picture)))
            features[MASKS] = {"feature": {"_type": "Image"}, "_type": "List"}
        for field in source.table.schema():
            if field.name == self._label:
                fields.append((field.name, pa.int64()))
                features[field.name] = {"names": plan.labels, "_type": "ClassLabel"}
            else:
                fields.append((field.name, field.type))
                dtype = _DTYPES[source.table.kinds[field.name]]
                features[field.name] = {"dtype": dtype, "_type": "Value"}
        info = json.dumps({"info": {"features": features}})
        self.has_masks = plan.masks
        self.arrow = pa.schema(fields, metadata={"huggingface": info})

    def row(self, record: ExportRecord, bodies: Bodies) -> dict[str, Any]:
        """Return a record as a row of the file."""
        row = dict(record.row)
        if self._label is not None:
            row[self._label] = self._classes.get(safe_cell(row[self._label]))
        row[IMAGE] = _struct(record.key, bodies.picture)
        if self.has_masks:
            row[MASKS] = [
                _struct(f"{record.key}.mask{n or ''}", mask) for n, mask in enumerate(bodies.masks)
            ]
        return row


def _struct(stem: str, body: Body) -> dict[str, Any]:
    return {"bytes": body.data, "path": f"{stem}{body.extension}"}


class _ParquetWriter:
    """Writes one file, some rows at a time."""

    def __init__(self, schema: ImageSchema, path: Path) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        own = [name for name in schema.arrow.names if name not in {IMAGE, MASKS}]
        # Pictures are compressed already, and no two are the same.
        self._file = pq.ParquetWriter(path, schema.arrow, use_dictionary=own, compression="snappy")

    def add(self, record: ExportRecord, bodies: Bodies) -> None:
        """Add a row."""
        self._rows.append(self._schema.row(record, bodies))
        self._bytes += len(bodies.picture.data)
        if len(self._rows) >= ROWS or self._bytes > _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        self._file.write_table(pa.Table.from_pylist(self._rows, self._schema.arrow))
        self._rows, self._bytes = [], 0

    def close(self) -> None:
        """Complete the file."""
        if self._rows:
            self._flush()
        self._file.close()


def split_name(split: str) -> str:
    """Return the name of a split as the loader has it: of everything, it is ``train``."""
    return "train" if split == ALL else split.replace("-", "_")


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write ``data/SPLIT-00000-of-00001.parquet`` and so on, and README.md."""
    require_extra("parquet")
    names = Counter(map(split_name, plan.shards))
    if (twice := next((name for name, n in names.items() if n > 1), None)) is not None:
        both = [split for split in plan.shards if split_name(split) == twice]
        raise ArgumentError(
            f"the splits {' and '.join(both)} would both be called {twice!r} here: rename one of "
            "them in the split file"
        )

    def name_of(split: str, number: int) -> str:
        return f"data/{split_name(split)}-{number:05}-of-{len(plan.shards[split]):05}.parquet"

    writer = partial(_ParquetWriter, ImageSchema(source, plan))
    figures = write_shards(source, plan, dest, name_of, writer, progress=progress)
    with dest.writing("README.md") as file:
        write_card(file, plan, {split_name(split): figures.splits[split] for split in plan.shards})
    figures.files.append("README.md")
    return figures

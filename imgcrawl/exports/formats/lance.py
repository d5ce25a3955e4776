"""Lance: one table for each split, with pictures and typed columns, for random access.

Source: lancedb.github.io/lance, ``lance.write_dataset``: record batches in, a folder out. A folder
that is not complete lies under a hidden name, and is begun again.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.formats.parquet import ImageSchema
from imgcrawl.exports.shards import ExportFigures
from imgcrawl.exports.source import LeftOut
from imgcrawl.records.extras import require_extra, require_library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportSource

_BATCH = 64  # rows
_BATCH_BYTES = 32 << 20


def export(
    source: ExportSource,
    plan: ExportPlan,
    dest: Destination,
    progress: Callable[[int, int], object],
) -> ExportFigures:
    """Write ``SPLIT.lance`` for each split."""
    lance = require_library("lance", "pylance")
    require_extra("parquet")
    import pyarrow as pa  # noqa: PLC0415 - 30 MB, and no part of the core

    figures = ExportFigures()
    schema = ImageSchema(source, plan)

    def batches(split: str) -> Iterator[Any]:
        rows: list[dict[str, Any]] = []
        size = 0
        for record in source.records(LeftOut()):
            if record.split != split:
                continue
            bodies = bodies_of(source, record, plan.request.size, plan.left_out)
            if bodies is None:
                dest.lacks(name_of(split))
                continue
            rows.append(schema.row(record, bodies))
            size += len(bodies.picture.data)
            figures.add(split, len(bodies.picture.data))
            progress(figures.records, figures.bytes)
            if len(rows) >= _BATCH or size > _BATCH_BYTES:
                yield pa.RecordBatch.from_pylist(rows, schema.arrow)
                rows, size = [], 0
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema.arrow)

    for split in plan.shards:
        path = dest.root / name_of(split)
        figures.files.append(path.name)
        if path.is_dir():
            already = sum(plan.shards[split])
            figures.already += already
            figures.splits[split] += already
            continue
        temporary = dest.temporary(path)
        shutil.rmtree(temporary, ignore_errors=True)
        reader = pa.RecordBatchReader.from_batches(schema.arrow, batches(split))
        lance.write_dataset(reader, str(temporary), schema=schema.arrow)
        temporary.replace(path)
    return figures


def name_of(split: str) -> str:
    """Return the name of a split's folder."""
    return f"{split}.lance"

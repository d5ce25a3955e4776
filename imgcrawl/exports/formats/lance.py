"""Lance: one table for each split, with pictures and typed columns, for random access.

Source: lancedb.github.io/lance, ``lance.write_dataset``: record batches in, a folder out. A folder
that is not complete lies under a hidden name, and is begun again.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

from imgcrawl.exports.bodies import bodies_of
from imgcrawl.exports.formats.parquet import ImageSchema
from imgcrawl.exports.shards import ExportFigures
from imgcrawl.exports.source import LeftOut
from imgcrawl.records.extras import require_extra, require_library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from imgcrawl.exports.destination import Destination
    from imgcrawl.exports.plan import ExportPlan
    from imgcrawl.exports.source import ExportSource

_BATCH = 64  # rows
_BATCH_BYTES = 32 << 20
_END, _BROKEN_OFF = object(), object()


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
        with _Writer(lance, temporary, schema.arrow) as writer:
            for batch in batches(split):
                writer.add(batch)
        temporary.replace(path)
    return figures


class _Writer:
    """Writes a table while its batches are made: Lance asks for them in a thread of its own.

    A ledger is read in the thread that opened it. Raises what Lance raises, from `add` or at the
    end.
    """

    def __init__(self, lance: Any, path: Path, schema: Any) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as above

        self._batches: Queue[Any] = Queue(maxsize=2)
        reader = pa.RecordBatchReader.from_batches(schema, self._made())
        self._thread = ThreadPoolExecutor(1)
        self._written = self._thread.submit(lance.write_dataset, reader, str(path), schema=schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Wait until all is written; after an error, of what would be no whole table."""
        self._put(_END if error is None else _BROKEN_OFF)
        with self._thread:
            if error is None:
                self._written.result()

    def add(self, batch: Any) -> None:
        """Add a batch."""
        self._put(batch)
        if self._written.done():  # long before its end
            self._written.result()

    def _put(self, what: Any) -> None:
        while not self._written.done():
            try:
                self._batches.put(what, timeout=0.5)
            except Full:
                continue
            return

    def _made(self) -> Iterator[Any]:
        while (what := self._batches.get()) is not _END:
            if what is _BROKEN_OFF:
                raise RuntimeError("the export was broken off")
            yield what


def name_of(split: str) -> str:
    """Return the name of a split's folder."""
    return f"{split}.lance"

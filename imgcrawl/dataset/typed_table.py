"""The rows of metadata.csv with their types: what a Parquet file, or a program, is given."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.arrow_columns import arrow_column
from imgcrawl.dataset.column_kinds import Kind, joined, kind_of, typed
from imgcrawl.dataset.record_columns import FIXED_COLUMNS, OUTDATED, PICTURE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imgcrawl.dataset.dataset_table import DatasetTable

_INTEGERS = frozenset({"bytes", "width", "height", "frames", "orientation"})
_OURS = frozenset({*FIXED_COLUMNS, *PICTURE_COLUMNS, OUTDATED})
BATCH = 1000  # rows in memory at once


class TypedTable:
    """The stored records of an OUT, in the order of its table.

    kinds:  of each column, in the order of metadata.csv
    learnt: of the dataset's own columns, from all records, unless they are given
    """

    def __init__(self, table: DatasetTable, learnt: dict[str, Kind] | None = None) -> None:
        self._table = table
        columns = table.columns
        self.kinds = dict.fromkeys(columns, Kind.TEXT) | dict.fromkeys(
            (name for name in columns if name in _INTEGERS), Kind.INTEGER
        )
        own = dict.fromkeys((name for name in columns if name not in _OURS), Kind.NONE)
        for values in table.rows() if learnt is None else ():
            for name, kind in own.items():
                if kind is not Kind.TEXT and (value := values.get(name)) is not None:
                    own[name] = joined(kind, kind_of(value))
        own |= learnt or {}
        self.learnt = dict(own)
        # A column without any value is one of text: that is what will come into it most likely.
        self.kinds |= {name: Kind.TEXT if k is Kind.NONE else k for name, k in own.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows: a value of its type, or None, for each column."""
        for values in self._table.rows():
            yield {name: typed(values.get(name), kind) for name, kind in self.kinds.items()}

    def mask_sha256(self, record_id: str, file_name: str) -> str | None:
        """Return the SHA-256 of the mask in a record's row, where that is known."""
        return self._table.mask_sha256(record_id, file_name)

    def schema(self) -> Any:
        """Return the schema of pyarrow's, which the extra ``parquet`` brings."""
        import pyarrow as pa  # noqa: PLC0415 - 30 MB, and no part of the core

        types = {
            Kind.TEXT: pa.string(),
            Kind.INTEGER: pa.int64(),
            Kind.NUMBER: pa.float64(),
            Kind.TRUTH: pa.bool_(),
        }
        return pa.schema([(name, types[kind]) for name, kind in self.kinds.items()])

    def write(self, path: Path, rows: Iterable[dict[str, Any]]) -> None:
        """Write a Parquet file of rows, in constant memory."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        left, schema = iter(rows), self.schema()
        with pq.ParquetWriter(path, schema) as writer:
            while batch := [*islice(left, BATCH)]:
                columns = [
                    arrow_column([row.get(name) for row in batch], kind)
                    for name, kind in self.kinds.items()
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))

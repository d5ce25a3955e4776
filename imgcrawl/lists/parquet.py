"""Read Parquet of any size, in batches of rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from imgcrawl.lists.rows import MalformedRow, Row
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 1000  # rows in memory at once, besides one compressed page per column
BATCH_OF_FILES = 16  # where rows have the bytes of files


def read_parquet(file: IO[bytes], name: str) -> Iterator[Row | MalformedRow]:
    """Yield the rows of a Parquet file. Raises ArgumentError for another kind of file."""
    require_extra("parquet")
    import pyarrow as pa  # noqa: PLC0415 - 30 MB, for one of many kinds
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise ArgumentError(f"{name} is no Parquet file: {str(error).splitlines()[0]}") from error
    number = 0
    try:
        is_large = "binary" in str(table.schema_arrow)
        for batch in table.iter_batches(batch_size=BATCH_OF_FILES if is_large else BATCH):
            for fields in batch.to_pylist():
                number += 1
                yield Row(number, fields)
    except (pa.ArrowException, OSError) as error:
        problem = f"the file is damaged from here on ({str(error).splitlines()[0]})"
        yield MalformedRow(number + 1, f"row {number + 1}", problem)

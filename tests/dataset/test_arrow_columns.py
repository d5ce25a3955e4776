"""Columns of Arrow made without pandas are those that pyarrow makes itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.dataset.arrow_columns import arrow_column
from imgcrawl.dataset.column_kinds import Kind

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
VALUES = {
    Kind.TEXT: (st.text(st.characters(exclude_categories=["Cs"])), pa.string()),
    Kind.INTEGER: (INTEGERS, pa.int64()),
    Kind.NUMBER: (st.floats(), pa.float64()),
    Kind.TRUTH: (st.booleans(), pa.bool_()),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_a_column_is_what_pyarrow_makes_of_its_values(kind: Kind, data: st.DataObject) -> None:
    values: list[Any] = data.draw(st.lists(st.none() | VALUES[kind][0], max_size=40))
    column = arrow_column(values, kind)
    column.validate(full=True)
    assert column.type == VALUES[kind][1]
    assert column.null_count == values.count(None)
    assert str(column.to_pylist()) == str(pa.array(values, VALUES[kind][1]).to_pylist())


def test_a_number_too_large_for_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        arrow_column([1 << 63], Kind.INTEGER)


def test_a_table_is_written_without_pandas() -> None:
    """It is 50 MB of a crawl, and half a second."""
    program = (
        "import sys, pyarrow as pa, pyarrow.parquet as pq, io\n"
        "from imgcrawl.dataset.arrow_columns import arrow_column, Kind\n"
        "columns = [arrow_column([1, None], Kind.INTEGER), arrow_column(['a', None], Kind.TEXT)]\n"
        "schema = pa.schema([('n', pa.int64()), ('text', pa.string())])\n"
        "file = io.BytesIO()\n"
        "with pq.ParquetWriter(file, schema) as writer:\n"
        "    writer.write_table(pa.Table.from_arrays(columns, schema=schema))\n"
        "assert file.getvalue()[:4] == b'PAR1'\n"
        "sys.exit('pandas' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

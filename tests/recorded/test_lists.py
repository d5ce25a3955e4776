"""Lists in the published layouts of datasets, with invented addresses."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from imgcrawl.lists.columns import Columns
from imgcrawl.lists.look import Sample, find_columns
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import Row
from tests.recorded.shapes import FOLDER

HERE = FOLDER / "lists"


def read(name: str) -> tuple[Columns, list[dict[str, Any]]]:
    with open_rows(str(HERE / name)) as rows:
        found = list(rows)
    assert all(isinstance(row, Row) for row in found)
    columns = find_columns(Sample.of(found), {}, name).columns
    return columns, [row.fields for row in found if isinstance(row, Row)]


def test_a_part_of_laion_400m() -> None:
    columns, rows = read("laion400m_part0.parquet")
    assert columns == Columns("URL", caption="TEXT")
    # Another reader of the same file; there is no column of ids.
    assert rows == pq.read_table(HERE / "laion400m_part0.parquet").to_pylist()
    assert len(rows) == 6


def test_a_table_of_open_images() -> None:
    columns, rows = read("open_images.csv")
    assert columns == Columns("OriginalURL", id="ImageID")
    assert rows[0] == {
        "ImageID": "1",
        "Subset": "train",
        "OriginalURL": "https://o.i.example/1.jpg",
    }
    assert len(rows) == 3

"""wells.csv: rows of this run take the place of earlier ones of the same records."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from imgcrawl.dataset.image_table import ImageTable
from imgcrawl.records.items import SharedBy
from imgcrawl.storage.directory import WELLS, OutputDirectory

if TYPE_CHECKING:
    from pathlib import Path


def _written(out: OutputDirectory, *rows: SharedBy) -> list[dict[str, str]]:
    table = ImageTable(out)
    for row in rows:
        table.add(row)
    table.close()
    with (out.root / WELLS).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_of_one_record_are_replaced_and_others_stay(tmp_path: Path) -> None:
    out = OutputDirectory(tmp_path)
    try:
        _written(
            out,
            SharedBy("fileset-1", {"image_id": 1, "well": "A1", "annotation_Gene": "=SUM(A1)"}),
            SharedBy("=2", {"image_id": 2, "well": "A1"}),
            SharedBy("fileset-1", {"image_id": 3, "well": "A2"}),
        )
        rows = _written(out, SharedBy("fileset-1", {"image_id": 4, "annotation_Dose": 0.5}))
        assert [(row["record_id"], row["image_id"]) for row in rows] == [
            ("'=2", "2"),
            ("fileset-1", "4"),
        ]
        assert rows[1]["annotation_Dose"] == "0.5"
        assert list(rows[0]) == [
            *("record_id", "image_id", "plate", "well", "field"),
            *("annotation_Dose", "annotation_Gene"),
        ]
        again = _written(out, SharedBy("=2", {"image_id": 5}))
        assert [row["image_id"] for row in again] == ["4", "5"]
    finally:
        out.close()


def test_without_rows_the_table_stays_as_it_is(tmp_path: Path) -> None:
    out = OutputDirectory(tmp_path)
    try:
        ImageTable(out).close()
        assert not (tmp_path / WELLS).exists()
    finally:
        out.close()

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.tables import FAILURE_COLUMNS, FIXED_COLUMNS, LiveTables, write_all
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = "2026-01-01T00:00:00Z"
STORED = Stored(
    "images/a.jpg", "http://u", "http://u", "ab", 3, "JPEG", 1, 2, "RGB", NOW, "original"
)


@pytest.fixture
def out(tmp_path: Path) -> Iterator[OutputDirectory]:
    directory = OutputDirectory(tmp_path / "out")
    yield directory
    directory.close()


@pytest.fixture
def ledger(out: OutputDirectory) -> Iterator[Ledger]:
    opened = Ledger(out.root / "ledger.sqlite")
    yield opened
    opened.close()


def rows(out: OutputDirectory, name: str) -> list[dict[str, str]]:
    with (out.root / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stored(record_id: str, **metadata: object) -> LedgerEntry:
    return LedgerEntry(record_id, STORED, NOW, f"images/{record_id}", metadata, "{}")


def test_empty_tables_have_their_header(out: OutputDirectory, ledger: Ledger) -> None:
    write_all(out, ledger)
    assert (out.root / "metadata.csv").read_bytes() == ",".join(FIXED_COLUMNS).encode() + b"\r\n"
    assert (out.root / "failures.csv").read_bytes() == ",".join(FAILURE_COLUMNS).encode() + b"\r\n"


def test_the_rows_are_those_of_the_ledger_in_order(out: OutputDirectory, ledger: Ledger) -> None:
    lost = LedgerEntry(
        "c", Missing(Outcome.NOT_FOUND, "HTTP 404", "http://u", 404, 2), NOW, "p", {}, "{}"
    )
    batch = [stored("b", sex="male"), stored("a", age=5), lost]
    ledger.write(batch)
    live = LiveTables(out, ledger)
    live.add(batch[:2], batch[2:])
    live.close()
    assert [row["record_id"] for row in rows(out, "metadata.csv")] == ["a", "b"]

    write_all(out, ledger)
    table = rows(out, "metadata.csv")
    columns = [*FIXED_COLUMNS, "age", "frames", "orientation", "sex", "suspect"]
    assert list(table[0]) == columns
    assert [(row["record_id"], row["age"], row["sex"]) for row in table] == [
        ("a", "5", ""),
        ("b", "", "male"),
    ]
    assert rows(out, "failures.csv") == [
        {
            "record_id": "c",
            "url": "http://u",
            "reason": "not_found",
            "http_status": "404",
            "tries": "2",
            "last_try_at": NOW,
            "message": "HTTP 404",
        }
    ]


def test_a_column_that_appears_in_the_middle_is_in_every_row(
    out: OutputDirectory, ledger: Ledger
) -> None:
    live = LiveTables(out, ledger)
    for entry in (stored("a", sex="male"), stored("b", sex="male", age=3)):
        ledger.write([entry])
        live.add([entry], [])
    live.close()
    assert [row["age"] for row in rows(out, "metadata.csv")] == ["", "3"]


def test_hostile_columns_and_cells_are_only_text(out: OutputDirectory, ledger: Ledger) -> None:
    hostile = {
        "=cmd()": "=cmd|'/c calc'!A1",
        "sha256": "mine",
        "n\x00ul": 'a,"b"\r\nc\x00',
        "nested": {"b": [1], "a": None},
        "suspect": "me",
    }
    entry = stored("-1+1", **hostile)
    ledger.write([entry])
    live = LiveTables(out, ledger)
    live.add([entry], [])
    live.close()
    (row,) = rows(out, "metadata.csv")
    assert row["record_id"] == "'-1+1"
    assert row["'=cmd()"] == "'=cmd|'/c calc'!A1"
    assert (row["sha256"], row["sha256_"]) == ("ab", "mine")
    assert (row["suspect"], row["suspect_"]) == ("", "me")
    assert row["nul"] == 'a,"b"\nc'
    assert row["nested"] == '{"a":null,"b":[1]}'


def test_a_flood_of_columns_is_bounded(out: OutputDirectory, ledger: Ledger) -> None:
    entry = stored("a", **{f"c{i}": i for i in range(5000)})
    ledger.write([entry])
    live = LiveTables(out, ledger)
    live.add([entry], [])
    live.close()
    assert len(ledger.columns()) == 1000
    assert rows(out, "metadata.csv")[0]["c0"] == "0"


def test_attributions_by_frequency_anonymous_last(out: OutputDirectory, ledger: Ledger) -> None:
    entries = [stored(f"{i}", attribution="Anonymous") for i in range(9)]
    entries += [stored(f"x{i}", attribution="Hospital\nB") for i in range(2)]
    entries += [stored("y", attribution="Clinic A")]
    ledger.write(entries)
    ledger.add_columns(["attribution"])
    write_all(out, ledger)
    text = (out.root / "attribution.txt").read_text()
    assert text == "Hospital B\n\nClinic A\n\nAnonymous\n"

"""metadata.csv at the end of a run: what a rebuild would write, at the cost of what is new."""

from __future__ import annotations

import asyncio
import csv
import io
import os
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.dataset import metadata_table, parquet_parts, typed_rows
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.parquet_parts import write_parts
from imgcrawl.dataset.record_columns import metadata_row
from imgcrawl.dataset.tables import write_all
from imgcrawl.dataset.typed_rows import ColumnTypes
from imgcrawl.dataset.writer import LedgerWriter
from imgcrawl.storage.directory import LEDGER, OutputDirectory
from imgcrawl.text.csv_cells import unescaped
from tests.dataset.entries import ids, missing, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from imgcrawl.dataset.entries import LedgerEntry


def run(folder: Path, batches: Iterable[list[LedgerEntry]], forgotten: Iterable[str] = ()) -> bytes:
    """One run of the writer; returns the table that it leaves."""

    async def write(out: OutputDirectory, ledger: Ledger) -> None:
        writer = LedgerWriter(out, ledger, failed=raising)
        for batch in batches:
            for entry in batch:
                before = writer.get(entry.record_id)
                writer.record(entry, was=type(before.result) if before else None)
            writer.flush()
        for record_id in forgotten:
            ledger.forget(record_id)
        writer.close()

    with closing(OutputDirectory(folder)) as out, closing(Ledger(folder / LEDGER)) as ledger:
        if not (folder / "metadata.csv").exists():
            write_all(out, ledger)
        asyncio.run(write(out, ledger))
        return (folder / "metadata.csv").read_bytes()


def raising(error: Exception) -> None:
    raise error


def anew(folder: Path) -> bytes:
    """The table as it is made from the ledger alone."""
    with closing(OutputDirectory(folder)) as out, closing(Ledger(folder / LEDGER)) as ledger:
        before = (folder / "metadata.csv").stat()
        kept = (folder / "metadata.csv").read_bytes()
        state = ledger.state("metadata.csv")
        write_all(out, ledger)
        found = (folder / "metadata.csv").read_bytes()
        (folder / "metadata.csv").write_bytes(kept)
        os.utime(folder / "metadata.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
        ledger.set_state("metadata.csv", state or "")
        return found


def is_stored(entry: LedgerEntry) -> bool:
    return entry.result.outcome == "stored"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of four rows, and loaders that learn the types of the first six."""
    monkeypatch.setattr(metadata_table, "SEGMENT", 4)
    monkeypatch.setattr(metadata_table, "PIECE", 6)
    monkeypatch.setattr(typed_rows, "PIECE", 6)


def some(dice: Random) -> LedgerEntry:
    """A record of a few, stored or missing, new or changed."""
    name = dice.choice(["a", "b,c", "=d", "ä\n", "'e", 'f"g', "z"]) + f"{dice.randrange(30):02}"
    if dice.random() < 0.15:
        return missing(name)
    values: list[Any] = [1, 2.5, "", None, True]
    if dice.random() < 0.1:
        values.append("a word\r\nand more")
    return stored(name, age=dice.choice(values), sex=dice.choice(["", "male"]), _bytes=7)


@pytest.mark.parametrize("seed", range(25))
def test_after_any_runs_the_table_is_that_of_the_ledger(
    seed: int, tmp_path: Path, small: None
) -> None:
    dice = Random(seed)
    for _ in range(5):
        batches = [[some(dice) for _ in range(dice.randrange(9))] for _ in range(dice.randrange(4))]
        forgotten = [some(dice).record_id for _ in range(dice.choice([0, 0, 3]))]
        found, right = run(tmp_path, batches, forgotten), anew(tmp_path)
        if found != right:
            assert_as_good(found, right)


def assert_as_good(found: bytes, right: bytes) -> None:
    """The same rows in the same order, but for which come first; these show what all show."""
    tables = [list(csv.reader(io.StringIO(text.decode(), newline=""))) for text in (found, right)]
    rows, others = (table[1:] for table in tables)
    assert tables[0][0] == tables[1][0]
    assert sorted(rows) == sorted(others)
    first, shown = 0, [ColumnTypes(12, len(tables[0][0])) for _ in range(2)]
    while rows[first:] != sorted(rows[first:], key=lambda cells: unescaped(cells[1]).encode()):
        first += 1
    assert first <= 6
    for number, cells in enumerate(rows):
        if number < 6 + first:
            shown[0].learn(cells)
        shown[1].learn(cells)
    assert shown[0].open == shown[1].open


def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The records whose rows are made from the ledger from now on."""
    made: list[str] = []

    def noting(entry: LedgerEntry, columns: Any) -> list[str]:
        made.append(entry.record_id)
        return metadata_row(entry, columns)

    monkeypatch.setattr(metadata_table, "metadata_row", noting)
    return made


def test_only_rows_that_changed_are_made(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [stored(f"r{n:03}", age=n) for n in range(100)]
    Random(1).shuffle(first)
    run(tmp_path, [first[:3], first[3:]])
    made = rendered(monkeypatch)
    # Nothing new: the file is not touched.
    before = (tmp_path / "metadata.csv").stat()
    run(tmp_path, [])
    assert (tmp_path / "metadata.csv").stat().st_mtime_ns == before.st_mtime_ns
    # What was appended is put in as it stands; what is another one by now is made.
    run(tmp_path, [[stored("r050", age=-1), stored("r0505", age=3)], [missing("r099")]])
    assert made == ["r050"]
    with closing(OutputDirectory(tmp_path)) as out:
        found = ids(out)
    assert found == sorted(found)
    assert len(found) == 100
    assert "r099" not in found


def test_the_other_tables_follow_what_the_first_batch_changed(tmp_path: Path) -> None:
    # Its new columns have metadata.csv written anew at once: that is not the end of it.
    run(tmp_path, [[stored("a", attribution="Somebody")]])
    assert (tmp_path / "attribution.txt").read_text() == "Somebody\n"
    run(tmp_path, [[stored("b", attribution="Another")]])
    assert "Another" in (tmp_path / "attribution.txt").read_text()


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes().replace(b"r003", b"rXXX")),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.with_suffix(".new").write_bytes(b"mine") and path.unlink(),
    ],
)
def test_a_table_that_somebody_changed_is_written_anew(
    harm: Callable[[Path], object], tmp_path: Path, small: None
) -> None:
    run(tmp_path, [[stored(f"r{n:03}", age=n) for n in range(50)]])
    harm(tmp_path / "metadata.csv")
    found = run(tmp_path, [[stored("x", age=1)]])
    assert found == anew(tmp_path)
    assert b"rXXX" not in found


def test_a_table_that_is_replaced_during_a_run_is_written_anew(tmp_path: Path, small: None) -> None:
    run(tmp_path, [[stored(f"r{n:03}", age=n) for n in range(50)]])

    def batches() -> Iterable[list[LedgerEntry]]:
        yield [stored("x", age=1)]
        (tmp_path / "other").write_bytes(b"as,some,editors,save\r\n" * 400)
        (tmp_path / "other").replace(tmp_path / "metadata.csv")
        yield [stored("y", age=1)]

    assert run(tmp_path, batches()) == anew(tmp_path)


@pytest.mark.parametrize("batch", [[], [stored("r9", age=9)]])
def test_records_that_the_run_has_not_seen_change_are_in_the_table(
    batch: list[LedgerEntry], tmp_path: Path, small: None
) -> None:
    run(tmp_path, [[stored(f"r{n}", age=n) for n in range(9)]])

    def batches() -> Iterable[list[LedgerEntry]]:
        yield batch
        with closing(Ledger(tmp_path / LEDGER)) as other:
            other.write([stored("r44", age=4)])
            other.forget("r3")
            other.forget("r5")

    assert run(tmp_path, batches()) == anew(tmp_path)


# Parts in Parquet


@pytest.fixture
def in_parts(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of twelve rows, from thirty rows on."""
    monkeypatch.setattr(parquet_parts, "FROM_ROWS", 30)
    monkeypatch.setattr(parquet_parts, "PART_ROWS", 12)


def parts(folder: Path) -> dict[str, int]:
    """Bring the parts in line, and return when each was written."""
    with closing(OutputDirectory(folder)) as out, closing(Ledger(folder / LEDGER)) as ledger:
        write_parts(out, ledger)
    found = sorted((folder / "metadata.parquet").glob("*"))
    return {path.name: path.stat().st_mtime_ns for path in found}


def test_of_a_large_table_the_parts_are_written_whose_rows_changed(
    tmp_path: Path, in_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    run(tmp_path, [[stored(f"r{n:03}", age=n) for n in range(29)]])
    assert parts(tmp_path) == {}
    run(tmp_path, [[stored(f"r{n:03}", age=n) for n in range(29, 60)]])
    first = parts(tmp_path)
    assert list(first) == [f"part-{n:05}.parquet" for n in range(5)]
    assert parts(tmp_path) == first
    # One row more, one changed, both in the second part: the others stay as they are.
    run(tmp_path, [[stored("r0155", age=3), stored("r016", age=-1)]])
    second = parts(tmp_path)
    assert [name for name in first if first[name] != second[name]] == ["part-00001.parquet"]
    table = pq.read_table(tmp_path / "metadata.parquet").to_pylist()
    assert [row["record_id"] for row in table] == sorted(row["record_id"] for row in table)
    assert len(table) == 61
    assert {row["record_id"]: row["age"] for row in table}["r016"] == -1
    # A column that has another type by now has it in all parts.
    run(tmp_path, [[stored("r059", age="unknown")]])
    third = parts(tmp_path)
    assert all(second[name] != third[name] for name in third)
    table = pq.read_table(tmp_path / "metadata.parquet").to_pylist()
    ages = {row["record_id"]: row["age"] for row in table}
    assert len(table) == 61
    assert (ages["r058"], ages["r059"]) == ("58", "unknown")
    # It is the first row by now, so that loaders learn of it; nights go on at the same cost.
    with closing(OutputDirectory(tmp_path)) as out:
        assert ids(out)[:2] == ["r059", "r000"]
    made = rendered(monkeypatch)
    run(tmp_path, [[stored("r033", age=1)]])
    assert made == ["r033"]
    assert parts(tmp_path).keys() == third.keys()


def test_a_table_that_became_small_has_no_parts(tmp_path: Path, in_parts: None) -> None:
    run(tmp_path, [[stored(f"r{n:03}", age=n) for n in range(40)]])
    assert parts(tmp_path)
    run(tmp_path, [], [f"r{n:03}" for n in range(20)])
    assert parts(tmp_path) == {}
    assert not (tmp_path / "metadata.parquet").exists()


def test_what_others_put_beside_the_parts_stays(tmp_path: Path, in_parts: None) -> None:
    run(tmp_path, [[stored(f"r{n:03}", age=n) for n in range(40)]])
    count = len(parts(tmp_path))
    folder = tmp_path / "metadata.parquet"
    (folder / "part-mine.parquet").write_text("mine")
    (folder / "notes").mkdir()
    (folder / f"part-{count:05}.parquet").write_text("of a run that had more")
    assert len(parts(tmp_path)) == count + 2
    run(tmp_path, [], [f"r{n:03}" for n in range(20)])
    assert sorted(parts(tmp_path)) == ["notes", "part-mine.parquet"]


def test_parts_are_written_and_removed_behind_no_link(tmp_path: Path, in_parts: None) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "part-00000.parquet").write_text("theirs")
    out.mkdir()
    (out / "metadata.parquet").symlink_to(elsewhere)
    run(out, [[stored(f"r{n:03}", age=n) for n in range(40)]])
    parts(out)
    run(out, [], [f"r{n:03}" for n in range(20)])
    parts(out)
    assert [path.read_text() for path in elsewhere.iterdir()] == ["theirs"]

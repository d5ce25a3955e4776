from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.errors import OutputError
from imgcrawl.records.items import Document, ImageItem, Missing, Result, Stored
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path

NOW = "2026-01-01T00:00:00Z"


def entry(record_id: str, result: Result, **metadata: object) -> LedgerEntry:
    item = ImageItem(
        record_id, [f"http://example.org/{record_id}"], f"images/{record_id}", metadata
    )
    return LedgerEntry.from_item(item, result, NOW)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def test_an_entry_comes_back_as_it_was_written(ledger: Ledger) -> None:
    stored = Stored("images/a.jpg", "http://u", "http://v", "ab", 3, "JPEG", 1, 2, "RGB", NOW)
    missing = Missing(Outcome.DNS, "no such host", "http://u", None, 5)
    ledger.write([entry("a", stored, sex="female", age=55), entry("b", missing)])

    found = ledger.get("a")
    assert found is not None
    assert found.result == stored
    assert found.metadata == {"sex": "female", "age": 55}
    again = ledger.get("b")
    assert again is not None
    assert again.result == missing
    assert ledger.get("c") is None


def test_an_entry_holds_what_a_new_try_needs(ledger: Ledger) -> None:
    item = ImageItem(
        "a", ["http://u/1", "http://u/2"], "images/a", {"x": [1]}, [Document("d/a.json", "{}")]
    )
    ledger.write([LedgerEntry.from_item(item, Missing(Outcome.TIMEOUT), NOW)])
    found = ledger.get("a")
    assert found is not None
    assert found.to_item() == item


def test_a_batch_is_written_whole_or_not_at_all(ledger: Ledger) -> None:
    class BadEntry(LedgerEntry):
        def row(self) -> tuple[object, ...]:
            raise OSError("disk")

    bad = BadEntry("b", Stored(), NOW, "p", {}, "{}")
    with pytest.raises(OSError, match="disk"):
        ledger.write([entry("a", Stored()), bad], [("key", "value")])
    assert ledger.get("a") is None
    assert ledger.bookmarks() == {}


def test_counts_tally_and_bookmarks(ledger: Ledger) -> None:
    ledger.write(
        [
            entry("a", Stored(bytes=5), attribution="B"),
            entry("b", Stored(bytes=6), attribution='quote"d'),
            entry("c", Stored(), attribution="B"),
            entry("d", Missing(Outcome.DNS), attribution="B"),
        ],
        [("cursor", "1")],
    )
    ledger.write([], [("cursor", "2")])
    assert ledger.counts() == {Outcome.STORED: 3, Outcome.DNS: 1}
    assert ledger.count_values("attribution") == {"B": 2, 'quote"d': 1}
    assert ledger.stored_bytes() == 11
    assert ledger.bookmarks() == {"cursor": "2"}


def test_entries_are_given_out_in_pages_by_id(ledger: Ledger) -> None:
    ledger.write(entry(name, Missing(Outcome.DNS)) for name in "dbca")
    first = [e.record_id for e in ledger.entries([Outcome.DNS], limit=2)]
    assert first == ["a", "b"]
    assert [e.record_id for e in ledger.entries([Outcome.DNS], after="b")] == ["c", "d"]
    assert list(ledger.entries([Outcome.STORED])) == []


def test_a_file_that_is_no_ledger_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"my thesis " * 1000)
    with pytest.raises(OutputError, match="not a ledger"):
        Ledger(path)
    assert path.read_bytes() == b"my thesis " * 1000


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(OutputError, match="schema 99"):
        Ledger(path)


def test_a_ledger_of_version_2_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as ledger:
        ledger.write([entry("a", Stored("images/a.jpg", bytes=3)), entry("b", Stored())])
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE records DROP COLUMN doubt")
        db.execute("PRAGMA user_version=2")
    with closing(Ledger(path)) as ledger:
        found = ledger.get("a")
        assert found is not None
        assert (found.result, found.doubt) == (Stored("images/a.jpg", bytes=3), None)
        ledger.doubt(["a"], "verify: size")
        assert [e.doubt for e in ledger.entries(Outcome)] == ["verify: size", None]


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.write([entry("a", Stored())])
    ledger.close()
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.sqlite"]

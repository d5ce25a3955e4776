from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.changes import Change
from imgcrawl.dataset.entries import ClassCount, LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.schema import SENT_URL
from imgcrawl.records.errors import OutputError
from imgcrawl.records.items import Document, ImageItem, Missing, Result, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from imgcrawl.text.addresses import without_fragment

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


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_ledger_that_another_program_holds_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("imgcrawl.dataset.schema._PATIENCE", 0.1)
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"BEGIN {mode}")
        with pytest.raises(OutputError, match="held by another program") as caught:
            Ledger(path)
    assert "start anew" not in str(caught.value)
    Ledger(path).close()


def test_damage_within_is_no_reason_to_throw_a_ledger_away(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path)) as ledger:
        ledger.write([entry(f"r{n:05}", Stored()) for n in range(500)])
    data = bytearray(path.read_bytes())
    data[100:4096] = bytes(3996)  # the page that lists the tables
    path.write_bytes(data)
    with pytest.raises(OutputError) as caught:
        Ledger(path)
    assert "start anew" not in str(caught.value)
    assert ".recover" in str(caught.value)


def test_a_disk_that_refuses_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be read or written"):
        Ledger(tmp_path / "no such folder" / "ledger.sqlite")


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
        for column in ("doubt", "outdated"):
            db.execute(f"ALTER TABLE records DROP COLUMN {column}")
        db.execute("DROP INDEX records_sent_url")
        db.execute("CREATE INDEX records_url ON records (url) WHERE url IS NOT NULL")
        db.execute("DROP TABLE changes")
        db.execute("PRAGMA user_version=2")
    with closing(Ledger(path)) as ledger:
        found = ledger.get("a")
        assert found is not None
        assert (found.result, found.doubt) == (Stored("images/a.jpg", bytes=3), None)
        ledger.write([], changes=[Change("a", "sex", "male", "", "2026-01-01T00:00:00Z")])
        assert [*ledger.changes()] == [("a", "sex", "male", "", "2026-01-01T00:00:00Z")]
        ledger.doubt(["a"], "verify: size")
        assert [e.doubt for e in ledger.entries(Outcome)] == ["verify: size", None]


def test_records_of_version_3_that_had_line_numbers_are_named_by_their_address(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    signed = "https://h/b.jpg?Expires=1700000000&Signature=x&Key-Pair-Id=k"
    urls = {12_000: "https://h/a.jpg", 12_001: signed, 12_002: "https://h/a.jpg"}
    items = [ImageItem(f"{n:09}", [url], f"images/00001/{n:09}") for n, url in urls.items()]
    items += [
        ImageItem("000012003", ["https://h/c.jpg"], "images/000012003"),  # an id of its list's own
        ImageItem("000012004", [], "images/00001/000012004"),
    ]
    with closing(Ledger(path)) as ledger:
        ledger.write(LedgerEntry.from_item(i, Stored(f"{i.path}.jpg"), NOW) for i in items)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE records DROP COLUMN outdated")
        db.execute("DROP TABLE changes")
        db.execute("PRAGMA user_version=3")
    with closing(Ledger(path)) as ledger:
        names = {e.record_id: e.path for e in ledger.entries(Outcome)}
    assert names == {
        "https://h/a.jpg": "images/00001/000012000",
        "https://h/b.jpg": "images/00001/000012001",
        "https://h/a.jpg~2": "images/00001/000012002",
        "000012003": "images/000012003",
        "000012004": "images/00001/000012004",
    }


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.write([entry("a", Stored())])
    ledger.close()
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_a_ledger_of_version_1_gets_the_tables_and_indexes_of_today(tmp_path: Path) -> None:
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    for path in (old, new):
        with closing(Ledger(path)) as ledger:
            ledger.write([entry("a", Stored("images/a.jpg", bytes=3))], [("list", "page 2")])
    with closing(sqlite3.connect(old)) as db:
        for index in ("records_quota", "records_sha256", "records_sent_url"):
            db.execute(f"DROP INDEX {index}")
        for table in ("quotas", "unreadable", "captures", "changes"):
            db.execute(f"DROP TABLE {table}")
        for column in ("quota", "doubt", "outdated"):
            db.execute(f"ALTER TABLE records DROP COLUMN {column}")
        db.execute("PRAGMA user_version=1")
    with closing(Ledger(old)) as ledger:
        found = ledger.get("a")
        assert found is not None
        assert (found.result, found.quota) == (Stored("images/a.jpg", bytes=3), None)
        assert ledger.bookmarks() == {"list": "page 2"}
    parts = []
    for path in (old, new):
        with closing(sqlite3.connect(path)) as db:
            names = db.execute("SELECT type, name FROM sqlite_schema ORDER BY name").fetchall()
            columns = {row[1] for row in db.execute("PRAGMA table_info(records)")}
            parts.append((names, columns, db.execute("PRAGMA user_version").fetchone()))
    assert parts[0] == parts[1]


@pytest.mark.parametrize(
    "program",
    [
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END",
        "CREATE TABLE other (a)",
    ],
)
def test_a_ledger_with_programs_of_others_is_refused(tmp_path: Path, program: str) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(program)
    with pytest.raises(OutputError, match="is not a ledger of imgcrawl"):
        Ledger(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("outcome", "eaten"),
        ("metadata", "[]"),
        ("metadata", "{"),
        ("path", "/etc/passwd"),
        ("file_name", "images/../../x.jpg"),
    ],
)
def test_a_row_that_no_run_has_written_is_refused(ledger: Ledger, column: str, value: str) -> None:
    ledger.write([entry("a", Stored("images/a.jpg"))])
    ledger._db.execute(f"UPDATE records SET {column} = ?", (value,))
    with pytest.raises(OutputError, match="a record 'a' that cannot be read"):
        ledger.get("a")


def test_a_missing_record_may_have_any_path(ledger: Ledger) -> None:
    """It is the source's own, and made safe before it is used."""
    ledger.write([entry("a", Missing(Outcome.DNS))])
    ledger._db.execute("UPDATE records SET path = '../../x'")
    found = ledger.get("a")
    assert found is not None
    assert found.path == "../../x"


def test_quotas_keep_what_is_known_of_their_list(ledger: Ledger) -> None:
    quota = Quota("n1", wanted=2, label="cat")
    quota.listed = 9
    ledger.write_quotas([quota])
    again = Quota("n1", wanted=5, label="cats")
    again.note = "short"
    ledger.write_quotas([again])  # the list was not read this time
    ledger.write(
        [
            replace(entry("a", Stored()), quota="n1"),
            replace(entry("b", Missing(Outcome.DNS)), quota="n1"),
            entry("c", Stored()),
        ]
    )
    (count,) = ledger.classes()
    assert count == ClassCount("n1", "cats", 5, 1, 9, {"dns": 1}, "short")
    assert count.short == 4
    assert [each.record_id for each in ledger.of_quota("n1")] == ["a"]
    # The promise is of the class: its candidates are none.
    assert ledger.counts(promised=True) == {Outcome.STORED: 1}


def test_equal_bytes_stand_beside_each_other(ledger: Ledger) -> None:
    ledger.write(
        [
            entry("c", Stored(sha256="bb")),
            entry("b", Stored(sha256="aa")),
            entry("a", Stored(sha256="bb")),
            entry("d", Stored(sha256="aa")),
            entry("e", Missing(Outcome.PLACEHOLDER, sha256="aa")),
            entry("f", Stored(sha256="cc")),
            entry("g", Missing(Outcome.PLACEHOLDER, sha256="cc")),
            entry("h", Stored()),
            entry("i", Stored()),
        ]
    )
    assert list(ledger.same_bytes()) == ["aa", "bb"]
    assert [each.record_id for each in ledger.stored_with("aa")] == ["b", "d"]
    assert {each.record_id for each in ledger.of_bytes("aa")} == {"b", "d", "e"}


def test_a_stored_record_of_a_url_comes_first_then_the_latest(ledger: Ledger) -> None:
    one = "http://one"
    late = replace(entry("b", Missing(Outcome.DNS, url=one)), last_try_at="2027")
    ledger.write([entry("a", Missing(Outcome.TIMEOUT, url=one)), late])
    found = ledger.of_url(one)
    assert found is not None
    assert found.record_id == "b"
    ledger.write([entry("c", Stored(url=one))])
    found = ledger.of_url(one)
    assert found is not None
    assert found.record_id == "c"
    assert ledger.of_url("http://two") is None


def test_a_record_of_a_url_is_found_by_what_was_sent_of_it(ledger: Ledger) -> None:
    urls = ["HTTP://one/a#page=1", "https://two#", "zip+http://three/z.zip#a.jpg", "http://fo#u#r"]
    ledger.write(entry(f"{n}", Stored(url=url)) for n, url in enumerate(urls))
    for number, url in enumerate(urls):
        found = ledger.of_url(without_fragment(url))
        assert found is not None
        assert found.record_id == f"{number}"
    plan = ledger._db.execute(
        f"EXPLAIN QUERY PLAN SELECT * FROM records WHERE {SENT_URL} = ? AND url IS NOT NULL"
        " ORDER BY outcome = 'stored' DESC, last_try_at DESC LIMIT 1",
        ("http://one",),
    ).fetchall()
    assert [row["detail"] for row in plan] == [
        "SEARCH records USING INDEX records_sent_url (<expr>=?)"  # and nothing is sorted
    ]


def test_values_of_a_column_are_those_of_stored_records(ledger: Ledger) -> None:
    ledger.write(
        [
            entry("b", Stored(), phash="00ff"),
            entry("a", Stored(sha256="aa"), phash="00fe"),
            entry("c", Stored(), other=1),
            entry("d", Missing(Outcome.DNS), phash="00ff"),
        ]
    )
    assert list(ledger.values("phash")) == []  # until it is known as a column
    ledger.add_columns(["phash", 'a "quoted" one'])
    assert list(ledger.values("phash")) == [("a", "aa", "00fe"), ("b", "", "00ff")]
    assert list(ledger.values('a "quoted" one')) == []


def test_captures_are_kept_for_a_while(ledger: Ledger) -> None:
    ledger.write_captures("http://one", "[]", "2026-02-01T00:00:00Z")
    assert ledger.captures("http://one", since="2026-01-01T00:00:00Z") == "[]"
    assert ledger.captures("http://one", since="2026-02-01T00:00:00Z") is None
    assert ledger.captures("http://two", since="2026-01-01T00:00:00Z") is None


def test_what_cannot_be_read_of_a_source_is_forgotten_before_it_is_read_again(
    ledger: Ledger,
) -> None:
    ledger.write([], unreadable=[("line 7", "no URL", NOW), ("line 2", "NUL", NOW)])
    ledger.write([], unreadable=[("line 7", "no id", NOW)])
    assert list(ledger.unreadable()) == [("line 2", "NUL", NOW), ("line 7", "no id", NOW)]
    assert ledger.n_unreadable() == 2
    ledger.forget_unreadable()
    assert ledger.n_unreadable() == 0

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.dataset import tables
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.record_columns import FIXED_COLUMNS
from imgcrawl.dataset.tables import FAILURE_COLUMNS, LiveTables, write_all
from imgcrawl.records.items import Missing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from tests.dataset.entries import NOW, missing, rows, stored

if TYPE_CHECKING:
    import pytest

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory


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


def test_a_new_column_of_a_long_table_waits_for_the_end(
    out: OutputDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LIVE_REWRITE_ROWS", 2)
    write_all(out, ledger)
    live = LiveTables(out, ledger)
    for entry in (stored("a", sex="male"), stored("b", sex="male", age=3)):
        ledger.write([entry])
        live.add([entry], [])
    live.close()
    assert [(row["sex"], row.get("age")) for row in rows(out)] == [("male", None)] * 2
    write_all(out, ledger)
    assert [row["age"] for row in rows(out)] == ["", "3"]


def test_columns_are_learned_once(out: OutputDirectory, ledger: Ledger) -> None:
    live = LiveTables(out, ledger)
    entry = stored("a", sex="male", sha256="mine")
    assert live.learn_columns([entry])
    assert not live.learn_columns([entry, stored("b", sex="female")])
    live.close()
    assert ledger.columns() == ["frames", "orientation", "sex", "sha256_", "suspect"]


def test_tables_hold_no_secrets(out: OutputDirectory, ledger: Ledger) -> None:
    url = "https://me:SECRET@a.example/x?X-Amz-Signature=SECRET"
    lost = missing("b", url=url)
    ledger.write([stored("a", _url=url, _final_url=url), lost])
    ledger.write([], unreadable=[("line 7", "=1+1", NOW)])
    write_all(out, ledger)
    for name in ("metadata.csv", "failures.csv"):
        text = (out.root / name).read_text("utf-8")
        assert "SECRET" not in text
        assert "a.example/x" in text
    row = rows(out, "failures.csv")[-1]
    assert (row["record_id"], row["reason"]) == ("line 7", "bad_url")
    assert (row["message"], row["last_try_at"]) == ("'=1+1", NOW)


def test_classes_have_their_quota_and_what_is_short_of_it(
    out: OutputDirectory, ledger: Ledger
) -> None:
    quota = Quota("n1", wanted=3, label="cat")
    quota.listed = 9
    ledger.write_quotas([quota])
    ledger.write(
        [
            stored("a", _quota="n1"),
            missing("b", quota="n1"),
            missing("c", quota="n1"),
            missing("d", Outcome.DNS, quota="n1"),
        ]
    )
    write_all(out, ledger)
    assert rows(out, "classes.csv") == [
        {
            "class": "n1",
            "label": "cat",
            "wanted": "3",
            "stored": "1",
            "short": "2",
            "candidates": "9",
            "tried": "4",
            "failed": "dns 1; not_found 2",
            "note": "",
        }
    ]


def test_a_dataset_without_classes_has_no_table_of_them(
    out: OutputDirectory, ledger: Ledger
) -> None:
    (out.root / "classes.csv").write_text("of an earlier run")
    write_all(out, ledger)
    assert not (out.root / "classes.csv").exists()

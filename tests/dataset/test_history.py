"""runs.csv: a row for each run, bounded, and read back whatever stands in it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgcrawl.crawl.run import Run
from imgcrawl.crawl.run_history import RunHistory
from imgcrawl.dataset.history import (
    KILLED,
    MOST_RUNS,
    RUNNING,
    RunRow,
    from_json,
    parse_runs,
    read_runs,
    row_of_summary,
    runs_csv,
    settled,
    to_json,
)
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.exports.report_history import runs_section
from imgcrawl.records.outcomes import Outcome
from tests.dataset.entries import missing, stored

if TYPE_CHECKING:
    from pathlib import Path

SUMMARY: dict[str, Any] = {
    "spider": "isic",
    "started_at": "2026-01-02T02:30:00Z",
    "ended_at": "2026-01-02T02:31:40Z",
    "seconds": 100.0,
    "exit_status": 3,
    "error": None,
    "records": {"stored": 90, "missing": 10, "expected": 100},
    "bytes": 9000,
    "this_run": {
        "outcomes": {"stored": 40, "not_found": 8, "dns": 2},
        "already_there": 50,
        "changed": 1,
        "relabelled": 2,
        "withdrawn": 3,
        "bytes": 4000,
    },
}
ROW = row_of_summary(SUMMARY)


def test_a_row_of_a_run() -> None:
    assert (ROW.new, ROW.missing, ROW.missing_by_reason) == (40, 10, "dns 2, not_found 8")
    assert (ROW.records_per_second, ROW.missing_share, ROW.status) == (
        *(0.5, 0.1, "finished, some missing"),
    )
    assert (ROW.changed, ROW.relabelled, ROW.withdrawn, ROW.failed) == (1, 2, 3, False)
    wrong = row_of_summary({**SUMMARY, "exit_status": 1, "error": "=x http://u:secret@h/\n\x1b[2J"})
    assert wrong.failed
    assert "secret" not in wrong.error
    assert wrong.error.isprintable()


@pytest.mark.slow
@given(st.text(max_size=40), st.integers(0, 10**12), st.one_of(st.none(), st.floats(0, 1e9)))
@example("=cmd()", 0, None)
@example('a"b,\nc', 3, 0.1)
def test_what_is_written_is_read(error: str, n: int, rate: float | None) -> None:
    row = replace(ROW, error="".join(c for c in error if c.isprintable()).strip(), new=n)
    row = replace(row, records_per_second=rate, error=" ".join(row.error.split()))
    assert parse_runs(runs_csv([row, ROW]).encode("utf-8", "replace"))[1] == ROW
    assert from_json(to_json([row])) == [row]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_table(data: bytes) -> None:
    assert parse_runs(data) == [] or parse_runs(data)
    head = runs_csv([ROW]).encode()
    assert parse_runs(head + data)[0] == ROW
    assert isinstance(from_json(data.decode("utf-8", "replace")), list)


def test_a_run_that_does_not_end_was_killed() -> None:
    running = RunRow(started_at="2026-01-03T02:30:00Z")
    assert settled([ROW, running], running=True)[-1].status == RUNNING
    assert [row.status for row in settled([ROW, running], running=False)] == [ROW.status, KILLED]
    assert settled([ROW], running=False) == [ROW]


def test_the_next_run_writes_down_that_one_was_killed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    RunHistory(run, "isic")
    run.ledger.write(
        [stored("a"), missing("b", Outcome.DNS), missing("c", Outcome.DNS), stored("d")]
    )
    began = read_runs(tmp_path)[0].started_at
    run.ledger._db.execute("UPDATE records SET last_try_at = '2999-01-01T00:00:07Z'")
    run.ledger._db.execute(
        "UPDATE records SET last_try_at = '1999-01-01T00:00:00Z' WHERE record_id = 'd'"
    )
    run.ledger.close()
    run.out.close()

    run = Run(tmp_path)
    history = RunHistory(run, "isic")
    first, second = read_runs(tmp_path)
    assert (first.started_at, first.status, first.new) == (began, KILLED, 1)
    assert (first.missing_by_reason, first.ended_at) == ("dns 2", "2999-01-01T00:00:07Z")
    assert second.status == RUNNING
    history.end(SUMMARY, 3)
    run.close()
    history.amend(1)  # what was put into an object store did not arrive there
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        assert [row.exit_status for row in from_json(ledger.state("runs"))] == [None, 1]


def test_a_run_that_was_killed_elsewhere_leaves_a_row(tmp_path: Path) -> None:
    """Its ledger had not reached the store yet: the lock of the store alone tells of it."""
    run = Run(tmp_path)
    lock = SimpleNamespace(dead_since="2026-01-03T02:30:00.123456Z")
    run.uploader = lock  # type: ignore[assignment]
    RunHistory(run, "isic")
    killed, running = read_runs(tmp_path)
    assert (killed.started_at, killed.status, killed.failed) == (
        *("2026-01-03T02:30:00Z", KILLED, True),
    )
    assert running.status == RUNNING
    run.uploader = None
    run.close()


def test_the_oldest_go_first(tmp_path: Path) -> None:
    run = Run(tmp_path)
    rows = [replace(ROW, new=n) for n in range(MOST_RUNS)]
    run.ledger.set_state("runs", to_json(rows))
    RunHistory(run, "isic").end(None, 1)
    run.close()
    kept = read_runs(tmp_path)
    assert len(kept) == MOST_RUNS
    assert (kept[0].new, kept[-1].exit_status) == (1, 1)
    assert (tmp_path / "runs.csv").stat().st_size < 1 << 20


def test_the_section_of_a_report() -> None:
    page = "".join(
        runs_section([replace(ROW, new=n, status="<b>", error="<i>") for n in range(99)])
    )
    assert page.count("<rect") == 4 * 60
    assert "<b>" not in page
    assert "<i>" not in page
    assert "share missing, %: 10 at first, 10 at last" in page
    assert "".join(runs_section([RunRow(started_at="x")])).count("<rect") == 0

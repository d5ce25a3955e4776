"""One display: the same rows for one crawl, many crawls and shards, in a window of any width."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.spinner import Spinner
from scrapy.settings import Settings

from imgcrawl.progress.display import MAX_LINES, LogDisplay
from imgcrawl.progress.row import CrawlPhase, ProgressRow, update_total
from imgcrawl.progress.table import build_table


def message(
    done: int, expected: int | None = None, missing: int = 0, **more: Any
) -> dict[str, Any]:
    found = {"done": done, "missing": missing, "expected": expected, "bytes": done * 1000}
    return {**found, "activity": "downloading", **more}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the test lets pass."""
    now = [100.0]
    monkeypatch.setattr("imgcrawl.progress.row.time.monotonic", lambda: now[0])
    return now


def row(name: str, phase: str = CrawlPhase.RUNNING, *updates: dict[str, Any]) -> ProgressRow:
    made = ProgressRow(name, phase)
    for update in updates:
        made.update(update)
    return made


def screen(rows: list[ProgressRow], width: int, height: int = 40) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    total = ProgressRow("all")
    update_total(total, rows, None)
    with console.capture() as shown:
        console.print(build_table(rows, total, console, Spinner("dots")))
    return shown.get().splitlines()


def test_a_line_of_the_log_says_all(clock: list[float]) -> None:
    one = row("isic", CrawlPhase.RUNNING, message(0, 2000))
    clock[0] += 10
    one.update(message(1000, 2000, missing=3))
    said = "1,000 of 2,000 records done, 3 missing, 1.0 MB"
    assert str(one) == f"{said}, 100.0 records/s, 100.0 kB/s, 0:00:10 left. downloading"
    one.phase = CrawlPhase.DONE
    assert str(one) == said
    assert str(ProgressRow("isic", activity="its log is a.log")) == "its log is a.log"


def test_what_others_chose_moves_no_cursor() -> None:
    assert (
        row("isic", CrawlPhase.RUNNING, message(1, activity="a\x1b[2J\r\nb")).activity == "a [2J b"
    )


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 140])
def test_one_crawl_fits_into_any_window(width: int, clock: list[float]) -> None:
    one = row("isic", CrawlPhase.RUNNING, message(0, 40))
    clock[0] += 10
    one.update(message(20, 40, missing=3))
    [line] = screen([one], width)
    assert len(line) <= width
    for words in ("isic", "20/40", "0:00:10 left"):
        assert words in line
    for words, least in (("3 missing", 40), ("2.0 kB/s", 60), ("downloading", 80), ("━", 100)):
        assert (words in line) == (width >= least), words
    assert ("2/s" in line) == (width >= 140)


@given(
    st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=12),
    st.sampled_from(list(CrawlPhase)),
    st.integers(0, 10**9),
    st.integers(20, 300),
)
def test_no_row_is_wider_than_the_window(
    names: list[str], phase: str, done: int, width: int
) -> None:
    names = [name if name.isprintable() else "x" for name in names]
    rows = [row(name, phase, message(done, 10**9, missing=done)) for name in names]
    lines = screen(rows, width)
    assert len(lines) == len(rows) + (len(rows) > 1)
    assert all(Console().measure(line).maximum <= width for line in lines)


def test_many_have_their_phase_and_a_total() -> None:
    rows = [
        row("isic", CrawlPhase.DONE, message(20, 20)),
        row("fish", CrawlPhase.FAILED, message(3, missing=3)),
        row("epfl", CrawlPhase.WAITING),
        row("cells", CrawlPhase.LEFT_OUT),
    ]
    isic, fish, epfl, cells, total = screen(rows, 140)
    assert isic.split()[:4] == ["isic", "done", "━" * 20, "20/20"]
    assert fish.split()[:5] == ["fish", "failed", "3", "3", "missing"]
    assert epfl.split()[:3] == ["epfl", "waiting", "0"]
    assert cells.split()[:3] == ["cells", "left", "out"]
    assert total.split()[:5] == ["all", "3", "of", "4", "23"]


def test_there_may_be_no_row_yet() -> None:
    assert "".join(screen([], 80)).strip() == ""


def test_in_a_low_window_what_runs_or_failed_is_shown() -> None:
    rows = [row(f"done-{n}", CrawlPhase.DONE) for n in range(30)]
    rows += [row("running"), row("failed", CrawlPhase.FAILED)]
    lines = screen(rows, 80, height=24)
    assert [line.split()[0] for line in lines[1:]] == ["failed", "all"]
    assert "running  running" in lines[0]
    rows += [row(f"missing-{n}", CrawlPhase.MISSING) for n in range(500)]
    running, failed, total = screen(rows, 80, height=24)
    assert "running  running" in running
    assert failed.split()[:2] == ["failed", "failed"]
    assert total.split()[:4] == ["all", "531", "of", "532"]
    rows += [row(f"failed-{n}", CrawlPhase.FAILED) for n in range(500)]
    lines = screen(rows, 80, height=24)
    assert len(lines) == 21
    assert lines[-1].split()[:4] == ["all", "1031", "of", "1032"]


def test_a_total_is_promised_what_its_rows_are() -> None:
    total = ProgressRow("all")
    rows = [row("a", CrawlPhase.RUNNING, message(1, 5)), row("b", CrawlPhase.LEFT_OUT)]
    update_total(total, rows, None)
    assert (total.done, total.expected) == (1, 5)
    rows.append(row("c", CrawlPhase.WAITING))  # nobody knows yet
    update_total(total, rows, None)
    assert total.expected is None
    update_total(total, rows, 9)
    assert total.expected == 9


def test_the_log_has_a_line_a_crawl_and_one_for_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    display = LogDisplay(Settings({"LOGSTATS_INTERVAL": 7}), logging.getLogger("many"))
    assert display.interval == 7
    rows = [row("a", CrawlPhase.RUNNING, message(1)), row("b", CrawlPhase.DONE, message(2))]
    display.show(rows)
    assert [text.partition(" records")[0] for text in caplog.messages] == [
        "a: running. 1",
        "all: 1 running, 1 done. 3",
    ]
    caplog.clear()
    display.show([row(str(n), CrawlPhase.RUNNING, message(1)) for n in range(MAX_LINES + 1)])
    [line] = caplog.messages
    assert line.startswith("all: 11 running. 11 records done")
    caplog.clear()
    display.show([row("a", CrawlPhase.DONE), row("b", CrawlPhase.WAITING)])
    assert caplog.messages == []

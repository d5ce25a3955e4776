"""What summary.json and the last lines of a crawl say of a run."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings

from imgcrawl.crawl.run import Run
from imgcrawl.crawl.summary import exit_status_of, format_summary, summarize, write_summary
from imgcrawl.records.exit_status import ExitStatus, describe_status
from imgcrawl.records.items import ImageItem, Missing, Result, Stored, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path / "out")
    yield run
    run.close()


def fill(run: Run, results: dict[str, Result], **more: Any) -> None:
    """Give each record its result: those whose id begins with "c" are candidates of class n1."""

    async def crawl() -> None:
        if any(record_id.startswith("c") for record_id in results):
            run.records.open_quota(Quota("n1", 3))
        for record_id, result in results.items():
            quota = "n1" if record_id.startswith("c") else None
            item = ImageItem(record_id, [result.url or ""], record_id, quota=quota, **more)
            run.in_flight.start(item)
            run.records.look_up(item)
            run.records.finish(item, result)
        run.recorder.flush()

    asyncio.run(crawl())


def stored(name: str, size: int = 10) -> Stored:
    return Stored(f"{name}.jpg", "http://a.org/", sha256=name, bytes=size)


def missing(outcome: Outcome, url: str = "http://a.org/x") -> Missing:
    return Missing(outcome, "why", url)


def made(run: Run, reason: str = "finished") -> dict[str, Any]:
    spider = SimpleNamespace(arguments_given={"list": "https://me:secret@a.org/list.csv"})
    settings = Settings({"INSECURE_TLS_HOSTS": "old.example"})
    crawler: Any = SimpleNamespace(
        spider=spider, spidercls=SimpleNamespace(name="urls"), settings=settings
    )
    return summarize(run, crawler, reason, exit_status_of(run, reason, None))


def test_the_sums_are_those_of_the_ledger(run: Run) -> None:
    fill(
        run,
        {
            "a": stored("a"),
            "b": stored("b", 5),
            "d": missing(Outcome.DNS, "http://gone.org/1"),
            "e": missing(Outcome.NOT_FOUND),
            "f": missing(Outcome.NOT_FOUND),
        },
    )
    run.counts.expected = 5
    summary = made(run)
    assert summary["insecure_tls_hosts"] == ["old.example"]
    assert "hosts were not verified: old.example." in format_summary(summary, "out")
    assert summary["records"] == {"stored": 2, "missing": 3, "expected": 5}
    assert summary["bytes"] == 15
    assert summary["missing_by_reason"] == {"dns": 1, "not_found": 2}
    assert summary["missing_by_host"] == {"a.org": {"not_found": 2}, "gone.org": {"dns": 1}}
    assert summary["this_run"]["outcomes"] == {"dns": 1, "not_found": 2, "stored": 2}
    assert summary["exit_status"] == ExitStatus.SOME_MISSING
    assert "classes" not in summary


def test_what_cannot_be_read_is_missing(run: Run) -> None:
    async def crawl() -> None:
        run.records.unreadable(Unreadable("list.csv, row 2", "no URL"))
        run.recorder.flush()

    asyncio.run(crawl())
    assert made(run)["missing_by_reason"] == {"bad_url": 1}
    assert made(run)["records"]["missing"] == 1


def test_candidates_are_not_missing_but_their_class_may_be_short(run: Run) -> None:
    fill(run, {"c1": stored("c1"), "c2": missing(Outcome.NOT_FOUND), "a": stored("a")})
    summary = made(run)
    assert summary["records"] == {"stored": 2, "missing": 2, "expected": None}
    assert summary["classes"] == {"wanted": 1, "complete": 0, "short": {"n1": 2}, "replaced": 1}
    assert "0 of 1 classes are complete; 1 candidates failed" in format_summary(summary, "out")


def test_secrets_of_arguments_are_left_out_and_the_file_can_be_read(run: Run) -> None:
    summary = made(run)
    write_summary(run, summary)
    text = (run.out.root / "summary.json").read_text("utf-8")
    assert json.loads(text) == summary
    assert "secret" not in text


def test_the_last_lines_say_what_to_do(run: Run) -> None:
    fill(run, {"a": stored("a"), "b": missing(Outcome.NOT_FOUND)})
    lines = format_summary(made(run), "data/urls")
    assert "1 stored (10 bytes), 1 missing." in lines
    assert "1 not_found (not tried again unless -a retry=all)" in lines
    assert "data/urls/failures.csv." in lines
    assert "again retries" not in lines
    fill(run, {"d": missing(Outcome.DNS)})
    assert "The same command again retries what may still be had." in format_summary(made(run), "x")
    run.fail("the source is gone")
    assert format_summary(made(run), "x").startswith("Stopped: the source is gone\n")


def test_records_of_earlier_runs_are_told_apart(tmp_path: Path) -> None:
    results: dict[str, Result] = {"a": stored("a"), "b": missing(Outcome.NOT_FOUND)}
    first = Run(tmp_path / "out")
    fill(first, results)
    first.close()
    second = Run(tmp_path / "out")
    fill(second, results, unchanged=True)
    summary = made(second)
    second.close()
    assert summary["records"] == {"stored": 1, "missing": 1, "expected": None}
    run = summary["this_run"]
    assert (run["outcomes"], run["already_there"], run["not_tried_again"]) == ({}, 1, 1)
    assert "1 already there, 1 not tried again" in format_summary(summary, "x")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "all stored"),
        (1, "stopped"),
        (2, "wrong arguments"),
        (3, "finished, some missing"),
        (130, "stopped by SIGINT"),
        (143, "stopped by SIGTERM"),
        (255, "stopped by signal 127"),
        (9, "exit status 9"),
    ],
)
def test_an_exit_status_is_described(status: int, words: str) -> None:
    assert describe_status(status) == words


def test_a_signal_is_said(run: Run) -> None:
    summary = made(run, "shutdown") | {"exit_status": exit_status_of(run, "shutdown", 15)}
    assert format_summary(summary, "x").startswith("Stopped by a signal.")

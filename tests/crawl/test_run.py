"""A run's bookkeeping: what is counted, written down, taken back."""

from __future__ import annotations

import asyncio
import csv
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.crawl.run import Run
from imgcrawl.crawl.summary import exit_status_of
from imgcrawl.records.errors import OutputError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.items import ImageItem, Item, Missing, Result, Stored, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

URL = "http://a.org/1"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path / "out")
    yield run
    run.close()


def item(record_id: str, **more: Any) -> ImageItem:
    return ImageItem(record_id, [URL], f"images/{record_id}", **more)


def stored(run: Run, name: str, body: bytes = b"picture") -> Stored:
    path = run.out.root / "images" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    return Stored(f"images/{name}", URL, URL, "ab", len(body))


def finish(run: Run, each: Item, result: Result) -> None:
    run.in_flight.start(each)
    run.records.look_up(each)
    each.result = result
    run.records.finish(each, result)


def in_loop(function: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(function())  # type: ignore[arg-type]


def test_a_record_is_counted_written_and_let_go(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a"), stored(run, "a.jpg"))
        finish(run, item("b"), Missing(Outcome.NOT_FOUND, "HTTP 404", URL, 404, 1))
        run.recorder.flush()

    in_loop(crawl)
    assert (run.counts.stored, run.counts.missing, run.counts.bytes) == (1, 1, 7)
    assert len(run.in_flight) == 0
    assert run.ledger.counts() == {"stored": 1, "not_found": 1}
    with (run.out.root / "failures.csv").open(newline="") as file:
        assert [row["record_id"] for row in csv.DictReader(file)] == ["b"]


def test_an_unchanged_record_is_counted_and_not_written_again(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a", metadata={"x": 1, "phash": "f0"}), stored(run, "a.jpg"))
        before = run.recorder.get("a")
        again = item("a", metadata={"x": 1}, unchanged=True)
        finish(run, again, stored(run, "a.jpg"))
        assert again.metadata["phash"] == "f0"  # made once, kept
        assert run.recorder.get("a") is before

    in_loop(crawl)
    assert (run.counts.stored, run.counts.unchanged, run.counts.not_retried) == (1, 1, 0)


def test_new_columns_of_an_unchanged_record_are_written(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a"), stored(run, "a.jpg"))
        before = run.recorder.get("a")
        finish(run, item("a", metadata={"x": 2}, unchanged=True), stored(run, "a.jpg"))
        now = run.recorder.get("a")
        assert before is not None
        assert now is not None
        assert now.metadata == {"x": 2}
        assert now.last_try_at == before.last_try_at

    in_loop(crawl)


def test_a_record_that_is_found_after_all_is_counted_once(run: Run) -> None:
    async def crawl() -> None:
        gone = Missing(Outcome.NOT_FOUND, "HTTP 404", URL, 404, 1)
        finish(run, item("a"), gone)
        finish(run, item("a", previous_failure=gone), stored(run, "a.jpg"))

    in_loop(crawl)
    assert run.counts.outcomes.total() == 1
    assert run.counts.stored == 1


def test_a_revoked_record_loses_its_file_and_its_count(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a"), stored(run, "a.jpg"))
        entry = run.recorder.get("a")
        assert entry is not None
        assert isinstance(entry.result, Stored)
        run.records.revoke(entry, entry.result.as_missing(Outcome.PLACEHOLDER, "no photograph"))
        now = run.recorder.get("a")
        assert now is not None
        assert now.result.outcome is Outcome.PLACEHOLDER

    in_loop(crawl)
    assert not (run.out.root / "images/a.jpg").exists()
    assert (run.counts.stored, run.counts.missing, run.counts.bytes) == (0, 1, 0)


def test_a_class_counts_its_candidates(run: Run) -> None:
    async def crawl() -> None:
        quota = Quota("n1", 2)
        run.records.open_quota(quota)
        finish(run, item("a", quota="n1"), stored(run, "a.jpg"))
        finish(run, item("b", quota="n1"), Missing(Outcome.NOT_FOUND, url=URL))
        assert quota.room == 1
        assert (run.counts.done, run.counts.missing, run.counts.replaced) == (1, 0, 1)
        entry = run.recorder.get("a")
        assert entry is not None
        run.records.revoke(entry, Missing(Outcome.DUPLICATE, url=URL))
        assert quota.room == 2
        assert run.counts.replaced == 2

    in_loop(crawl)


def test_a_record_under_a_new_id_takes_the_place_of_the_missing_one(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a/mask"), Missing(Outcome.NOT_FOUND, url=URL))
        run.recorder.flush()
        finish(run, item("a/mask/1", replaces="a/mask"), stored(run, "m.png"))
        run.recorder.flush()

    in_loop(crawl)
    assert run.ledger.counts() == {"stored": 1}


def test_a_full_disk_ends_the_run(run: Run) -> None:
    stopped: list[bool] = []
    run.on_stop(lambda: stopped.append(True))

    async def crawl() -> None:
        finish(run, item("a"), Missing(Outcome.DISK_FULL, "no space", URL))
        finish(run, item("b"), Missing(Outcome.DISK_FULL, "no space", URL))

    in_loop(crawl)
    assert "is full" in (run.error or "")
    assert stopped == [True]


def test_the_first_error_is_the_one_that_is_kept(run: Run) -> None:
    run.fail("first")
    run.fail("second")
    assert run.error == "first"


def test_a_url_that_another_record_had_is_known(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a"), stored(run, "a.jpg"))
        assert run.records.same_url(item("a")) is None  # its own
        there = run.records.same_url(item("b"))
        assert isinstance(there, Stored)
        (run.out.root / "images/a.jpg").unlink()
        assert run.records.same_url(item("b")) is None
        finish(
            run,
            ImageItem("c", ["http://gone.org/"], "c"),
            Missing(Outcome.DNS, "", "http://gone.org/"),
        )
        failed = run.records.same_url(ImageItem("d", ["http://gone.org/"], "d"))
        assert isinstance(failed, Missing)
        assert run.records.same_url(ImageItem("d", ["http://gone.org/", URL], "d")) is None

    in_loop(crawl)


def test_the_exit_status_says_what_the_run_came_to(run: Run) -> None:
    async def crawl() -> None:
        finish(run, item("a"), stored(run, "a.jpg"))
        run.recorder.flush()
        assert exit_status_of(run, "finished", None) == ExitStatus.COMPLETE
        run.records.unreadable(Unreadable("list.csv, line 3", "no URL"))
        run.recorder.flush()
        assert exit_status_of(run, "finished", None) == ExitStatus.SOME_MISSING
        assert exit_status_of(run, "shutdown", None) == ExitStatus.FAILED
        assert exit_status_of(run, "finished", 15) == 143
        run.fail("the source is gone")
        assert exit_status_of(run, "finished", None) == ExitStatus.FAILED

    in_loop(crawl)


def test_a_class_that_is_short_is_some_missing(run: Run) -> None:
    async def crawl() -> None:
        run.records.open_quota(Quota("n1", 2))
        finish(run, item("a", quota="n1"), stored(run, "a.jpg"))
        finish(run, item("b", quota="n1"), Missing(Outcome.NOT_FOUND, url=URL))
        run.recorder.flush()

    in_loop(crawl)
    assert exit_status_of(run, "finished", None) == ExitStatus.SOME_MISSING


def test_one_out_is_of_one_run_at_a_time(run: Run) -> None:
    with pytest.raises(OutputError, match="another"):
        Run(run.out.root)


def test_only_a_run_that_was_cut_off_leaves_something_to_recover(tmp_path: Path) -> None:
    first = Run(tmp_path)
    assert not first.recovering
    first.close(whole=False)
    second = Run(tmp_path)
    assert second.recovering
    second.close()
    third = Run(tmp_path)
    assert not third.recovering
    third.close()

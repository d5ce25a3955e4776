"""The pipelines that compare a record with the ledger and with others in flight, each alone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from scrapy.exceptions import DropItem, NotConfigured
from scrapy.settings import Settings

from imgcrawl.crawl.run import Run
from imgcrawl.records.items import FileItem, ImageItem, Item, Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from pipelines.distinct import DistinctPipeline
from pipelines.metadata import MetadataPipeline
from pipelines.placeholders import PlaceholdersPipeline
from pipelines.resume import ResumePipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from pipelines.base import RunPipeline

P = TypeVar("P", bound="RunPipeline")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


def opened(pipeline: type[P], run: Run, **own: Any) -> P:
    crawler: Any = SimpleNamespace(
        settings=Settings({"OUT": "unused", **own}),
        get_extension=lambda _: SimpleNamespace(run=run),
    )
    made = pipeline.from_crawler(crawler)
    made.open_spider()
    return made


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def item(record_id: str, **more: Any) -> ImageItem:
    return ImageItem(record_id, [f"http://a.org/{record_id}"], f"images/{record_id}", **more)


def store(run: Run, each: Item, sha256: str = "ab", host: str = "a.org") -> Item:
    """Give an item in flight a file, as if it had just been fetched."""
    run.in_flight.start(each)
    run.records.look_up(each)
    path = run.out.root / f"{each.path}.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"12345")
    url = each.urls[0]
    each.result = Stored(f"{each.path}.jpg", url, f"http://{host}/x", sha256, 5)
    return each


def finish(run: Run, each: Item) -> None:
    assert each.result is not None
    run.records.finish(each, each.result)


def outcome(each: Item) -> Outcome | None:
    return each.result.outcome if each.result else None


def is_there(run: Run, each: Item) -> bool:
    return (run.out.root / f"{each.path}.jpg").exists()


# --- resume -----------------------------------------------------------------------------------


def test_a_record_in_flight_is_not_started_again(run: Run) -> None:
    async def test() -> None:
        resume = opened(ResumePipeline, run)
        first = await resume.process_item(item("a"))
        with pytest.raises(DropItem, match="a is in flight already"):
            await resume.process_item(item("a"))
        finish(run, store(run, first))
        again = await resume.process_item(item("a"))
        assert again.unchanged
        assert again.result == first.result

    in_loop(test)


def test_a_stored_file_that_has_gone_is_fetched_again(run: Run) -> None:
    async def test() -> None:
        resume = opened(ResumePipeline, run)
        finish(run, store(run, item("a")))
        (run.out.root / "images/a.jpg").unlink()
        again = await resume.process_item(item("a"))
        assert (again.unchanged, again.result) == (False, None)

    in_loop(test)


@pytest.mark.parametrize(
    ("reason", "retry", "done"),
    [
        (Outcome.NOT_FOUND, None, True),
        (Outcome.TIMEOUT, None, False),
        (Outcome.NOT_FOUND, "all", False),
        (Outcome.TIMEOUT, "none", True),
        (Outcome.NOT_FOUND, "not_found", False),
        (Outcome.TIMEOUT, "not_found", True),
    ],
)
def test_a_missing_record_is_tried_again_if_that_may_help(
    run: Run, reason: Outcome, retry: str | None, done: bool
) -> None:
    async def test() -> None:
        resume = opened(ResumePipeline, run, RETRY=retry)
        first = await resume.process_item(item("a"))
        first.result = Missing(reason, "why", first.urls[0])
        finish(run, first)
        again = await resume.process_item(item("a"))
        assert again.unchanged is done

    in_loop(test)


def test_two_records_with_the_same_path_get_two(run: Run) -> None:
    async def test() -> None:
        resume = opened(ResumePipeline, run)
        first = await resume.process_item(ImageItem("a", ["http://a.org/"], "images/X"))
        second = await resume.process_item(ImageItem("b", ["http://b.org/"], "images/x"))
        named = await resume.process_item(FileItem("c", ["http://c.org/"], "d/x.tif"))
        other = await resume.process_item(FileItem("d", ["http://d.org/"], "d/X.tif"))
        assert first.path == "images/X"
        assert second.path.startswith("images/x~")
        assert named.path == "d/x.tif"
        assert other.path.startswith("d/X~")
        assert other.path.endswith(".tif")
        run.in_flight.ended(first)  # dropped, and not written: the path is free again
        third = await resume.process_item(ImageItem("e", ["http://e.org/"], "images/X"))
        assert third.path == "images/X"

    in_loop(test)


def test_a_name_that_cannot_be_used_is_said(run: Run) -> None:
    async def test() -> None:
        bad = await opened(ResumePipeline, run).process_item(ImageItem("a", ["http://a.org/"], ""))
        assert outcome(bad) is Outcome.BAD_URL

    in_loop(test)


def test_a_killed_runs_file_is_found_again(tmp_path: Path) -> None:
    async def test() -> None:
        before = Run(tmp_path)
        store(before, item("a"))
        before.close(whole=False)
        run = Run(tmp_path)
        resume = opened(ResumePipeline, run)
        assert (await resume.process_item(item("a"))).recovered_file == tmp_path / "images/a.jpg"
        assert (await resume.process_item(item("b"))).recovered_file is None
        run.close()

    in_loop(test)


# --- distinct ---------------------------------------------------------------------------------


def distinct(run: Run) -> DistinctPipeline:
    run.records.open_quota(Quota("n1", 9))
    run.records.open_quota(Quota("n2", 9))
    return opened(DistinctPipeline, run, DISTINCT=True)


def test_of_two_in_flight_the_lower_rank_keeps_its_bytes(run: Run) -> None:
    async def test() -> None:
        pipeline = distinct(run)
        late = pipeline.process_item(store(run, item("late", quota="n1", rank=2)))
        early = pipeline.process_item(store(run, item("early", quota="n1", rank=1)))
        later = pipeline.process_item(store(run, item("later", quota="n1", rank=3)))
        other = pipeline.process_item(store(run, item("other", quota="n2", rank=9)))
        promised = pipeline.process_item(store(run, item("promised")))
        assert [outcome(each) for each in (late, early, later, other, promised)] == [
            *(Outcome.DUPLICATE, Outcome.STORED, Outcome.DUPLICATE),
            *(Outcome.STORED, Outcome.STORED),
        ]
        assert [is_there(run, each) for each in (late, early, later)] == [False, True, False]

    in_loop(test)


def test_what_was_written_before_gives_way_to_a_lower_rank(run: Run) -> None:
    async def test() -> None:
        pipeline = distinct(run)
        first = pipeline.process_item(store(run, item("first", quota="n1", rank=5)))
        finish(run, first)
        higher = pipeline.process_item(store(run, item("higher", quota="n1", rank=6)))
        assert outcome(higher) is Outcome.DUPLICATE
        finish(run, higher)
        lower = pipeline.process_item(store(run, item("lower", quota="n1", rank=4)))
        assert outcome(lower) is Outcome.STORED
        entry = run.recorder.get("first")
        assert entry is not None
        assert entry.result.outcome is Outcome.DUPLICATE
        assert not is_there(run, first)
        finish(run, lower)
        assert run.records.quotas["n1"].stored == 1

    in_loop(test)


def test_nobody_asked_for_distinct_pictures(run: Run) -> None:
    with pytest.raises(NotConfigured):
        opened(DistinctPipeline, run)


# --- placeholders -----------------------------------------------------------------------------


def test_the_same_bytes_from_three_urls_of_a_host_are_a_placeholder(run: Run) -> None:
    async def test() -> None:
        pipeline = opened(PlaceholdersPipeline, run, PLACEHOLDER_REPEATS=3)
        written = pipeline.process_item(store(run, item("written")))
        finish(run, written)
        flying = pipeline.process_item(store(run, item("flying")))
        elsewhere = pipeline.process_item(store(run, item("elsewhere"), host="b.org"))
        different = pipeline.process_item(store(run, item("different"), sha256="cd"))
        assert outcome(flying) is Outcome.STORED
        third = pipeline.process_item(store(run, item("third")))
        assert outcome(flying) is Outcome.PLACEHOLDER
        assert outcome(third) is Outcome.PLACEHOLDER
        entry = run.recorder.get("written")
        assert entry is not None
        assert entry.result.outcome is Outcome.PLACEHOLDER
        assert not any(is_there(run, each) for each in (written, flying, third))
        assert outcome(elsewhere) is outcome(different) is Outcome.STORED
        for each in (flying, third):
            finish(run, each)
        # Now that it is known, the next is one at once.
        fourth = pipeline.process_item(store(run, item("fourth")))
        assert outcome(fourth) is Outcome.PLACEHOLDER

    in_loop(test)


def test_one_url_is_no_pattern_however_often_it_is_listed(run: Run) -> None:
    async def test() -> None:
        pipeline = opened(PlaceholdersPipeline, run, PLACEHOLDER_REPEATS=2)
        for name in "abc":
            one = ImageItem(name, ["http://a.org/same"], name)
            assert outcome(pipeline.process_item(store(run, one))) is Outcome.STORED

    in_loop(test)


def test_spellings_of_one_url_are_no_pattern(run: Run) -> None:
    async def test() -> None:
        pipeline = opened(PlaceholdersPipeline, run, PLACEHOLDER_REPEATS=3)
        urls = ["http://a.org/p.jpg", "https://www.a.org/p.jpg?v=2", "http://a.org/p.jpg#xywh=1"]
        for name, url in zip("abc", urls, strict=True):
            one = ImageItem(name, [url], name)
            assert outcome(pipeline.process_item(store(run, one))) is Outcome.STORED

    in_loop(test)


def test_a_pattern_goes_over_several_runs(tmp_path: Path) -> None:
    async def test() -> None:
        for number, name in enumerate(["a", "b", "a", "c", "d"]):
            run = Run(tmp_path)
            pipeline = opened(PlaceholdersPipeline, run, PLACEHOLDER_REPEATS=3)
            each = pipeline.process_item(store(run, item(name)))
            finish(run, each)
            run.recorder.flush()
            # A record that is fetched again under a fresh address has still one.
            assert outcome(each) is (Outcome.STORED if number < 3 else Outcome.PLACEHOLDER)
            if number == 3:
                found = {e.record_id: e.result.outcome for e in run.ledger.entries(Outcome)}
                assert found == dict.fromkeys("abc", Outcome.PLACEHOLDER)
            run.close()

    in_loop(test)


def test_a_record_counts_once_however_often_its_address_changes(run: Run) -> None:
    async def test() -> None:
        pipeline = opened(PlaceholdersPipeline, run, PLACEHOLDER_REPEATS=3)
        for url in ("/1?sig=a", "/2?sig=a", "/1?sig=b", "/1?sig=c"):
            one = ImageItem(url[:2], [f"http://a.org{url}"], url[1:2])
            finish(run, pipeline.process_item(store(run, one)))
            assert outcome(one) is Outcome.STORED

    in_loop(test)


# --- metadata ---------------------------------------------------------------------------------


def test_the_last_pipeline_gives_each_item_its_outcome(run: Run) -> None:
    async def test() -> None:
        pipeline = opened(MetadataPipeline, run)
        noted = ImageItem("noted", [], "noted", {"x": 1})
        nobody = item("nobody")
        hinted = item("hinted", hint="its archive has another", result=Missing(Outcome.DNS, "why"))
        for each in (noted, nobody, hinted):
            run.in_flight.start(each)
            pipeline.process_item(each)
        run.recorder.flush()
        found = {each.record_id: each.result for each in run.ledger.entries(frozenset(Outcome))}
        assert found["noted"].outcome is Outcome.STORED
        assert found["nobody"].outcome is Outcome.BAD_URL
        assert getattr(found["hinted"], "message", "") == "why; its archive has another"
        assert len(run.in_flight) == 0

    in_loop(test)

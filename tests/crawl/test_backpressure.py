"""What stands between a spider's stream and the pipelines, with both of them played by the test."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from scrapy import signals
from scrapy.exceptions import CloseSpider
from scrapy.settings import Settings
from scrapy.signalmanager import SignalManager

from imgcrawl.crawl.backpressure import Backpressure
from imgcrawl.crawl.in_flight import AlreadyInFlight
from imgcrawl.crawl.run import Run
from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Bookmark, Expects, ImageItem, Item, Missing, Read, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path


class Crawl:
    """A crawl without an engine: `taken` are the items that have come out of the middleware."""

    def __init__(self, run: Run, **own: Any) -> None:
        self.run = run
        self.taken: list[Item] = []
        self.drawn = 0
        self.left: asyncio.Event | None = None  # until when items stay in the pipelines
        self.bookmarks: dict[str, str] = {}
        settings = Settings({"OUT": "unused", "ITEMS_IN_FLIGHT": 4, "ITEMS_AHEAD": 2})
        settings.setdict({"ITEMS_IN_FLIGHT_PER_HOST": 3, "SHARD_BY": "record", **own})
        self.crawler: Any = SimpleNamespace(
            settings=settings,
            signals=SignalManager(),
            spider=SimpleNamespace(),
            spidercls=SimpleNamespace(name="fake"),
            engine=SimpleNamespace(
                scraper=SimpleNamespace(slot=None, start_itemproc_async=self.take),
                downloader=SimpleNamespace(),
            ),
            get_extension=lambda _: SimpleNamespace(run=run),
        )

    async def start(self, outputs: list[Any]) -> AsyncIterator[Any]:
        for output in outputs:
            if isinstance(output, Exception):
                raise output
            self.drawn += 1
            yield output

    async def crawl(self, outputs: list[Any]) -> None:
        """Draw items to the end; nothing finishes them but `finish`."""
        middleware = Backpressure.from_crawler(self.crawler)
        async for request in middleware.process_start(self.start(outputs)):
            raise AssertionError(request)

    async def take(self, item: Item, *, response: None) -> None:
        """Stand in for Scrapy's scraper: the pipelines have the item, and leave it to `finish`."""
        self.taken.append(item)
        if self.left is not None:
            await self.left.wait()

    def finish(self, item: Item, outcome: Outcome = Outcome.NOT_FOUND) -> None:
        self.run.in_flight.start(item)
        self.run.records.look_up(item)
        self.run.records.finish(item, Missing(outcome, url=item.urls[0]))

    def signal(self, signal: object, item: Item, **more: Any) -> None:
        self.crawler.signals.send_catch_log(signal, item=item, **more)

    async def finish_all(self, task: asyncio.Task[None]) -> None:
        done = 0
        while not task.done():
            for item in self.taken[done:]:
                self.finish(item)
                done += 1
            await asyncio.sleep(0)
        await task


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


def item(number: int, host: str = "a.org", **more: Any) -> ImageItem:
    return ImageItem(f"{host}/{number}", [f"http://{host}/{number}"], f"{host}/{number}", **more)


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)  # the ledger is looked through in a thread


def test_the_spider_is_drawn_from_no_faster_than_records_end(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        task = asyncio.create_task(crawl.crawl([item(n) for n in range(20)]))
        await settled()
        assert len(crawl.taken) == 3  # of one host
        assert crawl.drawn == 6  # two wait, and the next is held
        crawl.finish(crawl.taken[0])
        await settled()
        assert len(crawl.taken) == 4
        assert crawl.drawn == 7
        await crawl.finish_all(task)
        assert len(crawl.taken) == 20
        assert len(run.in_flight) == 0

    in_loop(test)


def test_the_crawl_stays_open_until_the_last_record_has_ended(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        task = asyncio.create_task(crawl.crawl([item(1)]))
        await settled()
        assert not task.done()
        crawl.finish(crawl.taken[0])
        await task

    in_loop(test)


def test_the_stream_ends_when_the_last_item_has_left_the_pipelines(run: Run) -> None:
    """A record is written down a moment before: the engine's next look is five seconds later."""

    async def test() -> None:
        crawl = Crawl(run)
        left = crawl.left = asyncio.Event()
        task = asyncio.create_task(crawl.crawl([item(1)]))
        await settled()
        crawl.finish(crawl.taken[0])
        await settled()
        assert not task.done()
        left.set()
        await asyncio.wait_for(task, 1)

    in_loop(test)


def test_a_dropped_item_frees_its_place_and_not_the_record(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        task = asyncio.create_task(crawl.crawl([item(1), item(1)]))
        await settled()
        first, second = crawl.taken
        assert run.in_flight.start(first)
        assert not run.in_flight.start(second)
        crawl.signal(signals.item_dropped, second, exception=AlreadyInFlight("twice"))
        await settled()
        assert not task.done()
        assert not run.in_flight.start(item(1))
        crawl.finish(first)
        crawl.signal(signals.item_scraped, first)
        await task

    in_loop(test)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([item(1), item(2), Unreadable("line 3", "x"), Read(3, 2, 1)], None),
        ([item(1), item(2), Unreadable("line 3", "x"), Read(4, 3, 1)], "of 3 records and 1 "),
        ([item(1), Unreadable("line 3", "x"), Read(3, 1, 2)], "of 1 records and 2 unreadable"),
        ([item(1), item(1), Read(2, 2, 0)], "2 and 0 were handed on, and 1 and 0 are in"),
        ([item(1), *[Unreadable("line 3", "x")] * 2, Read(3, 1, 2)], "and 1 and 1 are in"),
    ],
)
def test_a_sum_that_is_not_right_fails_the_run(
    outputs: list[Any], words: str | None, run: Run
) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        await crawl.finish_all(asyncio.create_task(crawl.crawl(outputs)))

    with suppress(CloseSpider):
        in_loop(test)
    assert (run.error is None) is (words is None)
    assert (words or "") in (run.error or "")


def test_an_item_whose_pipeline_failed_is_interrupted(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        task = asyncio.create_task(crawl.crawl([item(1)]))
        await settled()
        fault = SimpleNamespace(value=KeyError("x"))
        crawl.signal(signals.item_error, crawl.taken[0], failure=fault)
        await task
        entry = run.recorder.get("a.org/1")
        assert entry is not None
        assert entry.result.outcome is Outcome.INTERRUPTED
        assert "KeyError" in getattr(entry.result, "message", "")

    in_loop(test)


def test_a_bookmark_is_committed_after_the_records_before_it(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        outputs = [item(1), item(2), Bookmark("page", "2"), item(3)]
        task = asyncio.create_task(crawl.crawl(outputs))
        await settled()
        one, two, three = crawl.taken
        for each in (three, one):
            crawl.finish(each)
            run.recorder.flush()
            assert run.ledger.bookmarks() == {}
        crawl.finish(two)
        run.recorder.flush()
        assert run.ledger.bookmarks() == {"page": "2"}
        await task

    in_loop(test)


def test_what_an_earlier_run_left_comes_first(tmp_path: Path) -> None:
    async def before() -> None:
        run = Run(tmp_path)
        crawl = Crawl(run)
        crawl.finish(item(1), Outcome.TIMEOUT)
        crawl.finish(item(2), Outcome.NOT_FOUND)
        run.recorder.close()
        run.close()

    async def test() -> None:
        run = Run(tmp_path)
        crawl = Crawl(run)
        await crawl.finish_all(asyncio.create_task(crawl.crawl([item(3)])))
        assert [each.record_id for each in crawl.taken] == ["a.org/1", "a.org/3"]
        run.close()

    in_loop(before)
    in_loop(test)


def test_a_stop_forgets_what_waits_and_ends_after_what_is_in_flight(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        task = asyncio.create_task(crawl.crawl([item(n) for n in range(20)]))
        await settled()
        run.fail("the disk is full")
        await settled()
        assert not task.done()
        with pytest.raises(CloseSpider):
            await crawl.finish_all(task)
        assert len(crawl.taken) <= 4  # those in flight, and one that was being handed over

    in_loop(test)


def test_a_source_that_fails_ends_the_run_after_what_it_promised(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        outputs = [item(1), SourceError("page 2 answers HTTP 500")]
        task = asyncio.create_task(crawl.crawl(outputs))
        with pytest.raises(CloseSpider):
            await crawl.finish_all(task)
        assert len(crawl.taken) == 1
        assert run.error == "page 2 answers HTTP 500"

    in_loop(test)


def test_a_shard_has_its_own_records_and_classes(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run, SHARD=(1, 2))
        rows = [Unreadable(f"row {n}", "no URL") for n in range(20)]
        classes = [Quota(f"n{n}", 3) for n in range(20)]
        outputs = [*(item(n) for n in range(20)), *classes, *rows]
        await crawl.finish_all(asyncio.create_task(crawl.crawl(outputs)))
        ids = [each.record_id for each in crawl.taken]
        assert ids == [f"a.org/{n}" for n in range(20) if crc32(f"a.org/{n}".encode()) % 2 == 0]
        assert 0 < len(ids) < 20
        mine = [key for key in (f"n{n}" for n in range(20)) if crc32(key.encode()) % 2 == 0]
        assert 0 < len(mine) < 20
        assert list(run.records.quotas) == mine
        assert [each.key for each in classes if each.wanted] == mine
        assert run.counts.outcomes[Outcome.BAD_URL] == sum(
            crc32(row.where.encode()) % 2 == 0 for row in rows
        )

    in_loop(test)


def test_a_candidate_that_ended_makes_room_in_its_class(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        quota = Quota("n1", 1)
        quota.hand_out()
        task = asyncio.create_task(crawl.crawl([quota, item(1, quota="n1")]))
        await settled()
        assert quota.room == 0
        crawl.finish(crawl.taken[0])
        assert quota.room == 1
        await task

    in_loop(test)


def test_what_the_source_promises_is_summed_up(run: Run) -> None:
    async def test() -> None:
        crawl = Crawl(run)
        await crawl.crawl([Expects(3, 100), Expects(4), Expects(None, 50)])
        assert (run.counts.expected, run.counts.expected_bytes) == (7, 150)

    in_loop(test)


def test_what_is_no_item_is_a_fault_of_the_spider(run: Run) -> None:
    async def test() -> None:
        with pytest.raises(CloseSpider):
            await Crawl(run).crawl(["no item"])
        assert "The spider fake failed: " in (run.error or "")

    in_loop(test)

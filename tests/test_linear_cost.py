"""A record costs what it costs, however many others have the same picture, URL, class or host.

Each part does its work for n records and for 4n, of which all are alike in one thing or none are.
CPU time is compared, the least of a few rounds. A loop over all that are alike makes it four times
as much a record.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings

from imgcrawl.crawl.ledger_queues import WaybackQueue
from imgcrawl.crawl.run import Run
from imgcrawl.dataset.duplicates import write_duplicates
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.files import LocalFiles
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.linkrot import write_link_rot
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.metadata_table import write_metadata
from imgcrawl.dataset.near_duplicates import NearDuplicates
from imgcrawl.dataset.tables import (
    write_attribution,
    write_classes,
    write_failures,
)
from imgcrawl.dataset.verify import Problem, Verification
from imgcrawl.records.items import ImageItem, Item, Missing, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.quotas import Quota
from imgcrawl.storage.directory import DUPLICATES, LEDGER, OutputDirectory
from imgcrawl.text.times import utc_now
from pipelines.distinct import DistinctPipeline
from pipelines.placeholders import PlaceholdersPipeline
from pipelines.resume import ResumePipeline
from spiders.base.candidates import CandidatesSpider
from tests.dataset.entries import missing, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Part = Callable[[Path, int, bool], float]  # a folder, n records, all alike: CPU seconds

ROUNDS = 4
# Times as much a record among four times as many, and beside distinct ones: half of what a loop
# over all makes of it, since other work on the machine and its caches cost up to the half more.
MOST = 2.0


class _Cost:
    """The least CPU seconds a record, of several rounds."""

    def __init__(self, part: Part, room: Path) -> None:
        self._part, self._room, self._number = part, room, 0
        self._least: dict[tuple[int, bool], float] = {}

    def measure(self, n: int, *, alike: bool) -> float:
        """Measure once more, and return the least until now."""
        self._number += 1
        folder = self._room / str(self._number)
        folder.mkdir()
        cost = self._part(folder, n, alike) / n
        self._least[n, alike] = min(cost, self._least.get((n, alike), cost))
        return self._least[n, alike]


def _crawled(
    folder: Path,
    n: int,
    pipeline: type[PlaceholdersPipeline | DistinctPipeline],
    make: Callable[[int], ImageItem],
    sha: str,
) -> float:
    """Bring n fetched records to their rows, through one pipeline; an empty `sha`: all different.

    With "gone" none is there.
    """
    with closing(Run(folder / "out")) as run:
        run.records.open_quota(Quota("class", n))
        settings = Settings({"OUT": "unused", "DISTINCT": True, "PLACEHOLDER_REPEATS": 3})
        crawler: Any = SimpleNamespace(
            settings=settings, get_extension=lambda _: SimpleNamespace(run=run)
        )
        made, resume = pipeline.from_crawler(crawler), ResumePipeline.from_crawler(crawler)
        made.open_spider()
        resume.open_spider()
        (run.out.root / "images").mkdir()

        async def crawl() -> None:
            for number in range(n):
                item = await resume.process_item(make(number))
                name, url = f"{item.path}.jpg", item.urls[0]
                there = run.records.same_url(item)
                assert sha != "gone" or (there is not None) == (number > 0)
                (run.out.root / name).write_bytes(b"12345")
                item.result = Stored(name, url, url, sha or f"{number:064}", 5)
                if sha == "gone":
                    item.result = Missing(Outcome.NOT_FOUND, "HTTP 404", url, 404)
                made.process_item(item)
                assert item.result is not None
                run.records.finish(item, item.result)
            run.recorder.flush()

        before = time.process_time()
        asyncio.run(crawl())
        return time.process_time() - before


def one_picture_of_a_host(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        return ImageItem(f"{number}", [f"http://a.org/{number}"], f"images/{number}")

    return _crawled(folder, n, PlaceholdersPipeline, make, "s" * alike)


def one_picture_of_many_hosts(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        return ImageItem(f"{number}", [f"http://{number // 4}.org/{number}"], f"images/{number}")

    return _crawled(folder, n, PlaceholdersPipeline, make, "s" * alike)


def one_picture_at_one_url(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        return ImageItem(f"{number}", ["http://a.org/x"], f"images/{number}")

    return _crawled(folder, n, PlaceholdersPipeline, make, "s" * alike)


def one_dead_url(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        page = f"#{number}" if alike else f"{number}"
        return ImageItem(f"{number}", [f"http://a.org/x{page}"], f"images/{number}")

    return _crawled(folder, n, PlaceholdersPipeline, make, "gone" * alike)


def one_path(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        path = "images/x" if alike else f"images/{number}"
        return ImageItem(f"{number}", [f"http://a.org/{number}"], path)

    return _crawled(folder, n, PlaceholdersPipeline, make, "")


def one_picture_in_a_class(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        urls = [f"http://a.org/{number}"]
        return ImageItem(f"{number}", urls, f"images/{number}", quota="class", rank=number)

    return _crawled(folder, n, DistinctPipeline, make, "s" * alike)


def one_picture_better_and_better(folder: Path, n: int, alike: bool) -> float:
    def make(number: int) -> ImageItem:
        urls = [f"http://a.org/{number}"]
        return ImageItem(f"{number}", urls, f"images/{number}", quota="class", rank=-number)

    return _crawled(folder, n, DistinctPipeline, make, "s" * alike)


def one_class_in_the_wayback_machine(folder: Path, n: int, alike: bool) -> float:
    with closing(Run(folder / "out")) as run:
        quotas = [Quota("class" if alike else f"class {number}", 1) for number in range(n)]
        items = [
            ImageItem(f"{k:06}", [f"http://a.org/{k}"], f"{k}", quota=each.key)
            for k, each in enumerate(quotas)
        ]
        for each in quotas[: 1 if alike else n]:
            run.records.open_quota(each)
        gone = Missing(Outcome.NOT_FOUND, "HTTP 404", "http://a.org/", 404)
        run.ledger.write(LedgerEntry.from_item(item, gone, utc_now()) for item in items)
        before = time.process_time()
        queue = WaybackQueue(run, n + 1, lambda _: True)
        found = []
        while handed := [*queue.next_round()]:
            found += [item.record_id for item in handed]
            for item in handed:
                run.records.quotas[item.quota or ""].ended()  # nor has the archive got it
        assert found == [item.record_id for item in items]
        return time.process_time() - before


def one_candidate_of_each_class(folder: Path, n: int, alike: bool) -> float:
    """Many classes: each new record looks at none that have ended."""
    quotas = [Quota(f"{number}", 1) for number in range(n)]

    class Spider(CandidatesSpider[Any]):
        name = "classes"

        def quotas(self) -> Iterator[Quota]:
            yield from quotas

        async def candidates(self, quota: Quota) -> Iterator[Item]:
            return iter([ImageItem(quota.key, [], quota.key, quota=quota.key)])

    async def crawl() -> None:
        spider = Spider.__new__(Spider)
        async for output in spider.records():
            if isinstance(output, ImageItem):
                quota = quotas[int(output.record_id)]
                quota.count(1)
                quota.ended()

    before = time.process_time()
    asyncio.run(crawl())
    assert not any(quota.short for quota in quotas)
    return time.process_time() - before


def one_group_in_the_table_of_duplicates(folder: Path, n: int, alike: bool) -> float:
    with closing(OutputDirectory(folder / "out")) as out, closing(Ledger(folder / "db")) as ledger:
        ledger.add_columns(["phash"])
        sums = ["s" if alike else str(number // 2) for number in range(n)]
        ledger.write(stored(f"{n:06}", _sha256=sha, phash="0" * 16) for n, sha in enumerate(sums))
        before = time.process_time()
        write_duplicates(out, ledger)
        cost = time.process_time() - before
        with (out.root / DUPLICATES).open() as table:
            assert sum(1 for _ in table) > n
        return cost


def one_group_of_near_pictures(folder: Path, n: int, alike: bool) -> float:
    random = Random(n)
    hashes = [random.getrandbits(64) for _ in range(n)]
    if alike:  # all within six bits of each other
        hashes = [sum(1 << bit for bit in random.sample(range(64), 3)) for _ in hashes]
    before = time.process_time()
    pictures = ((str(k), str(k), f"{value:016x}") for k, value in enumerate(hashes))
    with closing(NearDuplicates(pictures)) as near:
        assert len([*near.groups()]) <= alike
    return time.process_time() - before


def _of_dataset(name: str, work: Callable[[OutputDirectory, Ledger], object]) -> Part:
    """Return the part of a table or command: of one host, class, owner, picture, or of many."""

    def part(folder: Path, n: int, alike: bool) -> float:
        with closing(OutputDirectory(folder)) as out, closing(Ledger(folder / LEDGER)) as ledger:
            ledger.add_columns(["label", "attribution"])
            for number in range(n):
                own = "" if alike else f"{number}"
                url, quota = f"http://h{own}.org/{number}", f"q{own}"
                there = {"_url": url, "_sha256": f"s{own}", "_file_name": f"images/{number}.jpg"}
                columns = {"label": f"l{own}", "attribution": f"a{own}", "_quota": quota}
                entries = [
                    stored(f"{number:06}", **there, **columns),
                    missing(f"{number:06}x", quota=quota, url=url),
                ]
                ledger.write(entries)
                if number == 0 or not alike:
                    ledger.write_quotas([Quota(quota, 1)])
            write_metadata(out, ledger)
            before = time.process_time()
            work(out, ledger)
            return time.process_time() - before

    part.__name__ = name
    return part


def _verify(out: OutputDirectory, ledger: Ledger) -> None:
    files = LocalFiles(out.root)
    found = Verification(out, files, lambda _: (), threads=1, repair=True).run()
    assert found.files == found.problems[Problem.MISSING]


def _merge(out: OutputDirectory, ledger: Ledger) -> None:
    merge_tables([MergeInput("one", out.root), MergeInput("same", out.root)], out.root / "all")


PARTS: list[tuple[Part, int]] = [
    (_of_dataset("metadata", write_metadata), 150),
    (_of_dataset("failures", write_failures), 150),
    (_of_dataset("classes", write_classes), 150),
    (_of_dataset("attribution", write_attribution), 150),
    (_of_dataset("linkrot", lambda out, _: write_link_rot(out)), 150),
    (_of_dataset("hosts", lambda _, ledger: [*ledger.failed_hosts()]), 150),
    (_of_dataset("verify", _verify), 150),
    (_of_dataset("merge", _merge), 150),
    (one_path, 200),
    (one_picture_of_a_host, 200),
    (one_picture_of_many_hosts, 200),
    (one_picture_at_one_url, 200),
    (one_dead_url, 200),
    (one_picture_in_a_class, 200),
    (one_picture_better_and_better, 200),
    (one_group_in_the_table_of_duplicates, 500),
    (one_class_in_the_wayback_machine, 200),
    (one_candidate_of_each_class, 1500),
]


def test_near_pictures_cost_the_same_among_more(tmp_path: Path) -> None:
    """Distinct ones are compared with none, so that they cost less."""
    cost = _Cost(one_group_of_near_pictures, tmp_path)
    for _ in range(ROUNDS):
        few, many = (cost.measure(size, alike=True) for size in (2000, 8000))
        if many <= MOST * few:
            return
    pytest.fail(f"{few * 1e6:.0f} us a record, {many * 1e6:.0f} of four times as many")


@pytest.mark.parametrize(("part", "n"), PARTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_record_costs_the_same_among_more(tmp_path: Path, part: Part, n: int) -> None:
    cost = _Cost(part, tmp_path)
    for _ in range(ROUNDS):
        few, many = (cost.measure(size, alike=True) for size in (n, 4 * n))
        distinct = cost.measure(4 * n, alike=False)
        if many <= MOST * few and many <= MOST * distinct:
            return
    pytest.fail(
        f"{few * 1e6:.0f} us a record, {many * 1e6:.0f} among four times as many, "
        f"{distinct * 1e6:.0f} among as many distinct ones"
    )

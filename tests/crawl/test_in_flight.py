"""What records in flight hold, and that all of it is let go of at their end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from imgcrawl.crawl.in_flight import Flight, InFlight
from imgcrawl.records.items import Bookmark, ImageItem, Missing, Stored
from imgcrawl.records.outcomes import Outcome

URL = "http://a.org/1"


def item(record_id: str, *urls: str, **more: Any) -> ImageItem:
    return ImageItem(record_id, list(urls or (URL,)), f"images/{record_id}", **more)


@pytest.fixture
def committed() -> list[str]:
    return []


@pytest.fixture
def in_flight(committed: list[str]) -> InFlight:
    return InFlight(lambda bookmark: committed.append(bookmark.key))


def test_a_record_id_is_of_one_item_until_it_ends(in_flight: InFlight) -> None:
    first, second = item("a"), item("a")
    for each in (first, second):
        in_flight.enter(each, "a.org")
    assert in_flight.start(first)
    assert not in_flight.start(second)
    in_flight.ended(second)  # dropped: the first still has the id
    assert not in_flight.start(item("a"))
    in_flight.ended(first)
    assert in_flight.start(item("a"))


def test_an_end_is_told_once_with_what_the_item_held(in_flight: InFlight) -> None:
    told: list[Flight] = []
    in_flight.on_ended(told.append)
    one = item("a")
    flight = in_flight.enter(one, "a.org")
    in_flight.ended(one)
    in_flight.ended(one)
    in_flight.ended({"not": "ours"})
    assert told == [flight]
    assert flight.host == "a.org"
    assert len(in_flight) == 0


def test_an_item_that_did_not_come_through_the_queue_frees_no_place(in_flight: InFlight) -> None:
    told: list[Flight] = []
    in_flight.on_ended(told.append)
    one = item("a")
    assert in_flight.start(one)
    in_flight.ended(one)
    assert [flight.host for flight in told] == [None]


def test_a_path_is_taken_in_whatever_case_until_the_end(in_flight: InFlight) -> None:
    one = item("a")
    in_flight.start(one)
    in_flight.claim_path(one, "images/Straße")
    assert in_flight.has_path("IMAGES/STRASSE") == "a"
    in_flight.ended(one)
    assert in_flight.has_path("images/Straße") is None


def test_bookmarks_wait_for_all_records_before_them(
    in_flight: InFlight, committed: list[str]
) -> None:
    items = [item(name) for name in "abc"]
    in_flight.enter(items[0], "")
    in_flight.bookmark(Bookmark("1", ""))
    in_flight.enter(items[1], "")
    in_flight.bookmark(Bookmark("2", ""))
    in_flight.bookmark(Bookmark("3", ""))  # with nothing between
    in_flight.enter(items[2], "")
    in_flight.ended(items[1])
    assert committed == []
    in_flight.ended(items[0])
    assert committed == ["1", "2", "3"]
    in_flight.ended(items[2])
    in_flight.bookmark(Bookmark("4", ""))
    assert committed == ["1", "2", "3", "4"]


def test_the_first_with_a_url_asks_for_all(in_flight: InFlight) -> None:
    async def run() -> None:
        first, second = item("a"), item("b", f"{URL}#page=2")  # a fragment is not sent
        third = item("c", URL, "http://mirror.org/")
        for each in (first, second, third):
            in_flight.start(each)
        asking = in_flight.share_url(first)
        assert asking.item is first
        assert in_flight.share_url(second) is asking
        waiting = [asyncio.create_task(asking.answer_for(each)) for each in (second, third)]
        await asyncio.sleep(0)
        gone = Missing(Outcome.NOT_FOUND, "HTTP 404", URL)
        asking.set_answer(gone)
        asking.set_answer(None)  # too late
        # The third has a mirror to try: the failure of one address says nothing of it.
        assert await asyncio.gather(*waiting) == [gone, None]

    asyncio.run(run())


def test_what_a_mirror_gave_says_nothing_of_the_first_url(in_flight: InFlight) -> None:
    async def run() -> None:
        first, second = item("a", URL, "http://mirror.org/"), item("b")
        in_flight.start(first)
        asking = in_flight.share_url(first)
        asking.set_answer(Stored(url="http://mirror.org/", sha256="0"))
        assert await asking.answer_for(second) is None

    asyncio.run(run())


def test_those_who_wait_are_let_go_when_the_first_ends_without_an_answer(
    in_flight: InFlight,
) -> None:
    async def run() -> None:
        first, second = item("a"), item("b")
        in_flight.start(first)
        in_flight.start(second)
        asking = in_flight.share_url(first)
        waiting = asyncio.create_task(asking.answer_for(second))
        first.urls = ["http://a.org/fresh"]  # renewed on the way
        in_flight.ended(first)
        assert await asyncio.wait_for(waiting, 1) is None
        assert in_flight.share_url(second).item is second

    asyncio.run(run())


def test_an_item_is_found_by_its_record_until_it_ends(in_flight: InFlight) -> None:
    one = item("a")
    in_flight.start(one)
    assert in_flight.of_record("a") is one
    assert in_flight.of_record("b") is None
    in_flight.ended(one)
    assert in_flight.of_record("a") is None


def test_nothing_is_left_of_what_has_ended(in_flight: InFlight) -> None:
    async def run() -> None:
        for number in range(3):
            one = item(f"{number}", f"http://a.org/{number}")
            in_flight.enter(one, "a.org")
            in_flight.start(one)
            in_flight.claim_path(one, one.path)
            in_flight.share_url(one)
            in_flight.ended(one)

    asyncio.run(run())
    indexes = [value for value in vars(in_flight).values() if isinstance(value, dict)]
    assert len(indexes) == 4
    assert not any(indexes)

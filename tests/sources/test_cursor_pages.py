"""Lists in pages: read to their end, gone on with, and never read in a circle."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import BaseSettings

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.cursor_pages import (
    MAX_EMPTY_PAGES,
    CursorPage,
    CursorPosition,
    page_records,
    read_pages,
)

if TYPE_CHECKING:
    from scrapy.http import Response

FIRST = "https://api.example/list?page=0"


class Pages:
    """A Fetcher that answers with the pages of a dictionary, by URL."""

    def __init__(self, pages: dict[str, Any]) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.settings = BaseSettings()
        self.logger = logging.LoggerAdapter(logging.getLogger(__name__))

    async def fetch(self, url: str, *, method: str = "GET", **meta: Any) -> Response:
        raise NotImplementedError

    async def fetch_json(self, url: str, *, tries: int = 3, **meta: Any) -> Any:
        self.asked.append(url)
        return self.pages[url]


def url(number: int) -> str:
    return f"https://api.example/list?page={number}"


def page(*ids: int, following: str | None = None, count: int | None = None) -> dict[str, Any]:
    return {"results": [{"id": each} for each in ids], "next": following, "count": count}


def read(pages: Pages, start: CursorPosition | None = None) -> list[CursorPage]:
    async def gather() -> list[CursorPage]:
        return [each async for each in read_pages(pages, FIRST, start)]

    return asyncio.run(gather())


def refusal(pages: dict[str, Any]) -> str:
    with pytest.raises(SourceError) as caught:
        read(Pages(pages))
    return str(caught.value)


def test_positions_and_the_count_of_the_first_page_are_kept() -> None:
    pages = Pages(
        {
            FIRST: page(1, 2, following=url(1), count=5),
            url(1): page(3, 4, following=url(2)),
            url(2): page(5),
        }
    )
    found = read(pages)
    assert [[record["id"] for record in each.records] for each in found] == [[1, 2], [3, 4], [5]]
    assert [(each.position, each.count) for each in found] == [(0, 5), (2, 5), (4, 5)]
    # New records append to the last page: that is where a later run goes on.
    assert [each.resume for each in found] == [
        CursorPosition(url(1), 2, 5),
        CursorPosition(url(2), 4, 5),
        CursorPosition(url(2), 4, 5),
    ]


def test_a_list_is_gone_on_with_where_it_was_left() -> None:
    pages = Pages({url(1): page(3, following=url(2)), url(2): page(4)})
    saved = CursorPosition(url(1), 2, 4).to_json()
    found = read(pages, CursorPosition.from_json(saved))
    assert [(each.position, each.count) for each in found] == [(2, 4), (3, 4)]
    assert pages.asked == [url(1), url(2)]


def test_circles_end_with_an_error() -> None:
    again = {FIRST: page(1, following=url(1)), url(1): page(2, following=FIRST)}
    assert "came a second time" in refusal(again)
    same = {FIRST: page(1, following=url(1)), url(1): page(1, following=url(2))}
    assert "repeats the page before it" in refusal(same)
    elsewhere = {FIRST: page(1, following="https://other.example/")}
    assert "another host" in refusal(elsewhere)


def test_empty_pages_are_gone_through_but_not_for_ever() -> None:
    some = {url(n): page(following=url(n + 1)) for n in range(MAX_EMPTY_PAGES)}
    last = {url(MAX_EMPTY_PAGES): page(1)}
    assert [each.records for each in read(Pages(some | last))][-1] == [{"id": 1}]
    more = {url(MAX_EMPTY_PAGES): page(following=url(0))}
    assert f"is the {MAX_EMPTY_PAGES + 1}th empty page" in refusal(some | more)


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"results": None}, {"results": {}}])
def test_what_is_no_page_is_refused(answer: Any) -> None:
    with pytest.raises(SourceError, match="no page of records"):
        page_records(answer, FIRST)


def test_odd_records_and_odd_fields_are_passed_over() -> None:
    odd = {"results": [1, {"id": 1}, None], "next": 5, "count": "many"}
    (found,) = read(Pages({FIRST: odd}))
    assert found == CursorPage([{"id": 1}], 0, None, CursorPosition(FIRST))

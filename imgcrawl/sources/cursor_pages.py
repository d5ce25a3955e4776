"""Lists of an API in pages, each with the address of the next (Django REST, Django Ninja)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import urlsplit

from imgcrawl.records.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.download.meta import Meta
    from imgcrawl.sources.fetcher import Fetcher

MAX_EMPTY_PAGES = 100  # in a row


class CircleError(SourceError):
    """A source whose pages lead back to one that was read."""


@dataclass(frozen=True, slots=True)
class CursorPosition:
    """The beginning of a page in a list.

    url:      the address of the page
    position: how many records are before it
    count:    how many there are on all pages, as the source says (and it may be wrong)
    """

    url: str
    position: int = 0
    count: int | None = None

    @classmethod
    def from_json(cls, text: str) -> CursorPosition:
        """Return the position that `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return the position as text, for a bookmark."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class CursorPage:
    """One page: its records as the source gives them.

    position: of the first of them in the list
    count:    of the records on all pages, as the source says
    resume:   where a later run goes on; at this page if it is the last, since records append there
    """

    records: list[dict[str, Any]]
    position: int
    count: int | None
    resume: CursorPosition


async def read_pages(
    fetcher: Fetcher, first: str, start: CursorPosition | None = None, **meta: Unpack[Meta]
) -> AsyncIterator[CursorPage]:
    """Yield the pages of ``{"results": [...], "next": URL, "count": N}``.

    first: the URL of the first page
    start: where an earlier run left off
    meta:  of each request

    Raises SourceError in place of a loop: CircleError for a `next` that was followed before and for
    a page whose records the page before had, another for a `next` that leads to another host and
    for too many empty pages in a row. An empty page with a `next` is gone through.
    """
    start = start or CursorPosition(first)
    unkept: Meta = {"dont_cache": True, **meta}
    url: str | None = start.url
    position, count = start.position, start.count
    seen: set[int] = set()
    empty, before = 0, None
    while url is not None:
        if hash(url) in seen:
            raise CircleError(f"{url} came a second time: the source pages in a circle.")
        seen.add(hash(url))
        answer = await fetcher.fetch_json(url, **unkept)
        records = page_records(answer, url)
        empty = 0 if records else empty + 1
        if empty > MAX_EMPTY_PAGES:
            raise SourceError(f"{url} is the {empty}th empty page in a row.")
        if records and records == before:
            raise CircleError(f"{url} repeats the page before it: the source goes in a circle.")
        before = records
        following = _text_or_none(answer.get("next"))
        if following and urlsplit(following).hostname != urlsplit(first).hostname:
            raise SourceError(f"{url} names a next page on another host: {following}")
        counted = answer.get("count")
        count = counted if isinstance(counted, int) else count
        after = position + (len(records) if following else 0)
        yield CursorPage(records, position, count, CursorPosition(following or url, after, count))
        position, url = after, following


def page_records(answer: Any, url: str) -> list[dict[str, Any]]:
    """Return the records in an answer. Raises SourceError if it does not have the shape of a page.

    url: names the answer in the error
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise SourceError(f"{url} answered JSON, but no page of records.")
    return [record for record in answer["results"] if isinstance(record, dict)]


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

"""CursorApiSpider: an API that answers in pages, each with the address of the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgcrawl.records.items import Bookmark, Expects
from imgcrawl.sources.cursor_pages import CursorPosition, read_pages
from spiders.base.dataset import A, DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.records.items import SpiderOutput
    from imgcrawl.sources.cursor_pages import CursorPage


@dataclass(frozen=True, slots=True)
class CursorList:
    """A list of an API, and the part of it that is wanted.

    key:        names the list, so that another list's bookmark is not taken for this one's
    url:        of the first page
    offset:     how many records are left out at the beginning
    num_images: how many are wanted; None for all
    """

    key: str
    url: str
    offset: int = 0
    num_images: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every record of the list is wanted."""
        return not self.offset and self.num_images is None

    def expects(self, count: int | None, position: int) -> Expects:
        """Return how much is promised of a list of `count` records, read from a position on."""
        if count is None:
            return Expects()
        records = min(max(count - self.offset, 0), self.num_images or count)
        return Expects(records, before=min(max(position - self.offset, 0), records))


class CursorApiSpider(DatasetSpider[A]):
    """Pages through ``{"results": [...], "next": URL, "count": N}`` (Django REST, Django Ninja).

    A subclass writes `first_page` and `records_of`, and `expects` if the API says more than a
    count. After each page a bookmark is left: the next run goes on at the page that had not been
    finished, and at the last page if all had been, since new records append there.
    """

    async def first_page(self) -> CursorList:
        """Return the list that is wanted, with the address of its first page."""
        raise NotImplementedError

    def records_of(self, record: dict[str, Any]) -> AsyncIterator[SpiderOutput]:
        """Yield the items of a record of the API."""
        raise NotImplementedError

    async def expects(self, wanted: CursorList, page: CursorPage) -> Expects | None:
        """Return how much is promised, by the first page that is read; None if it was said."""
        return wanted.expects(page.count, page.position)

    def settled(self, wanted: CursorList, promised: Expects, last: int) -> Expects | None:
        """Return what a list of `last` records has come to beyond what was promised, or None.

        The count of a list that has grown is that of the run which read its first page.
        """
        more = last - wanted.offset - (promised.records or 0)
        return Expects(more) if promised.records is not None and more > 0 else None

    def pages(self, wanted: CursorList, start: CursorPosition | None) -> AsyncIterator[CursorPage]:
        """Yield the pages of a list from a position on."""
        return read_pages(self, wanted.url, start)

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the items of every record that is wanted."""
        wanted = await self.first_page()
        async for output in self.read(wanted, self.saved(wanted)):
            yield output

    def saved(self, wanted: CursorList) -> CursorPosition | None:
        """Return the position at which an earlier run left off, or None."""
        if (saved := self.bookmarks.get(wanted.key)) is None:
            return None
        start = CursorPosition.from_json(saved)
        self.logger.info("Going on at record %s of the list", f"{start.position:,}")
        return start

    async def read(
        self, wanted: CursorList, start: CursorPosition | None
    ) -> AsyncIterator[SpiderOutput]:
        """Yield the items of the records from a position on, and a bookmark after each page."""
        end = None if wanted.num_images is None else wanted.offset + wanted.num_images
        promised, last, is_first = None, 0, True
        async for page in self.pages(wanted, start):
            if is_first and (promised := await self.expects(wanted, page)) is not None:
                yield promised
            is_first = False
            last = page.position + len(page.records)
            for number, record in enumerate(page.records, page.position):
                if end is not None and number >= end:
                    return
                if number >= wanted.offset:
                    async for item in self.records_of(record):
                        yield item
            yield Bookmark(wanted.key, page.resume.to_json())
        if promised is not None and (more := self.settled(wanted, promised, last)) is not None:
            yield more

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

    async def expects(self, wanted: CursorList, page: CursorPage) -> Expects:
        """Return how much is promised, by the first page that this run reads."""
        if page.count is None:
            return Expects()
        records = min(max(page.count - wanted.offset, 0), wanted.num_images or page.count)
        before = min(max(page.position - wanted.offset, 0), records)
        return Expects(records, before=before)

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the items of every record that is wanted, and a bookmark after each page."""
        wanted = await self.first_page()
        end = None if wanted.num_images is None else wanted.offset + wanted.num_images
        start = None
        if saved := self.bookmarks.get(wanted.key):
            start = CursorPosition.from_json(saved)
            self.logger.info("Going on at record %s of the list", f"{start.position:,}")
        promised, last = None, 0
        async for page in read_pages(self, wanted.url, start):
            if promised is None:
                promised = await self.expects(wanted, page)
                yield promised
            last = page.position + len(page.records)
            for number, record in enumerate(page.records, page.position):
                if end is not None and number >= end:
                    return
                if number >= wanted.offset:
                    async for item in self.records_of(record):
                        yield item
            yield Bookmark(wanted.key, page.resume.to_json())
        # The count of a list that has grown is that of the run which read its first page.
        if promised is not None and promised.records is not None:
            more = last - wanted.offset - promised.records
            if more > 0:
                yield Expects(more)

"""CursorApiSpider: an API that answers in pages, each with the address of the next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Bookmark
from spiders.base.dataset import A, DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class CursorPage:
    """One page: its records as the source gives them, and where the next one is."""

    records: list[dict[str, Any]]
    next: str | None
    count: int | None  # of all pages, as the source says (and it may be wrong)


class CursorApiSpider(DatasetSpider[A]):
    """Pages through ``{"results": [...], "next": URL, "count": N}`` (Django REST, Django Ninja).

    Page by page a bookmark is left: the next run goes on at the page that had not been finished,
    and at the last page where all had been, since new records append there.

    Guards: a `next` that was followed before, and a page whose records the page before had, end
    the paging with an error in place of a loop; an empty page with a `next` is gone through, a
    bounded number of times in a row.
    """

    max_empty_pages = 100

    async def pages(self, key: str, first: str) -> AsyncIterator[tuple[int, CursorPage] | Bookmark]:
        """Yield (position of the page's first record, page), and the bookmark after each.

        key: names the list, so that another list's bookmark is not taken for this one's
        first: the URL of the first page
        """
        url: str | None = first
        position, count = 0, None
        if saved := self.bookmarks.get(key):
            place = json.loads(saved)
            url, position, count = place["url"], place["position"], place["count"]
            self.logger.info("Going on at record %s of the list", f"{position:,}")
        seen: set[int] = set()
        empty, before = 0, None
        while url is not None:
            if hash(url) in seen:
                raise SourceError(f"{url} came a second time: the source pages in a circle.")
            seen.add(hash(url))
            page = self.parse_page(await self.fetch_json(url), url)
            count = page.count if page.count is not None else count
            empty = 0 if page.records else empty + 1
            if empty > self.max_empty_pages:
                raise SourceError(f"{url} is the {empty}th empty page in a row.")
            if page.records and page.records == before:
                raise SourceError(f"{url} repeats the page before it: the source goes in a circle.")
            before = page.records
            if page.next and urlsplit(page.next).hostname != urlsplit(first).hostname:
                raise SourceError(f"{url} names a next page on another host: {page.next}")
            yield position, CursorPage(page.records, page.next, count)
            if page.next is not None:
                position += len(page.records)
            place = {"url": page.next or url, "position": position, "count": count}
            yield Bookmark(key, json.dumps(place))
            url = page.next

    def parse_page(self, answer: Any, url: str) -> CursorPage:
        """The page in an answer. Raises SourceError where it has not the shape of one."""
        if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
            raise SourceError(f"{url} answered JSON, but no page of records.")
        records = [record for record in answer["results"] if isinstance(record, dict)]
        following, count = answer.get("next"), answer.get("count")
        return CursorPage(
            records,
            following if isinstance(following, str) and following else None,
            count if isinstance(count, int) else None,
        )

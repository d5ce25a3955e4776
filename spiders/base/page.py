"""PageSpider: a page of links to files, and the pages that it leads to."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote, urlsplit

from parsel import Selector
from pydantic import Field, NonNegativeInt, field_validator
from scrapy.http import TextResponse

from imgcrawl.arguments import FileArguments
from imgcrawl.download.schemes import require_http
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.items import FileItem, Unreadable
from imgcrawl.sources.web.links import PageLink, drop_huge_tags, read_links
from imgcrawl.sources.web.page_text import voxel_columns
from imgcrawl.sources.web.wanted_files import WantedFiles
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from imgcrawl.records.items import Metadata, SpiderOutput

MAX_PAGES = 100_000


class PageArguments(FileArguments):
    """A page, and which of its links are wanted."""

    url: str = Field(description="the page", examples=["https://example.org/data/"])
    depth: NonNegativeInt = Field(
        10, description="how many pages deep links are followed; 0: this page alone"
    )
    same_dir: bool = Field(
        True, description="follow only pages below the first one; files may lie anywhere"
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        try:
            require_http(url)
        except RecordMissing as error:
            raise ValueError(f"{error.message}; type an address beginning with https://") from error
        return url


@dataclass(frozen=True, slots=True)
class FoundLink:
    """A link to a file, and the page it stands on."""

    link: PageLink
    page: str


P = TypeVar("P", bound=FileArguments)
G = TypeVar("G", bound=PageArguments)


class PageSpider(DatasetSpider[P], Generic[P]):
    """Follows a page's links to more pages, and yields the files that match.

    A subclass may add what it knows of a file (`describe`), or read pages in another way
    (`read_page`). A page that cannot be read is a row in failures.csv, but for the first.

    first:    the page that all begins with
    depth:    how many pages deep links are followed
    same_dir: whether only pages below the first one are
    """

    first: str
    depth: int = 10
    same_dir: bool = True

    @cached_property
    def _page_columns(self) -> dict[str, Metadata]:
        """What the text of each page says of its images."""
        return {}

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files."""
        wanted, count, size = WantedFiles(self.args.match), 0, 0
        seen: set[str] = set()
        async for found in self.found():
            if isinstance(found, Unreadable):
                yield found
                continue
            link = found.link
            if link.url in seen or not wanted.matches(link):
                continue
            seen.add(link.url)
            count, size = count + 1, size + (link.size or 0)
            if self.args.max_files and count > self.args.max_files:
                self.logger.warning("There are more files than max_files=%s", self.args.max_files)
                return
            if self.args.max_bytes and size > self.args.max_bytes:
                self.logger.warning("The next file would go beyond max_bytes: %s", link.url)
                return
            yield self.item(found)
        if not count:
            raise SourceError(self.no_match_message())

    def no_match_message(self) -> str:
        """Return the error if no link matches."""
        wanted = f" that match {self.args.match}" if self.args.match else ""
        return f"{self.first} has no links to files{wanted}."

    async def found(self) -> AsyncIterator[FoundLink | Unreadable]:
        """Yield the links to files of the page and of those below it, page by page."""
        pages, known = deque([(self.first, 0)]), {self.first}
        while pages:
            url, depth = pages.popleft()
            try:
                here, links = await self.read_page(url)
            except SourceError as error:
                if url == self.first:
                    raise
                yield Unreadable(url, f"a page that cannot be read: {error}")
                continue
            for link in links:
                if link.continues and link.url not in known:
                    known.add(link.url)
                    pages.appendleft((link.url, depth))
                elif not link.is_page:
                    yield FoundLink(link, here)
                elif depth < self.depth and self._is_below(link.url, self.first):
                    if link.url not in known and len(known) < MAX_PAGES:
                        known.add(link.url)
                        pages.append((link.url, depth + 1))
                elif self.args.match and link.name and "?" not in link.url:
                    yield FoundLink(link, here)  # a name without an extension may be wanted by name

    async def read_page(self, url: str) -> tuple[str, Iterable[PageLink]]:
        """Return a page's address after redirects, and its links. Raises SourceError."""
        response = await self.fetch(url, cache="page")
        if response.status != 200:
            raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
        if not isinstance(response, TextResponse):
            raise SourceError(f"{url} is no page, but {response.headers.get('Content-Type')!r}.")
        body = await asyncio.to_thread(drop_huge_tags, response.text)
        shown = " ".join(Selector(body).xpath("//body//text()").getall())
        self._page_columns[response.url] = voxel_columns(shown)
        return response.url, read_links(body, response.url)

    def _is_below(self, url: str, start: str) -> bool:
        there, here = urlsplit(url), urlsplit(start)
        if there.hostname != here.hostname or (there.query and "prefix=" not in there.query):
            return False
        root = here.path.rpartition("/")[0] + "/"
        return not self.same_dir or (
            there.path.startswith(root) and (there.path, there.query) != (root, "")
        )

    def item(self, found: FoundLink) -> FileItem:
        """Return the record of a file, by its path below the page's folder, or below its host."""
        link = found.link
        path = self.path_of(link.url)
        return FileItem(path, [link.url], path, self.describe(found))

    def path_of(self, url: str) -> str:
        """Return the path of a file in OUT: the tree of the source is kept."""
        there, start = urlsplit(url), urlsplit(self.first)
        root = start.path.rpartition("/")[0] + "/"
        query = f"?{there.query}" if there.query else ""
        if there.hostname == start.hostname and there.path.startswith(root):
            path = unquote(there.path.removeprefix(root))
        else:
            path = f"{there.hostname}{unquote(there.path)}"
        return "files/" + "/".join(part.strip() for part in path.split("/") if part) + query

    def describe(self, found: FoundLink) -> Metadata:
        """Return what the page says of a file, as columns."""
        link = found.link
        columns = {
            "page": found.page,
            "text": link.text or None,
            "listed_size": link.size,
            "listed_date": link.date,
        }
        plain = {name: value for name, value in columns.items() if value is not None}
        return plain | self._page_columns.get(found.page, {})


class GivenPageSpider(PageSpider[G], Generic[G]):
    """A page spider that begins with the page of its arguments."""

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files of the page that is asked for."""
        self.first, self.depth = self.args.url, self.args.depth
        self.same_dir = self.args.same_dir
        async for output in super().records():
            yield output

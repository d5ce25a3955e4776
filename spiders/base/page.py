"""PageSpider: a page of links to files, and the pages that it leads to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote, urlsplit

from parsel import Selector
from pydantic import Field, NonNegativeInt, field_validator
from scrapy.http import TextResponse

from imgcrawl.arguments import FileArguments
from imgcrawl.download.file_headers import file_name, header_text, is_html
from imgcrawl.download.schemes import require_http
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.items import FileItem, NotFollowed, Unreadable
from imgcrawl.sources.web.links import drop_huge_tags, is_markup, next_of_header, read_links
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.page_text import voxel_columns
from imgcrawl.sources.web.page_walk import PageWalk
from imgcrawl.sources.web.wanted_files import WantedFiles
from imgcrawl.text.sizes import parse_size
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from scrapy.http import Response

    from imgcrawl.records.items import Metadata, SpiderOutput
    from imgcrawl.sources.web.page_walk import WaitingPage


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


class FileInPlaceError(SourceError):
    """A file is where a page was looked for. link: the file, by what its headers say."""

    def __init__(self, url: str, response: Response) -> None:
        headers = response.headers
        kind = header_text(headers, "Content-Type")
        super().__init__(f"{url} is no page, but {kind or 'a file'}.")
        called = file_name(header_text(headers, "Content-Disposition"))
        there = PageLink(response.url)
        if not called and there.url != url and not there.is_doubtful and not there.is_page:
            called = there.name
        encoded = "Content-Encoding" in headers
        size = None if encoded else parse_size(header_text(headers, "Content-Length"))
        self.link = PageLink(url, size, size is not None, kind=LinkKind.FILE, called=called)


P = TypeVar("P", bound=FileArguments)
G = TypeVar("G", bound=PageArguments)


class PageSpider(DatasetSpider[P], Generic[P]):
    """Follows a page's links to more pages, and yields the files that match.

    A subclass may add what it knows of a file (`describe`), or read pages in another way
    (`read_page`). A page that cannot be read is a row in failures.csv, but for the first.

    first:    the page that all begins with
    depth:    how many pages deep links are followed
    same_dir: whether only pages below the first one are
    max_pages: how many are read, at most; what is left out is said
    """

    first: str
    depth: int = 10
    same_dir: bool = True
    max_pages: int = 100_000

    @cached_property
    def asides(self) -> list[Unreadable | NotFollowed]:
        """What is to be said of the pages that were read, by whoever reads them."""
        return []

    @cached_property
    def _page_columns(self) -> dict[str, Metadata]:
        """What the text of each page says of its images."""
        return {}

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the files."""
        wanted, count, size = WantedFiles(self.args.match), 0, 0
        seen: set[str] = set()
        async for found in self.found():
            if not isinstance(found, FoundLink):
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

    async def found(self) -> AsyncIterator[FoundLink | Unreadable | NotFollowed]:
        """Yield the links to files of the page and of those below it, page by page."""
        walk = PageWalk(self.first, self.depth, self.same_dir, self.max_pages)
        for page in walk.pages():
            if walk.is_file(page):
                yield FoundLink(replace(page.link, kind=LinkKind.FILE), page.on)
                continue
            try:
                read = self.ask_page if page.asked else self.read_page
                here, links = await read(page.link.url)
            except FileInPlaceError as error:
                if page.link.url == self.first:
                    raise
                walk.was_file(page, error.link.called)
                yield FoundLink(error.link, page.on)
                continue
            except SourceError as error:
                if page.link.url == self.first:
                    raise
                yield Unreadable(page.link.url, f"a page that cannot be read: {error}")
                continue
            if not page.asked:  # what was asked is a page, and none of this folder
                async for found in self._walk_on(walk, page, here, links):
                    yield found
            for aside in (*self.asides, *walk.take_left_out()):
                yield aside
            self.asides.clear()
        for left in walk.take_left_out():
            yield left

    async def _walk_on(
        self, walk: PageWalk, page: WaitingPage, here: str, links: Iterable[PageLink]
    ) -> AsyncIterator[FoundLink | Unreadable]:
        """Yield the links to files of a page, and take those to more pages."""
        walk.begin(page, here)
        for link in links:
            if link.continues:
                if not walk.goes_on(link, page):
                    yield Unreadable(here, "this listing goes on, and where it does it repeats")
            elif not walk.takes(link, page, here):
                is_named = self.args.match and link.name and "?" not in link.url
                if not link.is_page or is_named:  # it may be wanted by a name without extension
                    yield FoundLink(link, here)
        walk.end()

    async def read_page(self, url: str) -> tuple[str, Iterable[PageLink]]:
        """Return a page's address after redirects, and its links. Raises SourceError."""
        return await self.ask_page(url)

    async def ask_page(self, url: str) -> tuple[str, Iterable[PageLink]]:
        """Return the same without a browser.

        Raises FileInPlaceError if a file is there, of which no more than the headers are read.
        """
        response = await self.fetch(url, cache="page", page_only=True)
        if response.status != 200:
            raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
        if not isinstance(response, TextResponse) or "file" in response.flags:
            raise FileInPlaceError(url, response)
        text = response.text
        if not is_html(response.headers) and not await asyncio.to_thread(is_markup, text):
            raise FileInPlaceError(url, response)
        body = await asyncio.to_thread(drop_huge_tags, text)
        shown = " ".join(Selector(body, type="html").xpath("//body//text()").getall())
        self._page_columns[response.url] = voxel_columns(shown)
        following = [PageLink(url, following=True) for url in next_of_header(response)]
        links = await asyncio.to_thread(lambda: [*read_links(body, response.url), *following])
        return response.url, links

    def item(self, found: FoundLink) -> FileItem:
        """Return the record of a file, by its path below the page's folder, or below its host."""
        link = found.link
        path, query = self.path_of(link.url), urlsplit(link.url).query
        # The query tells records apart and is no part of a name, which every check goes by.
        record_id = f"{path}?{query}" if query else path
        if link.name:
            path = f"{path.rpartition('/')[0]}/{link.name}"
        return FileItem(record_id, [link.url], path, self.describe(found))

    def path_of(self, url: str) -> str:
        """Return the path of an address: the tree of the source is kept."""
        there, start = urlsplit(url), urlsplit(self.first)
        root = start.path.rpartition("/")[0] + "/"
        if there.hostname == start.hostname and there.path.startswith(root):
            path = unquote(there.path.removeprefix(root))
        else:
            path = f"{there.hostname}{unquote(there.path)}"
        return "files/" + "/".join(part.strip() for part in path.split("/") if part)

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

"""PageSpider: a page of links to files, and the pages that it leads to."""

from __future__ import annotations

import fnmatch
import re
from collections import deque
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, NonNegativeInt, field_validator

from imgcrawl.arguments import FileArguments
from imgcrawl.errors import SourceError
from imgcrawl.items import FileItem, Unreadable
from imgcrawl.lists.links import Link, next_page, read_links
from spiders.base.dataset import DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.items import Metadata
    from spiders.base.dataset import Said

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
        if not re.match(r"https?://[^/\s]+", url):
            raise ValueError("type the address of a page, beginning with https://")
        return url


@dataclass(frozen=True, slots=True)
class Found:
    """A link to a file, and the page it stands on."""

    link: Link
    page: str


P = TypeVar("P", bound=FileArguments)


class PageSpider(DatasetSpider[P], Generic[P]):
    """Follows a page's links to more pages, and yields the files that match.

    A subclass may add what it knows of a file (`describe`), or find links in another way
    (`found`). A page that cannot be read is a row in failures.csv, but for the first.

    first:    the page that all begins with
    depth:    how many pages deep links are followed
    same_dir: whether only pages below the first one are
    """

    first: str
    depth: int = 10
    same_dir: bool = True

    async def records(self) -> AsyncIterator[Said]:
        """The files."""
        wanted, count, size = Wanted(self.args.match), 0, 0
        seen: set[str] = set()
        async for found in self.found():
            if isinstance(found, Unreadable):
                yield found
                continue
            link = found.link
            if link.url in seen or not wanted.takes(link):
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
            raise SourceError(self.nothing())

    def nothing(self) -> str:
        """What to say where no link matches."""
        wanted = f" that match {self.args.match}" if self.args.match else ""
        return f"{self.first} has no links to files{wanted}."

    async def found(self) -> AsyncIterator[Found | Unreadable]:
        """The links to files of the page and of those below it, page by page."""
        start = self.first
        pages, known = deque([(start, 0)]), {start}
        while pages:
            url, depth = pages.popleft()
            try:
                response = await self.fetch(url, cache="page")
                if response.status != 200:
                    raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
                text = getattr(response, "text", "")
            except (SourceError, AttributeError) as error:
                if url == start:
                    raise
                yield Unreadable(url, f"a page that cannot be read: {error}")
                continue
            here = response.url
            if (more := next_page(text, here)) and more not in known:
                known.add(more)
                pages.appendleft((more, depth))
            for link in read_links(text, here):
                if not link.is_page:
                    yield Found(link, here)
                elif depth < self.depth and self._is_below(link.url, start):
                    if link.url not in known and len(known) < MAX_PAGES:
                        known.add(link.url)
                        pages.append((link.url, depth + 1))
                elif self.args.match and link.name and "?" not in link.url:
                    yield Found(link, here)  # a name without an extension may be wanted by name

    def _is_below(self, url: str, start: str) -> bool:
        there, here = urlsplit(url), urlsplit(start)
        if there.hostname != here.hostname or (there.query and "prefix=" not in there.query):
            return False
        root = here.path.rpartition("/")[0] + "/"
        return not self.same_dir or (
            there.path.startswith(root) and (there.path, there.query) != (root, "")
        )

    def item(self, found: Found) -> FileItem:
        """The record of a file: its path below the page's own directory, or below its host."""
        link = found.link
        path = self.path_of(link.url)
        return FileItem(path, [link.url], path, self.describe(found))

    def path_of(self, url: str) -> str:
        """Where a file goes: the tree of the source is kept."""
        there, start = urlsplit(url), urlsplit(self.first)
        root = start.path.rpartition("/")[0] + "/"
        query = f"?{there.query}" if there.query else ""
        if there.hostname == start.hostname and there.path.startswith(root):
            path = unquote(there.path.removeprefix(root))
        else:
            path = f"{there.hostname}{unquote(there.path)}"
        return "files/" + "/".join(part.strip() for part in path.split("/") if part) + query

    def describe(self, found: Found) -> Metadata:
        """What the page says of a file."""
        link = found.link
        said = {"page": found.page, "listed_size": link.size, "listed_date": link.date}
        return {name: value for name, value in said.items() if value is not None}


class Wanted:
    """Which files are asked for: globs, apart by commas, or a regular expression in slashes.

    A glob with a slash in it is held against the whole path, any other against the name.
    """

    def __init__(self, match: str | None) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._globs: list[str] = []
        if match and len(match) > 2 and match[0] == match[-1] == "/":
            self._pattern = re.compile(match[1:-1])
        elif match:
            self._globs = [glob.strip() for glob in match.split(",") if glob.strip()]

    def takes(self, link: Link) -> bool:
        """Whether a link is asked for; without a pattern, whatever looks like data."""
        path = unquote(urlsplit(link.url).path)
        if self._pattern is not None:
            return self._pattern.search(path) is not None
        if not self._globs:
            return link.is_data
        name = PurePosixPath(path).name
        return any(
            fnmatch.fnmatch((path if "/" in glob else name).lower(), glob.lower())
            for glob in self._globs
        )

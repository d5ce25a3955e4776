"""PageWalk: which pages of a folder are read, in what order, and which of them are not."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imgcrawl.records.items import NotFollowed
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.query import Leads, canonical, folder_of, leads

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_KNOWN = 1_000_000  # addresses of pages that are remembered
_ALIKE = 3  # files of one kind of name, after which the others are not asked what they are
_PAGE_PATH = re.compile(r"(.*?/)page/?\d+/?")


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """A page that is to be read.

    on:    the page that links to it
    depth: how many pages deep it lies
    asked: it may be a download, and is no page of this folder
    """

    link: PageLink
    on: str
    depth: int
    asked: bool = False


@dataclass(slots=True)
class PageWalk:
    """The pages below a first one, breadth first, the pages of one list one behind the other.

    Circles end by the address of a page, whatever the order of its query, and by its content: a
    page whose links are all those of another is not gone on from.

    first:     the page that all begins with
    depth:     how many pages deep links are followed
    same_dir:  whether only pages below the first one are
    max_pages: how many are read, at most
    """

    first: str
    depth: int
    same_dir: bool
    max_pages: int
    _left_out: list[NotFollowed] = field(default_factory=list)
    _left: set[int] = field(default_factory=set)  # hashes of their addresses
    _known: set[str] = field(default_factory=set)
    _waiting: deque[WaitingPage] = field(default_factory=deque)
    _onward: list[WaitingPage] = field(default_factory=list)  # of the page that is being read
    _content: tuple[int, int] = (0, 0)  # its links: how many, and the sum of their hashes
    _contents: set[tuple[int, int]] = field(default_factory=set)
    _files: Counter[str] = field(default_factory=Counter)  # answers that were files, by their shape
    _folders: set[str] = field(default_factory=set)  # shapes that were pages
    _read: int = 0

    def __post_init__(self) -> None:
        self._push(WaitingPage(PageLink(self.first, kind=LinkKind.FOLDER), self.first, 0))

    def pages(self) -> Iterator[WaitingPage]:
        """Yield the pages to read, or to ask what they are; more come up as links are taken."""
        while self._waiting:
            page = self._waiting.popleft()
            if self._read >= self.max_pages:
                why = f"more than max_pages={self.max_pages:,}"
                self._left_out.append(NotFollowed(page.link.url, why))
                continue
            self._read += 1
            yield page

    def take_left_out(self) -> list[NotFollowed]:
        """Return the pages of this folder that are not read, and why, since the last time."""
        left, self._left_out = self._left_out, []
        return left

    def begin(self, page: WaitingPage, here: str) -> None:
        """Begin a page that was answered from an address, after redirects."""
        self._content, self._onward = (0, 0), []
        self._folders.add(_shape(page.link))
        if page.link.url == self.first and _last_part(here) == _last_part(self.first):
            self.first = here  # with its slash, or of the host that it has moved to
        self._known.add(canonical(here))

    def takes(self, link: PageLink, page: WaitingPage, here: str) -> bool:
        """Take a link of a page, if it is one to follow; return False if it is one to a file."""
        lead = self._leads(link, here)
        if lead not in {Leads.ON, Leads.SAME}:
            self._content = self._content[0] + 1, self._content[1] + hash(link.url)
        if link.embedded or not (link.is_page or link.is_doubtful):
            return False
        if lead is Leads.SAME:
            return True
        if lead is Leads.ON:
            self._onward.append(WaitingPage(link, here, page.depth))
        elif link.is_download and (lead is Leads.ELSEWHERE or not self._is_below(link.url)):
            self._push(WaitingPage(link, here, page.depth, asked=True))
        elif not self._is_below(link.url):
            if link.following:
                self._leave(link.url, "the next page of a list, outside of the folder")
            return link.following
        elif lead is Leads.ELSEWHERE:
            self._leave(link.url, "nobody but its server knows what its query asks for")
        elif page.depth >= self.depth:
            self._leave(link.url, f"deeper than depth={self.depth}")
        else:
            self._push(WaitingPage(link, here, page.depth + 1))
        return True

    def goes_on(self, link: PageLink, page: WaitingPage) -> bool:
        """Take the next page of a listing; return False if that has been read already."""
        if canonical(link.url) in self._known:
            return False
        self._push(WaitingPage(link, page.on, page.depth), ahead=True)
        return True

    def end(self) -> None:
        """End a page: go on from it, if it is not another page once more."""
        if self._content not in self._contents:
            for waiting in reversed(self._onward):
                self._push(waiting, ahead=True)
        self._contents.add(self._content)
        self._onward = []

    def is_file(self, page: WaitingPage) -> bool:
        """Return whether a page that waits is a file, as all with such names have been."""
        shape = _shape(page.link)
        known = self._files[shape] >= _ALIKE and shape not in self._folders
        return known and not page.asked and page.link.is_doubtful

    def was_file(self, page: WaitingPage, called: str = "") -> None:
        """Remember that what looked like a page was a file.

        called: the name that its server gives it; those with other names have to be asked, each
        """
        if called in {"", page.link.name}:
            self._files[_shape(page.link)] += 1

    def _push(self, page: WaitingPage, *, ahead: bool = False) -> None:
        known = canonical(page.link.url)
        if known in self._known:
            return
        if len(self._known) >= MOST_KNOWN:
            self._leave(page.link.url, f"more than {MOST_KNOWN:,} pages")
            return
        self._known.add(known)
        if ahead:
            self._waiting.appendleft(page)
        else:
            self._waiting.append(page)

    def _leave(self, url: str, why: str) -> None:
        key = hash(canonical(url))
        if key not in self._left and canonical(url) not in self._known:
            if len(self._left) < MOST_KNOWN:
                self._left.add(key)
            self._left_out.append(NotFollowed(url, why))

    def _leads(self, link: PageLink, here: str) -> Leads:
        """Return where a link leads; into a folder, for one without a query of its own."""
        if link.kind is LinkKind.FOLDER:
            return Leads.INTO
        there, page = urlsplit(link.url), urlsplit(here)
        if there.hostname != page.hostname:
            return Leads.INTO
        if link.following and self._is_below(link.url):
            return Leads.ON
        if there.path == page.path:
            return leads(link.url, here) if there.query or page.query else Leads.SAME
        if _list_of(there.path) == _list_of(page.path):
            return Leads.ON
        lead = leads(link.url, there._replace(query="").geturl())
        return lead if lead is Leads.ELSEWHERE else Leads.INTO

    def _is_below(self, url: str) -> bool:
        there, here = urlsplit(url), urlsplit(self.first)
        if there.hostname != here.hostname:
            return False
        root = here.path.rpartition("/")[0] + "/"
        if not self.same_dir:
            return True
        if not there.path.startswith(root) or (there.path, there.query) == (root, ""):
            return False
        folder = folder_of(self.first)
        return not folder or f"{folder_of(url)}/".startswith(f"{folder}/")


def _shape(link: PageLink) -> str:
    """Return what the names of similar files share: an extension, or all but their numbers."""
    stem, dot, extension = link.name.rpartition(".")
    return f"*.{extension}" if dot and stem else re.sub(r"\d+", "#", link.name)


def _list_of(path: str) -> str:
    """Return the path of a list whose pages are ``/page/2/``."""
    match = _PAGE_PATH.fullmatch(path)
    return (match[1] if match else path).rstrip("/")


def _last_part(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]

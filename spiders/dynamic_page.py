"""Files that a page links to once its scripts have run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, NonNegativeInt

from imgcrawl.browser.chromium import HANDLERS, require_browser
from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.records.items import NotFollowed, Unreadable
from imgcrawl.sources.web.page_link import PageLink
from imgcrawl.sources.web.wanted_files import WantedFiles
from spiders.base.page import GivenPageSpider, PageArguments

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from scrapy.crawler import Crawler


class DynamicPageArguments(PageArguments):
    """A page, what is wanted of its links, and how to make it show them."""

    depth: NonNegativeInt = Field(
        0, description="how many pages deep links are followed, each in the browser"
    )
    click: str | None = Field(
        None,
        description="a CSS selector, clicked until it is gone or brings nothing new",
        examples=["button.load-more"],
    )
    scroll: bool = Field(
        False, description="scroll to the end, view by view, until nothing new comes"
    )
    wait_for: str | None = Field(
        None,
        description="seconds, or a CSS selector, to wait for; by default until the page is quiet",
        examples=["5", "a.download"],
    )
    max_pages: Annotated[int, Field(ge=1, le=10_000)] = Field(
        20, description="clicks, and times that scrolling makes a list longer, at most"
    )
    auto: bool = Field(
        False, description="read the page without a browser first, which opens if nothing matches"
    )

    def extras(self) -> tuple[str, ...]:
        """Return the extra that drives the browser, which `auto` may turn out not to need."""
        return () if self.auto else ("browser",)


class DynamicPageSpider(GivenPageSpider[DynamicPageArguments]):
    """The files that a page links to once its scripts have run, whichever way it shows them.

    Links are found in the page and its frames, in what its scripts fetch, and in the answers to
    that. A browser is needed (`playwright install chromium`); it only finds links, reaches public
    addresses only and obeys robots.txt. The files are downloaded as all others are.
    """

    name = "dynamic_page"
    arguments: ClassVar[type[DynamicPageArguments]] = DynamicPageArguments
    example = "scrapy crawl dynamic_page -a url=https://example.org/gallery -a match='*.tif'"
    custom_settings: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "DOWNLOAD_HANDLERS": HANDLERS
    }

    _seen: list[str] = []  # noqa: RUF012 - replaced, never changed

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Return a spider. Raises ArgumentError if the browser that it needs is missing."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        if not spider.args.auto:
            require_browser(crawler.settings["BROWSER_PATH"])
        return spider

    def no_match_message(self) -> str:
        """Return the error if no link matches."""
        some = "".join(f"\n  {url}" for url in self._seen[:5])
        return super().no_match_message() + (f" The first of its links:{some}" if some else "")

    async def read_page(self, url: str) -> tuple[str, Iterable[PageLink]]:
        """Return the links of a page: those of its HTML, if one of them matches, or a browser's."""
        if self.args.auto:
            here, links = await super().read_page(url)
            plain = list(links)
            if any(map(WantedFiles(self.args.match).matches, plain)):
                return here, plain
        here, shown = await self._shown(url)
        self._seen = list(shown)
        return here, [PageLink(link, text=text) for link, text in shown.items()]

    async def _shown(self, url: str) -> tuple[str, dict[str, str]]:
        """Return the page's address, and the links that a browser finds, with their texts."""
        from imgcrawl.browser.page_links import PageLinkFinder, Steps  # noqa: PLC0415 - brings Playwright

        args = self.args
        try:
            require_browser(self.settings["BROWSER_PATH"])
        except ArgumentError as error:
            raise SourceError(str(error)) from error
        deadline = 0.9 * (self.settings.getfloat("DOWNLOAD_DEADLINE") or 1e6)
        timeout = self.settings.getfloat("DOWNLOAD_TIMEOUT")
        visit = PageLinkFinder(
            Steps(args.wait_for, args.click, args.scroll, args.max_pages, timeout, deadline)
        )
        self.logger.info("Opening %s in a browser", url)
        response = await self.fetch(url, **visit.meta())
        if response.status != 200:
            raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
        if visit.unread:
            self.asides.append(Unreadable(url, visit.unread))
        elif visit.has_more:
            why = f"more than max_pages={args.max_pages} clicks and scrolls"
            self.asides.append(NotFollowed(url, why))
        elif visit.has_unseen_rows:
            why = "a list in it makes its rows as it is scrolled: type -a scroll=1"
            self.asides.append(NotFollowed(url, why))
        return response.url, visit.links

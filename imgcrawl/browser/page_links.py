"""A visit to a page in a browser, for the links that only its scripts make."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.async_api import Error
from scrapy_playwright.page import PageMethod

from imgcrawl.browser.page_scripts import BLANK, COVER, GATHER, UNCOVER
from imgcrawl.browser.scrolling import ViewScroller
from imgcrawl.sources.web.script_urls import normal_url, urls_in

if TYPE_CHECKING:
    from playwright.async_api import Page, Request, Response, Route, WebSocketRoute
    from scrapy import Request as ScrapyRequest

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds between two looks at the page
QUIET = 1.0  # seconds without anything new, until a page is taken to be there
COVERS = 5  # things over a button, one over the other, that are hidden
PATIENCE = 4.0  # seconds for a click or a scroll to bring something
VIEW = 0.1  # seconds for a view that is scrolled to to show its rows
VIEW_FETCHES = 3.0  # ... while the page fetches them
LONGEST = 30.0  # seconds for the same while the page still fetches
MAX_ANSWER = 8 << 20  # characters of an answer that is searched
MAX_ANSWERS = 64 << 20  # of all of them
MAX_LINKS = 200_000

_CODE = frozenset({"script", "stylesheet", "font"})


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done with a page.

    wait_for:  a CSS selector or seconds, before anything else
    click:     a CSS selector, clicked until it is gone or brings nothing
    scroll:    to the end, view by view, until nothing comes any more
    max_pages: how many clicks, and times that a list grew as it was scrolled, at most
    timeout:   seconds for something to appear
    deadline:  seconds for all of it; what was found by then is what there is
    """

    wait_for: str | None = None
    click: str | None = None
    scroll: bool = False
    max_pages: int = 20
    timeout: float = 30.0
    deadline: float = 540.0


class PageLinkFinder:
    """One visit: `meta` goes into a request, `links` (URL and its words) are there afterwards.

    unread:   why the page was not read to its end; empty if it was
    has_more: there may be more behind the last of max_pages clicks and scrolls
    has_unseen_rows: a list in it makes its rows as it is scrolled, and was not
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.links: dict[str, str] = {}
        self.unread = ""
        self.has_more = False
        self.has_unseen_rows = False
        self._cover = ""  # what covers the button to click, and is clicked through
        self._begin()

    def meta(self) -> dict[str, Any]:
        """Return the meta of the request by which scrapy-playwright opens the page."""
        return {
            "playwright": True,
            "playwright_page_init_callback": self._listen,
            "playwright_page_methods": [PageMethod(self._drive)],
            "playwright_page_goto_kwargs": {"wait_until": "domcontentloaded"},
            "playwright_context_kwargs": {"accept_downloads": False, "service_workers": "block"},
            "dont_cache": True,  # links are no part of the answer
        }

    def _begin(self) -> None:
        self.links.clear()
        self._heard: dict[str, str] = {}  # what is not in the page, but was fetched or told to it
        self._pending: set[Request] = set()
        self._reading: set[asyncio.Task[None]] = set()
        self._answers = 0

    async def _listen(self, page: Page, request: ScrapyRequest) -> None:
        self._begin()
        self._asked_for = request.url
        page.context.on("request", self._asked)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        page.on("response", self._answered)
        # The page has routes of its own: this is for windows that it opens. None is loaded.
        page.on("popup", _close)
        await page.context.route("**", _abort)
        await page.route_web_socket("**", _hang_up)

    def _asked(self, request: Request) -> None:
        # What is not shown but saved was a page that was to be opened.
        if request.resource_type not in _CODE:
            self._hear(request.url)
        if request.resource_type in {"xhr", "fetch"}:
            self._pending.add(request)

    def _ended(self, request: Request) -> None:
        self._pending.discard(request)

    def _answered(self, response: Response) -> None:
        if response.request.resource_type in {"xhr", "fetch"}:
            task = asyncio.create_task(self._read(response))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _read(self, response: Response) -> None:
        """Collect the URLs in a response to a script."""
        kind = response.headers.get("content-type", "").lower()
        length = int(response.headers.get("content-length", "0") or 0)
        if re.match(r"(image|video|audio|font)/|.*octet-stream", kind) or length > MAX_ANSWER:
            return
        with suppress(Error, UnicodeError):
            text = await response.text()
            self._answers += len(text)
            if len(text) <= MAX_ANSWER and self._answers <= MAX_ANSWERS:
                for url in urls_in(text, response.frame.url):
                    self._hear(url)

    def _hear(self, url: str) -> None:
        if len(self._heard) < MAX_LINKS and url.startswith(("http:", "https:")):
            self._heard.setdefault(normal_url(url), "")

    async def _drive(self, page: Page) -> None:
        """Run the steps. A step that fails costs the links behind it, and no more."""
        self._heard.pop(normal_url(page.url), None)  # where it was redirected to
        try:
            async with asyncio.timeout(self.steps.deadline):
                await self._wait(page)
                await self._go_on(page)
        except (TimeoutError, Error) as error:
            words = str(error).strip().partition("\n")[0] or "it took too long"
            self.unread = f"it was not read to its end: {words}"
        await self._gather(page)
        with suppress(Error):  # what has not come by now is not waited for
            self.has_unseen_rows = not self.steps.scroll and await page.evaluate(BLANK)
            await page.evaluate("window.stop()")
        self._heard.pop(normal_url(self._asked_for), None)
        for url, text in self._heard.items():
            self.links.setdefault(url, text)

    async def _wait(self, page: Page) -> None:
        wait_for = self.steps.wait_for
        if wait_for is None:
            await self._settle(page)
        elif re.fullmatch(r"\d+(\.\d+)?", wait_for):
            await asyncio.sleep(float(wait_for))
        else:
            try:
                await page.wait_for_selector(
                    wait_for, state="attached", timeout=1000 * self.steps.timeout
                )
            except Error:
                logger.warning("wait_for=%s: nothing of the kind appeared", wait_for)
        await self._gather(page)

    async def _go_on(self, page: Page) -> None:
        """Click and scroll for as long as that brings new links."""
        scroller = ViewScroller(page, self._rest, self._size) if self.steps.scroll else None
        for turn in range(self.steps.max_pages if self.steps.click or scroller else 0):
            clicked = bool(self.steps.click) and await self._click(page, first=not turn)
            if scroller is not None:
                self.has_more = await scroller.to_end(self.steps.max_pages)
            elif not clicked:
                return
            if self.has_more:
                return
            if not await self._grows(page):
                if self._cover and not turn:
                    words = f"{self._cover} covers it, and a click through that brings nothing"
                    self.unread = self.unread or f"click={self.steps.click}: {words}"
                return
        self.has_more = bool(self.steps.click or scroller)

    async def _rest(self, page: Page) -> None:
        """Wait a moment for what a view shows, and add its links: the next view may drop them."""
        before, start = self._size(), monotonic()
        await self._gather(page)
        while monotonic() - start < (VIEW_FETCHES if self._pending or self._reading else VIEW):
            if self._size() > before and not self._pending:
                return
            await asyncio.sleep(VIEW / 2)
            await self._gather(page)

    async def _click(self, page: Page, *, first: bool) -> bool:
        """Click the element that `click` names; return False if it cannot be clicked."""
        selector = self.steps.click
        assert selector is not None
        button = page.locator(selector).first
        if not await button.is_visible() or not await button.is_enabled():
            if first:
                logger.warning("click=%s: there is nothing of the kind to click", selector)
            return False
        if not self._cover:
            with suppress(Error):
                await button.click(timeout=1000 * PATIENCE)
                return True
            self._cover = await button.evaluate(COVER)
            for _ in range(COVERS):
                if not await button.evaluate(UNCOVER):
                    break
            with suppress(Error):  # as a person clicks: pages tell that from a click of a script
                await button.click(timeout=1000 * PATIENCE)
                words = "click=%s: %s covered it, and has been hidden"
                logger.warning(words, selector, self._cover)
                self._cover = ""
                return True
            logger.warning("click=%s: %s covers it, and is clicked through", selector, self._cover)
        try:
            await button.evaluate("button => button.click()")
        except Error as error:
            words = str(error).strip().partition("\n")[0]
            self.unread = f"click={selector}: it cannot be clicked: {words}"
            return False
        return True

    async def _grows(self, page: Page) -> bool:
        """Wait until a click or a scroll has had its effect; return whether it brought links."""
        before, start = self._size(), monotonic()
        while self._size() == before:
            waited = monotonic() - start
            if waited > (LONGEST if self._pending or self._reading else PATIENCE):
                return False
            await asyncio.sleep(POLL)
            await self._gather(page)
        await self._settle(page, 2 * POLL)
        return True

    async def _settle(self, page: Page, quiet: float = QUIET) -> None:
        """Wait until nothing new has come for a while."""
        start = since = monotonic()
        size = -1
        while monotonic() - start < LONGEST:
            await self._gather(page)
            if self._size() != size or self._pending or self._reading:
                size, since = self._size(), monotonic()
            elif monotonic() - since >= quiet:
                return
            await asyncio.sleep(POLL)

    def _size(self) -> int:
        return len(self.links) + len(self._heard)

    async def _gather(self, page: Page) -> None:
        """Add the links that the page has now to those it had before, which it may have dropped."""
        origin = urlsplit(page.url)[:2]
        for frame in page.frames:
            if urlsplit(frame.url)[:2] not in {origin, ("about", "")}:
                continue
            with suppress(Error):  # it is being left
                for url, text in await frame.evaluate(GATHER, MAX_LINKS - len(self.links)):
                    self.links.setdefault(normal_url(url), " ".join(text.split()))


async def _close(popup: Page) -> None:
    with suppress(Error):
        await popup.close()


async def _abort(route: Route) -> None:
    with suppress(Error):
        await route.abort()


def _hang_up(socket: WebSocketRoute) -> None:
    """Leave a WebSocket to itself: no connection is made, and nothing is answered."""

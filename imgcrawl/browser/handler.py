"""The HTTP handler of a spider that needs a browser: scrapy-playwright's, guarded and polite."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from scrapy import Request
from scrapy.utils.httpobj import urlparse_cached

from imgcrawl.browser.chromium import launch_options
from imgcrawl.browser.proxy import REFUSED, GuardProxy
from imgcrawl.download.address_guard import AddressGuard
from imgcrawl.download.downloader import Downloader
from imgcrawl.download.handler import HttpHandler
from imgcrawl.download.robots import RobotsTxtMiddleware
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from playwright.async_api import Request as PageRequest
    from scrapy.crawler import Crawler
    from scrapy.http import Response

# What a page needs to make its links. Pictures, fonts, films and beacons are not loaded.
LOADED = frozenset({"document", "script", "stylesheet", "xhr", "fetch"})
CLOSING = 10.0  # seconds for the browser to go


class BrowserHandler(HttpHandler):
    """Opens requests with ``playwright`` in their meta in a browser, the others as ever.

    The browser is started with the first such request, and connects to nothing but a `GuardProxy`.
    What a page fetches of its own accord obeys robots.txt as well.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._browser = _browsers.setdefault(crawler, _Browser(crawler))

    async def close(self) -> None:
        """Close the browser at the end of the crawl."""
        await super().close()
        await self._browser.close()

    async def download_request(self, request: Request) -> Response:
        """Return the answer to a request; a page as its scripts left it. Raises RecordMissing."""
        if not request.meta.get("playwright"):
            return await super().download_request(request)
        self._guard.check_host(urlparse_cached(request).hostname or "")
        deadline = self._limits.of(request).deadline
        opened = asyncio.create_task(self._browser.open(request))
        stopped = asyncio.create_task(Downloader.of(self.crawler).sleep(deadline or 1e9))
        try:
            await asyncio.wait({opened, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if opened.done():
                return opened.result()
            stopped.result()
            message = f"the page was not finished after {deadline:g} s"
            raise RecordMissing(Outcome.TIMEOUT, message)
        finally:
            opened.cancel()
            stopped.cancel()
            await asyncio.gather(opened, stopped, return_exceptions=True)


class _Browser:
    """The one browser of a crawl, for http and https, with the proxy before it."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._lock = asyncio.Lock()
        self._handler: Any = None  # scrapy-playwright has no types
        self._proxy: GuardProxy | None = None

    async def open(self, request: Request) -> Response:
        """Return a page as it is after its scripts ran. Raises RecordMissing."""
        from playwright.async_api import Error  # noqa: PLC0415 - not before it is needed

        if request.meta.get("proxy"):
            message = "the browser is led through no proxy but its own; unset the proxy variables"
            raise RecordMissing(Outcome.REFUSED, message, tries=0)
        async with self._lock:
            if self._handler is None:
                await self._start()
        assert self._proxy is not None
        host = urlparse_cached(request).hostname or ""
        try:
            response: Response = await self._handler.download_request(request)
        except RuntimeError as error:  # scrapy-playwright's for what is saved and not shown
            message = f"{host} sent a file in place of a page, and the browser saves none"
            raise RecordMissing(Outcome.CORRUPT, message) from error
        except Error as error:
            raise self._proxy.refused.get(host) or _in_words(error, host) from error
        host = urlparse_cached(response).hostname or ""
        if response.status == REFUSED and (refusal := self._proxy.refused.get(host)):
            raise refusal
        return response

    async def close(self) -> None:
        """End the browser, then its proxy."""
        handler, self._handler = self._handler, None
        if handler is not None:
            async with asyncio.timeout(CLOSING):
                await handler.close()
        if self._proxy is not None:
            await self._proxy.close()
            self._proxy = None

    async def _start(self) -> None:
        from scrapy_playwright.handler import (  # noqa: PLC0415 - half a second, and 20 MB
            ScrapyPlaywrightDownloadHandler,
        )

        settings = self._crawler.settings
        self._proxy = GuardProxy(
            AddressGuard.from_setting(settings["ALLOWED_PRIVATE_NETWORKS"]),
            settings.getint("BROWSER_MAX_BYTES", 256 << 20),
            settings.getfloat("DOWNLOAD_TIMEOUT"),
        )
        server = await self._proxy.start()
        # It writes a traceback of each failure, which is told in words here.
        logging.getLogger("scrapy-playwright").setLevel(logging.ERROR)
        handler = ScrapyPlaywrightDownloadHandler(self._crawler)
        # Playwright puts loopback past a proxy unless told otherwise.
        handler.config.launch_options = {
            **launch_options(settings["BROWSER_PATH"]),
            **handler.config.launch_options,
            "proxy": {"server": server, "bypass": "<-loopback>"},
        }
        handler.config.navigation_timeout_ms = 1000 * settings.getfloat("DOWNLOAD_TIMEOUT")
        handler.abort_request = self._is_unwanted
        # The signal by which it starts itself is long past.
        await handler._launch()
        self._handler = handler

    async def _is_unwanted(self, request: PageRequest) -> bool:
        """Return whether a request of a page is left out: not needed for links, or not allowed."""
        if request.resource_type not in LOADED or not request.url.startswith(("http:", "https:")):
            return True
        robots = self._crawler.get_downloader_middleware(RobotsTxtMiddleware)
        if robots is not None:
            try:
                await robots.process_request(Request(request.url))
            except RecordMissing:
                return True
        return False


_browsers: WeakKeyDictionary[Crawler, _Browser] = WeakKeyDictionary()


def _in_words(error: Exception, host: str) -> Exception:
    """Return Playwright's error as a RecordMissing."""
    words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "launch" in words:
        advice = "Where it cannot have a sandbox, add -s PLAYWRIGHT_LAUNCH_OPTIONS="
        return SourceError(f"the browser does not start ({words}). {advice}" + _NO_SANDBOX)
    outcome = Outcome.CONNECTION_LOST
    if "Timeout" in words:
        outcome = Outcome.TIMEOUT
    elif "ERR_CERT" in words or "ERR_SSL" in words:
        outcome = Outcome.TLS
    return RecordMissing(outcome, f"the page of {host} did not come ({words.partition(' at ')[0]})")


_NO_SANDBOX = """'{"chromium_sandbox": false}'"""

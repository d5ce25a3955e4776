"""Requests through a real crawl, in the test's own event loop."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerRunner
from scrapy.http.request import NO_CALLBACK

from imgcrawl import settings as project
from imgcrawl.download.downloader import Downloader
from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from scrapy.crawler import Crawler
    from scrapy.http import Response

T = TypeVar("T")

# What the project's settings say of downloading, so that its tables are what is tested.
_NAMES = (
    "ALLOWED",
    "ARCHIVE",
    "AUTOTHROTTLE",
    "CONCURRENT",
    "COOKIES",
    "CRAWL_DELAY",
    "DOWNLOAD",
    "HOST_",
    "HTTPCACHE",
    "REDIRECT",
    "RETRY",
    "ROBOTSTXT",
    "SPOOL",
    "USER_AGENT",
    "X_ROBOTS",
)
_TESTS = {
    "ALLOWED_PRIVATE_NETWORKS": ["127.0.0.1/32"],
    "AUTOTHROTTLE_ENABLED": False,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
    "HTTPCACHE_ENABLED": False,
    "HTTPPROXY_ENABLED": False,
    "LOG_ENABLED": False,
    "OUT": "unused",
    "RETRY_BACKOFF_BASE": 0.01,
    "ROBOTSTXT_OBEY": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "TWISTED_REACTOR_ENABLED": False,
}


def settings(**others: Any) -> dict[str, Any]:
    own = {name: value for name, value in vars(project).items() if name.startswith(_NAMES)}
    throttle = {"scrapy.extensions.throttle.AutoThrottle": None, THROTTLE: 20}
    return {**own, "EXTENSIONS": throttle, **_TESTS, **others}


THROTTLE = "imgcrawl.download.throttle.Throttle"


def crawl(main: Callable[[Crawler], Awaitable[T]], **others: Any) -> T:
    """Run `main` in the place of a spider's start(), with a crawler that is running."""
    results: list[T] = []
    errors: list[BaseException] = []

    class Probe(Spider):
        name = "probe"

        async def start(self) -> AsyncIterator[Any]:
            try:
                results.append(await main(self.crawler))
            except BaseException as error:
                errors.append(error)
            return
            yield  # which makes it a generator

    async def run() -> None:
        runner = AsyncCrawlerRunner(settings(**others))
        await runner.crawl(Probe)

    asyncio.run(run())
    if errors:
        raise errors[0]
    return results[0]


async def fetch(crawler: Crawler, url: str, *, method: str = "GET", **meta: Any) -> Response:
    """One response, as pipelines and spiders get it."""
    request = Request(url, method=method, meta=meta, callback=NO_CALLBACK)
    if isinstance(crawler.engine.downloader, Downloader):
        return await Downloader.of(crawler).download(request)
    return await crawler.engine.download_async(request)


def engine_of(download: Callable[[Request], Awaitable[Response]]) -> Any:
    """An engine of which a function answers what pipelines ask for."""

    class Answering(Downloader):
        def __init__(self) -> None:
            pass

        async def download(self, request: Request) -> Response:
            return await download(request)

    return SimpleNamespace(downloader=Answering())


async def outcome(crawler: Crawler, url: str, **meta: Any) -> str:
    """The status of an answer, or the outcome of a failure, as a word."""
    try:
        return str((await fetch(crawler, url, **meta)).status)
    except RecordMissing as error:
        return str(error.outcome)


async def outcomes(crawler: Crawler, urls: list[str], **meta: Any) -> list[str]:
    """`outcome` of each, all at once."""
    return list(await asyncio.gather(*(outcome(crawler, url, **meta) for url in urls)))

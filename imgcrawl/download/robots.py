"""robots.txt, with its Crawl-delay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware as ScrapyRobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.utils.httpobj import urlparse_cached

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.errors import FetchError
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.robotstxt import RobotParser


class RobotsTxtMiddleware(ScrapyRobotsTxtMiddleware):
    """Refuses what robots.txt does, and keeps the distance that it asks for.

    A robots.txt that is not there (RFC 9309: any 4xx) forbids nothing, and neither does one that
    cannot be had: the records behind it fail for the same cause, which says more.

    Settings: ROBOTSTXT_OBEY, ROBOTSTXT_USER_AGENT, CRAWL_DELAY_OBEY, CRAWL_DELAY_MAX (seconds).
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._loads: dict[str, asyncio.Future[RobotParser | None]] = {}
        self._delay_max = crawler.settings.getfloat("CRAWL_DELAY_MAX")
        if crawler.settings.getbool("CRAWL_DELAY_OBEY"):
            crawler.signals.connect(self._parsed, signal=signals.robots_parsed)

    async def robot_parser(self, request: Request) -> RobotParser | None:
        """The parsed robots.txt of a request's host, None where there is none.

        Scrapy 2.19 lets all requests that wait for a robots.txt await one Deferred: the first gets
        the parser, and each later one None, so that whatever it forbids is fetched.
        """
        netloc = urlparse_cached(request).netloc
        if netloc not in self._loads:
            self._loads[netloc] = asyncio.ensure_future(super().robot_parser(request))
        return await asyncio.shield(self._loads[netloc])

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Raise FetchError for what the parsed robots.txt forbids."""
        try:
            super().process_request_2(rp, request)
        except IgnoreRequest as error:
            parts = urlparse_cached(request)
            words = f"robots.txt of {parts.hostname} forbids {parts.path[:200]}"
            raise FetchError(Outcome.ROBOTS, words) from error

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        if response.status != 200:
            response = response.replace(body=b"")
        await super()._parse_robots(response, netloc, request)

    def _parsed(self, robotparser: RobotParser, request: Request) -> None:
        agent = self._robotstxt_useragent or self._default_useragent
        delay = robotparser.crawl_delay(agent)
        downloader = self.crawler.engine.downloader
        if delay and isinstance(downloader, Downloader):
            key = downloader.get_slot_key(request)
            downloader.delay_at_least(key, min(float(delay), self._delay_max))

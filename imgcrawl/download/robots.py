"""robots.txt: what it does not allow is not fetched, and its Crawl-delay is kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from scrapy import Request, signals
from scrapy.downloadermiddlewares.robotstxt import (
    RobotsTxtMiddleware as ScrapyRobotsTxtMiddleware,
)
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached
from scrapy.utils.misc import build_from_crawler

from imgcrawl.download.downloader import Downloader
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status

if TYPE_CHECKING:
    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.robotstxt import RobotParser

CRAWL_DELAY_MAX = 60.0  # seconds
MAX_SIZE = 500 << 10  # bytes that are read of a robots.txt (RFC 9309, 2.5)
POLICIES = 1000  # hosts whose robots.txt is remembered
REFUSAL_TIME = 60.0  # seconds that an answer of 5xx is remembered

# Failures of the file and not of the host: there is no policy to go by.
_NO_POLICY = frozenset({Outcome.REDIRECTS, Outcome.TOO_LARGE, Outcome.BAD_URL, Outcome.CORRUPT})


@dataclass(frozen=True, slots=True)
class _Policy:
    """What was found out about a host; all is allowed where there is neither."""

    parser: RobotParser | None = None
    refusal: RecordMissing | None = None
    until: float = inf


class RobotsTxtMiddleware(ScrapyRobotsTxtMiddleware):
    """Scrapy's middleware, by RFC 9309, with failures as RecordMissing and a bounded memory.

    4xx means that everything is allowed. A host that answers its robots.txt with 5xx or 429, or
    cannot be reached, is asked nothing else: the request fails as its robots.txt did, and whether
    it is tried again goes by that. So it takes one request at a time to find out that a host is
    dead.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        settings = crawler.settings
        self._crawl_delay_max = 0.0
        if settings.getbool("CRAWL_DELAY_OBEY", True):
            self._crawl_delay_max = settings.getfloat("CRAWL_DELAY_MAX", CRAWL_DELAY_MAX)
        self._policies: OrderedDict[str, asyncio.Task[_Policy]] = OrderedDict()

    async def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Raise RecordMissing for a request that may not be made: robots, or no robots.txt."""
        if request.meta.get("dont_obey_robotstxt"):
            return
        policy = await self._policy(request)
        if policy.refusal is not None:
            raise policy.refusal.again()
        if policy.parser is not None and not policy.parser.allowed(
            request.url, self._agent(request)
        ):
            self._stats.inc_value("robotstxt/forbidden")
            url = urlparse_cached(request)
            message = f"robots.txt of {url.hostname} does not allow {url.path or '/'}"
            raise RecordMissing(Outcome.ROBOTS, message, tries=0)

    async def _policy(self, request: Request) -> _Policy:
        """Return the policy of the request's host, asked for once for all that wait for it."""
        url = urlparse_cached(request)
        origin = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
        task = self._policies.get(origin)
        if task is None or _is_stale(task):
            task = self._policies[origin] = asyncio.create_task(self._ask(origin, request))
        self._policies.move_to_end(origin)
        if len(self._policies) > POLICIES:
            self._policies.popitem(last=False)
        return task.result() if task.done() else await asyncio.shield(task)

    async def _ask(self, origin: str, request: Request) -> _Policy:
        host = urlparse_cached(request).hostname
        self._stats.inc_value("robotstxt/request_count")
        try:
            response = await self.crawler.engine.download_async(
                Request(
                    f"{origin}/robots.txt",
                    priority=self.DOWNLOAD_PRIORITY,
                    callback=NO_CALLBACK,
                    meta={
                        "dont_obey_robotstxt": True,
                        "max_retry_times": 1,
                        "download_maxsize": 10 * MAX_SIZE,
                    },
                )
            )
        except RecordMissing as error:
            if error.outcome in _NO_POLICY:
                return _Policy()
            # Not remembered: the breaker sees to it that a dead host is not asked too often.
            return _Policy(refusal=RecordMissing(error.outcome, error.message, tries=0), until=0.0)
        status = response.status
        self._stats.inc_value(f"robotstxt/response_status_count/{status}")
        if status >= 500 or status == 429:
            words = f"robots.txt of {host} answers HTTP {status}, so nothing else is asked for"
            refusal = RecordMissing(of_status(status), words, status, tries=0)
            return _Policy(refusal=refusal, until=monotonic() + REFUSAL_TIME)
        if not 200 <= status < 300:
            return _Policy()
        return _Policy(await self._parse(response, request))

    async def _parse(self, response: Response, request: Request) -> RobotParser:
        # Half a megabyte of rules takes longer to parse than the event loop may be held up.
        parser: RobotParser = await asyncio.to_thread(
            build_from_crawler, self._parserimpl, self.crawler, response.body[:MAX_SIZE]
        )
        delay = parser.crawl_delay(self._agent(request))
        if delay is not None and delay > 0 and self._crawl_delay_max > 0:
            downloader = Downloader.of(self.crawler)
            slot_key = downloader.get_slot_key(request)
            downloader.slow_down(slot_key, min(delay, self._crawl_delay_max))
        await self.crawler.signals.send_catch_log_async(
            signal=signals.robots_parsed, robotparser=parser, request=request
        )
        return parser

    def _agent(self, request: Request) -> str:
        if self._robotstxt_useragent:
            return self._robotstxt_useragent
        sent = request.headers.get("User-Agent")
        return sent.decode("latin-1") if sent else self._default_useragent


def _is_stale(task: asyncio.Task[_Policy]) -> bool:
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or task.result().until < monotonic()

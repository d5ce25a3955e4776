"""Another try for what may pass, after a pause; the pause that a host asks for, for all of it."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.errors import FetchError
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from typing import Self

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

STATUSES = frozenset({408, 429, 500, 502, 503, 504, 522, 524})


class RetryMiddleware:
    """In the place of Scrapy's, which tries again at once.

    Settings: RETRY_TIMES (meta max_retry_times), RETRY_BACKOFF_BASE and RETRY_BACKOFF_MAX
    (seconds; full jitter over a doubling range), RETRY_AFTER_MAX (seconds; a host that asks for
    more has answered). When the tries are used up the last response is handed on, or the last
    error raised; meta retry_times says how many there were.
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._times = settings.getint("RETRY_TIMES")
        self._base = settings.getfloat("RETRY_BACKOFF_BASE")
        self._max = settings.getfloat("RETRY_BACKOFF_MAX")
        self._after_max = settings.getfloat("RETRY_AFTER_MAX")
        self._stopped: asyncio.Event | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        """The response, or the request again where its status may pass."""
        if response.status not in STATUSES or "cached" in response.flags:
            return response
        asked = retry_after(response)
        if asked is not None and asked <= self._after_max:
            self._downloader().pause(request.meta["download_slot"], asked)
        if not self._may_retry(request) or (asked is not None and asked > self._after_max):
            return response
        return await self._again(request, waits_anyway=asked is not None)

    async def process_exception(self, request: Request, exception: Exception) -> Request | None:
        """The request again where what failed may pass."""
        if not isinstance(exception, FetchError):
            return None
        if exception.outcome.transient and self._may_retry(request):
            return await self._again(request)
        exception.tries = request.meta.get("retry_times", 0) + 1
        return None

    def _downloader(self) -> Downloader:
        downloader = self._crawler.engine.downloader
        assert isinstance(downloader, Downloader)
        return downloader

    def _may_retry(self, request: Request) -> bool:
        if request.meta.get("dont_retry"):
            return False
        times = request.meta.get("max_retry_times", self._times)
        if request.meta.get("dont_obey_robotstxt"):
            times = min(times, 1)  # robots.txt itself: every other request of the host waits for it
        return bool(request.meta.get("retry_times", 0) < times)

    async def _again(self, request: Request, *, waits_anyway: bool = False) -> Request:
        tried = request.meta.get("retry_times", 0)
        if not waits_anyway:
            await self._sleep(random.uniform(0, min(self._base * 2**tried, self._max)))  # noqa: S311
        again = request.copy()
        again.meta["retry_times"] = tried + 1
        again.dont_filter = True
        return again

    async def _sleep(self, seconds: float) -> None:
        """Wait; raises FetchError where the run is stopped meanwhile."""
        if self._stopped is None:
            self._stopped = asyncio.Event()
            self._downloader().on_interrupt(self._stopped.set)
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return
        raise FetchError(Outcome.INTERRUPTED, "the run was stopped before the next try")


def retry_after(response: Response) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110: a number, or a date)."""
    value = (response.headers.get("Retry-After") or b"").decode("latin-1").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((date - datetime.now(UTC)).total_seconds(), 0.0)

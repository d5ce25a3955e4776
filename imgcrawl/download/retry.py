"""Trying again: what may pass, after a pause, as often as RETRY_TIMES says."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.download.downloader import SLOW_DOWN, Downloader
from imgcrawl.download.errors import UnknownHost
from imgcrawl.download.schemes import ARCHIVE_SCHEMES
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from typing import Self

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Headers, Response

logger = logging.getLogger(__name__)

BACKOFF_BASE = 1.0  # seconds before the first further try, doubled with each
BACKOFF_MAX = 60.0
RETRY_AFTER_MAX = 300.0  # seconds; a host that asks for more is taken at its word another day


class RetryMiddleware:
    """Takes the place of Scrapy's own, which tries again at once and knows no Retry-After.

    When the tries are used up the response is handed on as it is, or the RecordMissing raised.
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        if not settings.getbool("RETRY_ENABLED"):
            raise NotConfigured
        self._crawler = crawler
        self._times = settings.getint("RETRY_TIMES")
        self._statuses = {int(status) for status in settings.getlist("RETRY_HTTP_CODES")}
        self._base = settings.getfloat("RETRY_BACKOFF_BASE", BACKOFF_BASE)
        self._max = settings.getfloat("RETRY_BACKOFF_MAX", BACKOFF_MAX)
        self._longest = settings.getfloat("RETRY_AFTER_MAX", RETRY_AFTER_MAX)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware of a crawler: Scrapy's constructor."""
        return cls(crawler)

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        """Return another request for a status that may pass. Raises RecordMissing (interrupted)."""
        if response.status not in self._statuses or "cached" in response.flags:
            return response
        downloader = Downloader.of(self._crawler)
        slot_key = downloader.get_slot_key(request)
        reason = f"HTTP {response.status}"
        wish = retry_after(response.headers)
        waits = wish is not None and wish <= self._longest
        if wish is not None and waits:
            downloader.pause(slot_key, wish)
        elif wish is not None and response.status in SLOW_DOWN:
            downloader.hosts.refused(slot_key, wish, reason)
        if (wish is None or waits) and self._may_again(request, self._times):
            # Where the whole host pauses, the request waits in its queue.
            backs_off = wish is None
            retries = int(request.meta.get("retry_times", 0))
            if backs_off and response.status == 429:
                # The host as a whole waits: at first by its pace alone, then longer.
                backs_off = False
                if retries:
                    longest = min(self._max, self._base * 2**retries)
                    downloader.pause(slot_key, uniform(0, longest))  # noqa: S311
            return await self._again(request, reason, backs_off=backs_off)
        if response.status == 429:
            error = RecordMissing(Outcome.RATE_LIMITED, f"{slot_key} asks for fewer requests")
            downloader.hosts.failed(slot_key, error)
        return response

    async def process_exception(self, request: Request, exception: Exception) -> Request | None:
        """Return another request for a passing failure. Raises RecordMissing (interrupted)."""
        if not isinstance(exception, RecordMissing):
            return None
        exception.tries += request.meta.get("retry_times", 0)
        # An archive was tried often enough on its own account.
        if exception.outcome.transient and not _is_member(request):
            times = min(self._times, 1) if isinstance(exception, UnknownHost) else self._times
            if self._may_again(request, times):
                return await self._again(request, exception.message, backs_off=True)
        return None

    def _may_again(self, request: Request, times: int) -> bool:
        if request.meta.get("dont_retry"):
            return False
        retries = int(request.meta.get("retry_times", 0))
        if retries < int(request.meta.get("max_retry_times", times)):
            return True
        self._crawler.stats.inc_value("retry/max_reached")
        return False

    async def _again(self, request: Request, reason: str, *, backs_off: bool) -> Request:
        retries = request.meta.get("retry_times", 0)
        logger.debug("Trying %s again, for the %d. time: %s", request, retries + 1, reason)
        self._crawler.stats.inc_value("retry/count")
        if backs_off:
            longest = min(self._max, self._base * 2**retries)
            try:
                # Spread over the whole time, so that those who failed together do not return so.
                await Downloader.of(self._crawler).sleep(uniform(0, longest))  # noqa: S311
            except RecordMissing as error:
                error.tries = retries + 1
                raise
        again = request.copy()
        again.meta["retry_times"] = retries + 1
        again.dont_filter = True
        return again


def _is_member(request: Request) -> bool:
    return request.url.partition(":")[0] in ARCHIVE_SCHEMES


def retry_after(headers: Headers) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, 10.2.3), or None.

    A date is compared with the server's own clock if the response has a Date header.
    """
    text = (headers.get("Retry-After") or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _date(text)
    if until is None:
        return None
    now = _date((headers.get("Date") or b"").decode("latin-1")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

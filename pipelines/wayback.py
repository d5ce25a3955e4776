"""What is gone from its own address, from the Wayback Machine, within the limits it asks for."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.exceptions import NotConfigured
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.downloader import Downloader
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import ImageItem, Item, Missing, Result, Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.wayback import WaybackCapture, cdx_url, parse_cdx
from imgcrawl.storage.origin import Origin
from imgcrawl.text.bucket_urls import is_in_bucket
from imgcrawl.text.times import utc_now
from pipelines.images import ImagesPipeline

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler
    from scrapy.http import Response

logger = logging.getLogger(__name__)

# Passing troubles, as the authors of PyPI's `wayback` have it with the Internet Archive's staff.
_PASSING = {413, 421, 500, 502, 503, 504, 599}
_TRIES = 3
_BLOCKED = b"AdministrativeAccessControlException"


class _UnansweredError(Exception):
    """The Wayback Machine did not say whether it has a URL."""


class WaybackPipeline(ImagesPipeline):
    """Looks for what is gone, and keeps it if its bytes are those of the capture.

    The limits are the slots ``wayback-cdx`` and ``wayback-replay`` of DOWNLOAD_SLOTS. Answers are
    kept in the ledger. After the first 429 nothing more is asked in this run: the archive would
    lock us out.
    """

    def __init__(self, store_uri: str, *, crawler: Crawler) -> None:
        super().__init__(store_uri, crawler=crawler)
        settings = crawler.settings
        self._base = settings["WAYBACK_URL"]
        self._year: int | None = settings.getint("WAYBACK_YEAR") or None
        self._keep_for = timedelta(days=settings.getint("WAYBACK_CACHE_DAYS"))
        self._refused = ""  # why nothing more is asked
        self._turns = {"wayback-cdx": asyncio.Semaphore(1), "wayback-replay": asyncio.Semaphore(2)}
        self._excluded: set[str] = set()  # hosts that the archive does not show

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks. Raises NotConfigured without WAYBACK."""
        if not crawler.settings.getbool("WAYBACK"):
            raise NotConfigured
        return super().from_crawler(crawler)

    async def process_item(self, item: Item) -> Item:  # type: ignore[override] # as its base
        """Look for an item that has a `previous_failure` and no result of its own yet."""
        if (
            isinstance(item, ImageItem)
            and item.previous_failure is not None
            and item.result is None
        ):
            item.result = await self._look_for(item, item.previous_failure)
        return item

    async def _look_for(self, item: ImageItem, failure: Missing) -> Result:
        words = []
        for url in item.urls:
            try:
                captures = [] if is_in_bucket(url) else await self._captures(url)
            except _UnansweredError as error:
                words.append(str(error))
                continue
            if not captures:
                words.append("not in the Wayback Machine")
            for capture in captures:
                result = await self._replay(item, url, capture)
                if isinstance(result, Stored):
                    return replace(result, tries=result.tries + failure.tries)
                words.append(f"its capture of {capture.timestamp[:8]}: {result.message}")
        before = failure.message.split("; Wayback: ")[0]
        return replace(failure, message=f"{before}; Wayback: {', '.join(dict.fromkeys(words))}")

    async def _captures(self, url: str) -> list[WaybackCapture]:
        """Return the captures of a URL, nearest to the dataset's year first.

        Raises _UnansweredError.
        """
        ledger, since = self._run.ledger, datetime.now(UTC) - self._keep_for
        known = ledger.captures(url, since.strftime("%Y-%m-%dT%H:%M:%SZ"))
        if known is not None:
            return parse_cdx(known.encode(), self._year)
        host = urlsplit(url).hostname or ""
        # One at a time, so that an answer counts for all that wait.
        async with self._turns["wayback-cdx"]:
            if host in self._excluded:
                raise _UnansweredError("not shown by the Wayback Machine")
            response = await self._ask(cdx_url(self._base, url, self._year), "wayback-cdx", {})
            if response.status == 403 and _BLOCKED in response.body:
                self._excluded.add(host)
                raise _UnansweredError("not shown by the Wayback Machine")
        try:
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            captures = parse_cdx(response.body, self._year)
        except ValueError as error:
            raise _UnansweredError(f"the Wayback Machine did not answer ({error})") from error
        ledger.write_captures(url, response.text, utc_now())
        return captures

    async def _replay(self, item: ImageItem, url: str, capture: WaybackCapture) -> Result:
        try:
            digests = {"sha1": capture.sha1, **item.digests}
        except ValueError as error:
            return _not_so(str(error))
        try:
            replay = replace(item, urls=[capture.replay_url(self._base)])
            request = self._as_media(self.get_media_requests(replay, self.spiderinfo)[0], item)
            meta = {**request.meta, "digests": digests, "media": True}
            async with self._turns["wayback-replay"]:
                response = await self._ask(request.url, "wayback-replay", meta)
            if response.status != 200:
                return _not_so(f"HTTP {response.status}")
            origin = Origin(url, response.url, "wayback")
            kept = await self._keep(response, request.replace(meta=meta), item, origin)
        except _UnansweredError as error:
            return _not_so(str(error))
        except RecordMissing as error:
            return _not_so(str(error))
        return kept.stored(origin, 1)

    async def _ask(self, url: str, slot: str, meta: dict[str, Any]) -> Response:
        """Return an answer that is no passing failure. Raises _UnansweredError."""
        # Its robots.txt is for the pages of others; the limits of these services are agreed ones.
        meta = meta | {"download_slot": slot, "dont_retry": True, "dont_obey_robotstxt": True}
        trouble = ""
        for _ in range(_TRIES):
            if self._refused or self._run.stopping:
                break
            try:
                request = Request(url, meta=dict(meta), callback=NO_CALLBACK)
                response = await Downloader.of(self.crawler).download(request)
            except RecordMissing as error:
                if not error.outcome.transient:
                    raise _UnansweredError(error.message) from error
                trouble = error.message
                continue
            if response.status == 429:
                self._refuse(slot)
                break
            if response.status not in _PASSING:
                return response
            trouble = f"HTTP {response.status}"
        raise _UnansweredError(self._refused or trouble or "the run was stopped")

    def _refuse(self, slot: str) -> None:
        if not self._refused:
            self._refused = "the Wayback Machine asks for fewer requests"
            logger.warning(
                "The Wayback Machine answered 429 (%s): nothing more is asked of it in this run, "
                "or it would lock this network out. The same command goes on tomorrow.",
                slot,
            )


def _not_so(message: str) -> Missing:
    return Missing(Outcome.NOT_FOUND, message)

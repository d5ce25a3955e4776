"""Scrapy's Downloader, with limits that hold and hosts that can be paused or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.core.downloader import Downloader as ScrapyDownloader
from scrapy.core.downloader.handlers import DownloadHandlers
from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import _schedule_coro

from imgcrawl.download.errors import FetchError
from imgcrawl.download.hosts import Gate, Hosts
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from scrapy import Request
    from scrapy.core.downloader import Slot
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.internet.defer import Deferred


class _WatchedHandlers(DownloadHandlers):
    """Tells `hosts` how each request went, before the next one is started."""

    def __init__(self, crawler: Crawler, hosts: Hosts) -> None:
        super().__init__(crawler)
        self._hosts = hosts

    async def download_request_async(self, request: Request) -> Response:
        host = request.meta["download_slot"]
        try:
            response = await super().download_request_async(request)
        except FetchError as error:
            self._hosts.failed(host, error)
            raise
        self._hosts.answered(host)
        return response


class Downloader(ScrapyDownloader):
    """The DOWNLOADER of the project."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.hosts = Hosts(crawler.settings)
        self.handlers = _WatchedHandlers(crawler, self.hosts)
        self.interrupted = False
        self._on_interrupt: list[Callable[[], None]] = []
        self._least_delays: dict[str, float] = {}

    def pause(self, key: str, seconds: float) -> None:
        """Start nothing of a slot for so many seconds (Retry-After)."""
        self.hosts.pause(key, seconds)

    def delay_at_least(self, key: str, seconds: float) -> None:
        """Keep so many seconds between two requests of a slot (Crawl-delay)."""
        self._least_delays[key] = seconds
        if slot := self.slots.get(key):
            slot.delay = max(slot.delay, seconds)

    def least_delay(self, key: str) -> float:
        """The delay of a slot that is not to be undercut, seconds."""
        own = float(self.per_slot_settings.get(key, {}).get("delay", 0.0))
        return max(own, self._least_delays.get(key, 0.0))

    def interrupt(self) -> None:
        """Fail what has not been started, now and from now on: the run is to stop."""
        self.interrupted = True
        for slot in self.slots.values():
            self._fail_queue(slot)
        for callback in self._on_interrupt:
            callback()

    def on_interrupt(self, callback: Callable[[], None]) -> None:
        """Call back when the run is to stop."""
        self._on_interrupt.append(callback)

    def _get_slot(self, request: Request, spider: Any = None) -> tuple[str, Slot]:
        key, slot = super()._get_slot(request)
        if least := self._least_delays.get(key):
            slot.delay = max(slot.delay, least)
        return key, slot

    def _process_queue(self, slot: Slot) -> None:
        if not slot.queue:
            return
        key: str = slot.queue[0][0].meta[self.DOWNLOAD_SLOT]
        gate = self.hosts.gate(key)
        if self.interrupted or gate is Gate.SHUT:
            self._fail_queue(slot)
        elif gate is Gate.WAIT:
            if not slot.latercall:
                slot.latercall = call_later(self.hosts.wait(key), self._latercall, slot)
        elif gate is Gate.PROBE:
            if not slot.transferring:
                request, waiting = slot.queue.popleft()
                _schedule_coro(self._wait_for_download(slot, request, waiting))
        else:
            super()._process_queue(slot)

    def _fail_queue(self, slot: Slot) -> None:
        while slot.queue:
            request, waiting = slot.queue.popleft()
            error = FetchError(Outcome.INTERRUPTED, "the run was stopped before its turn came")
            if not self.interrupted:
                error = self.hosts.down(request.meta[self.DOWNLOAD_SLOT])
            waiting.errback(error)

    def _wait_for_download(
        self, slot: Slot, request: Request, queue_dfd: Deferred[Response]
    ) -> Coroutine[Any, Any, None]:
        """Count a request as transferring as soon as it is handed over.

        Scrapy 2.14 to 2.19 counts it when its task first runs, and so, where there is no delay,
        starts the whole queue of a slot before it counts the first.
        """
        slot.transferring.add(request)
        return super()._wait_for_download(slot, request, queue_dfd)

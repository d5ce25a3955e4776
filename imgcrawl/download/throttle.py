"""AutoThrottle that knows object stores from strangers, and never goes below a Crawl-delay."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from scrapy.extensions.throttle import AutoThrottle

from imgcrawl.download.downloader import Downloader

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.http import Response


class Throttle(AutoThrottle):
    """Scrapy's, but for the aim and the floor of each host.

    A host with a concurrency of its own in DOWNLOAD_SLOTS is made for that: it is aimed at, in
    place of AUTOTHROTTLE_TARGET_CONCURRENCY.
    """

    @cached_property
    def _slots(self) -> dict[str, dict[str, float]]:
        return dict(self.crawler.settings.getdict("DOWNLOAD_SLOTS"))

    def _start_delay(self) -> float:
        return super()._start_delay() * Downloader.of(self.crawler).workers

    def _response_downloaded(self, response: Response, request: Request, spider: Spider) -> None:
        key, slot = self._get_slot(request, spider)
        latency = request.meta.get("download_latency")
        if key is None or slot is None or latency is None or "cached" in response.flags:
            return
        if request.meta.get("autothrottle_dont_adjust_delay"):
            return
        downloader = Downloader.of(self.crawler)
        target = latency / self._concurrency(downloader, key)
        # As Scrapy: at once to a longer delay, half the way to a shorter one, and never to a
        # shorter one by an error page, which takes a server no time.
        delay = max(target, (slot.delay + target) / 2)
        delay = max(min(delay, self.maxdelay), downloader.floor(key))
        if response.status == 200 or delay > slot.delay:
            slot.delay = delay

    def _concurrency(self, downloader: Downloader, key: str) -> float:
        own = self._slots.get(key, {}).get("concurrency")
        return (float(own) if own else self.target_concurrency) / downloader.sharers(key)

"""AutoThrottle that knows which hosts can take more, and which asked for less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.extensions.throttle import AutoThrottle

from imgcrawl.download.downloader import Downloader

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.http import Response


class Throttle(AutoThrottle):
    """Aims at AUTOTHROTTLE_TARGET_CONCURRENCY; at its own concurrency for a host of DOWNLOAD_SLOTS.

    The delay never falls below a host's own, or its Crawl-delay.
    """

    def _response_downloaded(self, response: Response, request: Request, spider: Spider) -> None:
        key, slot = self._get_slot(request, spider)
        latency = request.meta.get("download_latency")
        downloader = self.crawler.engine.downloader
        if slot is None or key is None or latency is None:
            return
        known = downloader.per_slot_settings.get(key, {}).get("concurrency")
        usual, self.target_concurrency = self.target_concurrency, known or self.target_concurrency
        try:
            self._adjust_delay(slot, latency, response)
        finally:
            self.target_concurrency = usual
        if isinstance(downloader, Downloader):
            slot.delay = max(slot.delay, downloader.least_delay(key))

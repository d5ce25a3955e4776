"""Progress: a live line for people at a terminal, a log line a minute for everyone else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imgcrawl.crawl.lifecycle import crawl_ended
from imgcrawl.progress.rates import RATE_OVER, TransferRates, time_left
from imgcrawl.progress.terminal import is_watched
from imgcrawl.progress.watcher import PeriodicExtension

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.progress.live_line import LiveLine

logger = logging.getLogger(__name__)

_REFRESH = 0.25  # seconds


class ProgressExtension(PeriodicExtension):
    """Shows how far a run is: done, missing, rate, time left, bytes, and what it is doing."""

    at_once = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.every = crawler.settings.getfloat("LOGSTATS_INTERVAL")
        self._rates = TransferRates(max(RATE_OVER, self.every))
        self._live: LiveLine | None = None
        crawler.signals.connect(self.end, signal=crawl_ended)

    def opened(self) -> None:
        """Meet the run, and whoever looks on."""
        settings = self._crawler.settings
        if is_watched(settings):
            # rich costs memory and time to load, and unattended runs have no use for it.
            from imgcrawl.progress.live_line import LiveLine  # noqa: PLC0415

            self._live = LiveLine(self._crawler.spidercls.name, settings["LOG_LEVEL"])
            self.every = _REFRESH
        super().opened()

    def end(self) -> None:
        """Give the terminal back, also where the run was broken off."""
        if self._live:
            self._live.close()
            self._live = None

    def closed(self) -> None:
        """Show how it ended."""
        super().closed()
        if self._live:
            self.look()
        self.end()

    def look(self) -> None:
        """Draw the line anew, or log one."""
        counts, doing = self._run.counts, self._run.describe_activity()
        self._rates.count(counts)
        records, size = self._rates.now()
        left = time_left(counts, records)
        if self._live:
            self._live.show(counts, records, size, left, doing)
            return
        total = f" of {counts.expected:,}" if counts.expected is not None else ""
        logger.info(
            "%s%s records done, %s missing, %.1f records/s, %.1f MB/s, %s left. %s",
            f"{counts.done:,}",
            total,
            f"{counts.missing:,}",
            records,
            size / 1e6,
            left,
            doing,
        )

"""Progress of one crawl, shown: a live line at a terminal, a log line a minute elsewhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imgcrawl.crawl.lifecycle import crawl_ended
from imgcrawl.progress.display import open_display
from imgcrawl.progress.periodic import PeriodicExtension
from imgcrawl.progress.row import ProgressRow

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.progress.display import ProgressDisplay

logger = logging.getLogger(__name__)


class ProgressExtension(PeriodicExtension):
    """Shows how far a run is: done, missing, rate, time left, bytes, and what is under way."""

    at_once = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._row = ProgressRow(crawler.spidercls.name)
        self._display: ProgressDisplay | None = None
        crawler.signals.connect(self.end, signal=crawl_ended)

    def opened(self) -> None:
        """Take the terminal, if there is one."""
        self._display = open_display(self._crawler.settings, logger)
        self.every = self._display.interval
        super().opened()

    def closed(self) -> None:
        """Give the terminal back."""
        super().closed()
        self.end()

    def end(self) -> None:
        """Give the terminal back, also if the run was broken off."""
        if self._display:
            self._display.close()
            self._display = None

    def look(self) -> None:
        """Show how far the run is."""
        if self._display:
            self._row.update(self.progress())
            self._display.show([self._row])

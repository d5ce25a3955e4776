"""The base of the extensions that report how far a run is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.utils.asyncio import create_looping_call

from imgcrawl.crawl.lifecycle import require_dataset, run_of

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

    from imgcrawl.progress.channel import Message

MAX_ACTIVITY = 200  # characters


class PeriodicExtension:
    """Looks at the run every `every` seconds, from its beginning to its end.

    at_once: whether the first look is at the very beginning
    """

    every = 1.0
    at_once = True

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        crawler.signals.connect(self.opened, signal=signals.spider_opened)
        crawler.signals.connect(self.closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make the extension, as Scrapy does. Raise NotConfigured if no dataset is crawled."""
        require_dataset(crawler)
        return cls(crawler)

    def look(self) -> None:
        """Report how far the run is."""
        raise NotImplementedError

    def progress(self) -> Message:
        """Return how far the run is: records done, missing and expected, bytes of this run."""
        counts = self._run.counts
        return {
            "done": counts.done,
            "missing": counts.missing,
            "expected": counts.expected_now,
            "bytes": counts.bytes,
            "activity": self._run.records.describe_activity()[:MAX_ACTIVITY],
        }

    def opened(self) -> None:
        """Find the run, and begin to look at it."""
        self._run = run_of(self._crawler)
        self._loop = create_looping_call(self.look)
        self._loop.start(self.every, now=self.at_once)

    def closed(self) -> None:
        """Stop looking: the run has ended."""
        if self._loop.running:
            self._loop.stop()

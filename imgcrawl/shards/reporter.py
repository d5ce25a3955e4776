"""Says how far a shard's crawl is, to the process that started it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.utils.asyncio import create_looping_call

from imgcrawl.run import Run

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

_EVERY = 1.0  # seconds


class Reporter:
    """An extension that writes a line of JSON a second to the file descriptor SHARD_REPORT."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._fd = crawler.settings.getint("SHARD_REPORT")
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        return cls(crawler)

    def _opened(self) -> None:
        self._run = Run.of(self._crawler)
        self._loop = create_looping_call(self._say)
        self._loop.start(_EVERY)

    def _closed(self) -> None:
        if self._loop.running:
            self._loop.stop()
        self._say()

    def _say(self) -> None:
        tally = self._run.tally
        said = {"done": tally.done, "missing": tally.missing, "expected": tally.expected}
        with suppress(BrokenPipeError):  # nobody listens any more, and we shall soon be killed
            os.write(self._fd, (json.dumps(said) + "\n").encode())

"""Progress: a live line for people at a terminal, a log line a minute for everyone else."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.utils.asyncio import create_looping_call

from imgcrawl.run import Run

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

    from imgcrawl.extensions.live_line import LiveLine
    from imgcrawl.tally import Tally

logger = logging.getLogger(__name__)

_REFRESH = 0.25  # seconds
_RATE_OVER = 15.0  # seconds that the rate is taken over


class Progress:
    """Shows how far a run is: done, missing, rate, time left, bytes, and what it is doing."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._interval = crawler.settings.getfloat("LOGSTATS_INTERVAL")
        self._samples: deque[tuple[float, int, int]] = deque()
        self._live: LiveLine | None = None
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        Run.wanted_by(crawler)
        return cls(crawler)

    def _opened(self) -> None:
        self._run = Run.of(self._crawler)
        settings = self._crawler.settings
        logs = settings.getbool("LOG_ENABLED") and not settings["LOG_FILE"]
        if logs and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            # rich costs memory and time to load, and unattended runs have no use for it.
            from imgcrawl.extensions.live_line import LiveLine  # noqa: PLC0415

            self._live = LiveLine(self._crawler.spidercls.name, settings["LOG_LEVEL"])
        self._loop = create_looping_call(self._show)
        self._loop.start(_REFRESH if self._live else self._interval, now=False)

    def end(self) -> None:
        """Give the terminal back, also where the run was broken off."""
        if self._live:
            self._live.close()
            self._live = None

    def _closed(self) -> None:
        if self._loop.running:
            self._loop.stop()
        if self._live:
            self._draw()
        self.end()

    def _show(self) -> None:
        if self._live:
            self._draw()
            return
        records, size = self._rates()
        tally = self._run.tally
        total = f" of {tally.expected:,}" if tally.expected is not None else ""
        logger.info(
            "%s%s records done, %s missing, %.1f records/s, %.1f MB/s, %s left. %s",
            f"{tally.done:,}",
            total,
            f"{tally.missing:,}",
            records,
            size / 1e6,
            time_left(tally, records),
            self._run.now_in_words(),
        )

    def _draw(self) -> None:
        assert self._live is not None
        records, size = self._rates()
        doing = self._run.now_in_words()
        left = time_left(self._run.tally, records)
        self._live.show(self._run.tally, records, size, left, doing)

    def _rates(self) -> tuple[float, float]:
        """Records and bytes a second, over the last seconds."""
        tally = self._run.tally
        now = (time.monotonic(), tally.done, tally.bytes)
        self._samples.append(now)
        while len(self._samples) > 2 and now[0] - self._samples[0][0] > max(
            _RATE_OVER, self._interval
        ):
            self._samples.popleft()
        first = self._samples[0]
        seconds = now[0] - first[0]
        if seconds <= 0:
            return 0.0, 0.0
        return (now[1] - first[1]) / seconds, (now[2] - first[2]) / seconds


def time_left(tally: Tally, rate: float) -> str:
    """How long the rest will take, as ``1:02:03``; ``?`` where nobody can tell."""
    if tally.expected is None or rate <= 0:
        return "?"
    seconds = round(max(tally.expected - tally.done, 0) / rate)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"

"""Progress: a live line for people at a terminal, a log line a minute for everyone else."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as RichProgress
from scrapy import signals
from scrapy.utils.asyncio import create_looping_call
from scrapy.utils.log import get_scrapy_root_handler

from imgcrawl.run import Run

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

    from imgcrawl.run import Tally

logger = logging.getLogger(__name__)

_REFRESH = 0.25  # seconds
_RATE_OVER = 15.0  # seconds that the rate is taken over


class Progress:
    """Shows how far a run is: done, missing, rate, time left, bytes, and what it is doing."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._interval = crawler.settings.getfloat("LOGSTATS_INTERVAL")
        self._samples: deque[tuple[float, int, int]] = deque()
        self._live: _LiveLine | None = None
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        return cls(crawler)

    def _opened(self) -> None:
        self._run = Run.of(self._crawler)
        settings = self._crawler.settings
        console = Console(stderr=True)
        if console.is_terminal and settings.getbool("LOG_ENABLED") and not settings["LOG_FILE"]:
            self._live = _LiveLine(console, self._crawler.spidercls.name, settings["LOG_LEVEL"])
        self._loop = create_looping_call(self._show)
        self._loop.start(_REFRESH if self._live else self._interval, now=False)

    def _closed(self) -> None:
        if self._loop.running:
            self._loop.stop()
        if self._live:
            self._live.show(self._run.tally, *self._rates())
            self._live.close()

    def _show(self) -> None:
        records, size = self._rates()
        if self._live:
            self._live.show(self._run.tally, records, size)
            return
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
            tally.doing.capitalize(),
        )

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


class _LiveLine:
    """One line that is redrawn below the log."""

    def __init__(self, console: Console, name: str, log_level: str) -> None:
        self._progress = RichProgress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task(name, total=None, text="starting")
        # The log goes through the same console, or it would tear the line apart.
        self._own = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
        self._own.setLevel(log_level)
        self._theirs = get_scrapy_root_handler()
        if self._theirs:
            logging.root.removeHandler(self._theirs)
        logging.root.addHandler(self._own)
        self._progress.start()

    def show(self, tally: Tally, records: float, size: float) -> None:
        """Draw the line anew."""
        total = f"/{tally.expected:,}" if tally.expected is not None else ""
        missing = f" [red]{tally.missing:,} missing[/]" if tally.missing else ""
        text = (
            f"{tally.done:,}{total}{missing}  {records:,.0f}/s  {tally.bytes / 1e6:,.1f} MB "
            f"({size / 1e6:,.1f} MB/s)  {time_left(tally, records)} left  [dim]{tally.doing}[/]"
        )
        self._progress.update(self._task, completed=tally.done, total=tally.expected, text=text)
        self._progress.refresh()

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()
        logging.root.removeHandler(self._own)
        if self._theirs:
            logging.root.addHandler(self._theirs)

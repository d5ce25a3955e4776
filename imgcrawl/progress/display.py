"""The one display of progress: a live table at a terminal, lines of the log elsewhere.

One crawl is one row; a plan has a row a crawl and a shared crawl a row a shard, with their total.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from scrapy.utils.log import configure_logging, get_scrapy_root_handler

from imgcrawl.progress.row import CrawlPhase, ProgressRow, update_total

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from scrapy.settings import BaseSettings, Settings

MAX_LINES = 10  # rows that are logged at a time; of more, only the total is


class ProgressDisplay(Protocol):
    """Shows rows of progress; what is logged meanwhile stands above them."""

    interval: float  # seconds between two calls of `show`

    def show(self, rows: Sequence[ProgressRow], expected: int | None = None) -> None:
        """Show how far all crawls are; `expected`: records of all, if not the sum of the rows'."""

    def changed(self, row: ProgressRow) -> None:
        """Show that one of several crawls has begun or ended."""

    def close(self) -> None:
        """Give the terminal back."""


class LogDisplay:
    """Logs a line for each running crawl and one for the total every LOGSTATS_INTERVAL seconds."""

    def __init__(self, settings: Settings, logger: logging.Logger) -> None:
        if get_scrapy_root_handler() is None:
            configure_logging(settings)
        self.interval = settings.getfloat("LOGSTATS_INTERVAL") or 60.0
        self._logger = logger
        self._total = ProgressRow("all")

    def show(self, rows: Sequence[ProgressRow], expected: int | None = None) -> None:
        """Log how far the crawls are that run."""
        if len(rows) == 1:
            self._logger.info("%s", rows[0])
            return
        running = [row for row in rows if row.phase == CrawlPhase.RUNNING]
        if not running:
            return
        for row in running if len(running) <= MAX_LINES else ():
            self.changed(row)
        update_total(self._total, rows, expected)
        phases = Counter(row.phase for row in rows)
        counts = ", ".join(f"{phases[phase]} {phase}" for phase in CrawlPhase if phases[phase])
        self._logger.info("all: %s. %s", counts, self._total)

    def changed(self, row: ProgressRow) -> None:
        """Log one crawl's line."""
        line = str(row)
        self._logger.info("%s: %s%s", row.name, row.phase, f". {line}" if line else "")

    def close(self) -> None:
        """Do nothing: the terminal was not taken."""


def open_display(settings: Settings, logger: logging.Logger) -> ProgressDisplay:
    """Return the display that fits what standard error is."""
    if has_terminal(settings):
        # rich costs memory and time to load, and unattended runs have no use for it.
        from imgcrawl.progress.table import LiveTable  # noqa: PLC0415

        return LiveTable(settings["LOG_LEVEL"])
    return LogDisplay(settings, logger)


def has_terminal(settings: BaseSettings) -> bool:
    """Return True if the log goes to a terminal on which lines can be drawn anew."""
    logs = settings.getbool("LOG_ENABLED") and not settings["LOG_FILE"]
    return logs and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

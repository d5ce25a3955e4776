"""Shows how the crawls of a plan stand: a live table at a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from scrapy.utils.log import configure_logging

from imgcrawl.plans.state import CrawlPhase
from imgcrawl.storage.directory import LOG
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy.settings import Settings

    from imgcrawl.plans.state import CrawlState

logger = logging.getLogger("crawlall")


class PlanDisplay(Protocol):
    """What shows a plan's progress."""

    interval: float  # seconds between two drawings

    def draw(self, standings: Sequence[CrawlState]) -> None:
        """Show how all crawls stand."""

    def changed(self, standing: CrawlState) -> None:
        """A crawl has begun or ended."""

    def say(self, level: int, name: str, text: str) -> None:
        """Something that people should see at once; `name`: the crawl's, or nothing."""

    def close(self) -> None:
        """Give the terminal back."""


class LogLines:
    """Lines of the log: at each change, and every LOGSTATS_INTERVAL seconds."""

    def __init__(self, settings: Settings) -> None:
        configure_logging(settings)
        self.interval = settings.getfloat("LOGSTATS_INTERVAL") or 60.0
        self._is_first = True

    def draw(self, standings: Sequence[CrawlState]) -> None:
        """A line for each crawl that runs."""
        if not self._is_first:  # the changes have just said it
            for standing in standings:
                if standing.state is CrawlPhase.RUNNING:
                    self.changed(standing)
        self._is_first = False

    def changed(self, standing: CrawlState) -> None:
        """One line on one crawl."""
        logger.info("%s: %s", standing.crawl.name, in_words(standing))

    def say(self, level: int, name: str, text: str) -> None:
        """One line."""
        logger.log(level, "%s", printable(f"{name}: {text}" if name else text))

    def close(self) -> None:
        """There is nothing to give back."""


def in_words(standing: CrawlState) -> str:
    """How a crawl stands, in a line."""
    counts = standing.counts
    total = f" of {counts.expected:,}" if counts.expected is not None else ""
    missing = f", {standing.missing:,} missing" if standing.missing else ""
    done = f"{counts.done:,}{total} records done{missing}, {format_size(counts.bytes)}"
    if standing.state is not CrawlPhase.RUNNING:
        return f"{standing.state}. {done}" if standing.counts.done else str(standing.state)
    if not standing.has_told:
        return f"running; its log is {standing.crawl.out / LOG}"
    records, size = standing.rates()
    rate = f"{records:.1f} records/s, {format_size(round(size))}/s"
    return f"running. {done}, {rate}, {standing.left()} left. {printable(counts.phase)}"


def printable(text: str) -> str:
    """Text that others chose, without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in text)

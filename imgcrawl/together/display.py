"""Shows how the crawls of a plan stand: a live table at a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from scrapy.utils.log import configure_logging

from imgcrawl.tally import size_in_words
from imgcrawl.terminal import is_watched
from imgcrawl.together.child import LOG
from imgcrawl.together.standing import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy.settings import Settings

    from imgcrawl.together.standing import Standing

logger = logging.getLogger("crawlall")


class Display(Protocol):
    """What shows a plan's progress."""

    interval: float  # seconds between two drawings

    def draw(self, standings: Sequence[Standing]) -> None:
        """Show how all crawls stand."""

    def changed(self, standing: Standing) -> None:
        """A crawl has begun or ended."""

    def say(self, level: int, name: str, text: str) -> None:
        """Something that people should see at once; `name`: the crawl's, or nothing."""

    def close(self) -> None:
        """Give the terminal back."""


def display_for(settings: Settings) -> Display:
    """The display that fits: a table for people at a terminal, else lines of the log."""
    if is_watched(settings):
        # rich costs memory and time to load, and unattended runs have no use for it.
        from imgcrawl.together.live_table import LiveTable  # noqa: PLC0415

        return LiveTable()
    return LogLines(settings)


class LogLines:
    """Lines of the log: at each change, and every LOGSTATS_INTERVAL seconds."""

    def __init__(self, settings: Settings) -> None:
        configure_logging(settings)
        self.interval = settings.getfloat("LOGSTATS_INTERVAL") or 60.0
        self._is_first = True

    def draw(self, standings: Sequence[Standing]) -> None:
        """A line for each crawl that runs."""
        if not self._is_first:  # the changes have just said it
            for standing in standings:
                if standing.state is State.RUNNING:
                    self.changed(standing)
        self._is_first = False

    def changed(self, standing: Standing) -> None:
        """One line on one crawl."""
        logger.info("%s: %s", standing.crawl.name, in_words(standing))

    def say(self, level: int, name: str, text: str) -> None:
        """One line."""
        logger.log(level, "%s", printable(f"{name}: {text}" if name else text))

    def close(self) -> None:
        """There is nothing to give back."""


def in_words(standing: Standing) -> str:
    """How a crawl stands, in a line."""
    tally = standing.tally
    total = f" of {tally.expected:,}" if tally.expected is not None else ""
    missing = f", {standing.missing:,} missing" if standing.missing else ""
    counts = f"{tally.done:,}{total} records done{missing}, {size_in_words(tally.bytes)}"
    if standing.state is not State.RUNNING:
        return f"{standing.state}. {counts}" if standing.tally.done else str(standing.state)
    if not standing.has_told:
        return f"running; its log is {standing.crawl.out / LOG}"
    records, size = standing.rates()
    rate = f"{records:.1f} records/s, {size_in_words(round(size))}/s"
    return f"running. {counts}, {rate}, {standing.left()} left. {printable(tally.doing)}"


def printable(text: str) -> str:
    """Text that others chose, without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in text)

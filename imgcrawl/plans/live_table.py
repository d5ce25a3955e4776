"""A table below the warnings that is drawn anew, for people at a terminal."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from imgcrawl.plans.display import printable
from imgcrawl.plans.state import CrawlPhase
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.plans.state import CrawlState

_STYLES = {
    CrawlPhase.LEFT_OUT: "dim",
    CrawlPhase.WAITING: "dim",
    CrawlPhase.RUNNING: "bold",
    CrawlPhase.DONE: "green",
    CrawlPhase.MISSING: "yellow",
    CrawlPhase.STOPPED: "yellow",
    CrawlPhase.FAILED: "red",
}
_BAR = 20  # characters


class LiveTable:
    """A line for each crawl, and one for all of them."""

    interval = 0.25

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._last: Sequence[CrawlState] = ()
        self._live.start()

    def draw(self, standings: Sequence[CrawlState]) -> None:
        """Draw the table anew."""
        self._last = standings
        self._live.update(self._table(standings), refresh=True)

    def changed(self, standing: CrawlState) -> None:
        """Draw the table anew, with what has changed."""
        self.draw(self._last)

    def say(self, level: int, name: str, text: str) -> None:
        """One line above the table."""
        style = "red" if level >= logging.ERROR else "yellow"
        line = Text(f"{time.strftime('%H:%M:%S')} ")
        line.append(f"{logging.getLevelName(level):<8}", style)
        line.append(f"{name}: " if name else "", "bold").append(printable(text))
        self._console.print(line)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _table(self, standings: Sequence[CrawlState]) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("crawl", "", "", "done"):
            table.add_column(name, no_wrap=True)
        for name in ("missing", "here", "rate", "left"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, overflow="ellipsis", style="dim")
        shown = list(standings)
        if len(shown) > self._console.height - 4:  # what runs or went wrong counts most
            quiet = {CrawlPhase.WAITING, CrawlPhase.LEFT_OUT, CrawlPhase.DONE}
            shown = [standing for standing in shown if standing.state not in quiet]
        for standing in shown:
            table.add_row(*_cells(standing))
        done = sum(s.counts.done for s in standings)
        missing = sum(s.missing for s in standings)
        size = sum(s.counts.bytes for s in standings)
        rate = sum(s.rates()[1] for s in standings)
        ended = sum(s.state not in {CrawlPhase.WAITING, CrawlPhase.RUNNING} for s in standings)
        table.add_row(
            *("all", f"{ended} of {len(standings)}", "", f"{done:,}", f"{missing:,}"),
            *(format_size(size), f"{format_size(round(rate))}/s"),
            style="bold",
        )
        return table


def _cells(standing: CrawlState) -> list[Text]:
    counts, style = standing.counts, _STYLES[standing.state]
    total = f"/{counts.expected:,}" if counts.expected is not None else ""
    running = standing.state is CrawlPhase.RUNNING
    rate = f"{format_size(round(standing.rates()[1]))}/s" if running else ""
    cells = (
        *(standing.crawl.name, str(standing.state), _bar(counts.done, counts.expected)),
        *(f"{counts.done:,}{total}", f"{standing.missing:,}", format_size(counts.bytes)),
        *(rate, standing.left() if running else "", printable(counts.phase) if running else ""),
    )
    return [Text(cell, style if i < 2 else "") for i, cell in enumerate(cells)]


def _bar(done: int, expected: int | None) -> str:
    if not expected:
        return " " * _BAR
    full = min(_BAR, _BAR * done // expected)
    return "━" * full + "╌" * (_BAR - full)

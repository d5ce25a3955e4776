"""A table below the warnings that is drawn anew, for people at a terminal."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from imgcrawl.tally import size_in_words
from imgcrawl.together.display import printable
from imgcrawl.together.standing import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.together.standing import Standing

_STYLES = {
    State.LEFT_OUT: "dim",
    State.WAITING: "dim",
    State.RUNNING: "bold",
    State.DONE: "green",
    State.MISSING: "yellow",
    State.STOPPED: "yellow",
    State.FAILED: "red",
}
_BAR = 20  # characters


class LiveTable:
    """A line for each crawl, and one for all of them."""

    interval = 0.25

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._last: Sequence[Standing] = ()
        self._live.start()

    def draw(self, standings: Sequence[Standing]) -> None:
        """Draw the table anew."""
        self._last = standings
        self._live.update(self._table(standings), refresh=True)

    def changed(self, standing: Standing) -> None:
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

    def _table(self, standings: Sequence[Standing]) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("crawl", "", "", "done"):
            table.add_column(name, no_wrap=True)
        for name in ("missing", "here", "rate", "left"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, overflow="ellipsis", style="dim")
        shown = list(standings)
        if len(shown) > self._console.height - 4:  # what runs or went wrong counts most
            quiet = {State.WAITING, State.LEFT_OUT, State.DONE}
            shown = [standing for standing in shown if standing.state not in quiet]
        for standing in shown:
            table.add_row(*_cells(standing))
        done = sum(s.tally.done for s in standings)
        missing = sum(s.missing for s in standings)
        size = sum(s.tally.bytes for s in standings)
        rate = sum(s.rates()[1] for s in standings)
        ended = sum(s.state not in {State.WAITING, State.RUNNING} for s in standings)
        table.add_row(
            *("all", f"{ended} of {len(standings)}", "", f"{done:,}", f"{missing:,}"),
            *(size_in_words(size), f"{size_in_words(round(rate))}/s"),
            style="bold",
        )
        return table


def _cells(standing: Standing) -> list[Text]:
    tally, style = standing.tally, _STYLES[standing.state]
    total = f"/{tally.expected:,}" if tally.expected is not None else ""
    running = standing.state is State.RUNNING
    rate = f"{size_in_words(round(standing.rates()[1]))}/s" if running else ""
    cells = (
        *(standing.crawl.name, str(standing.state), _bar(tally.done, tally.expected)),
        *(f"{tally.done:,}{total}", f"{standing.missing:,}", size_in_words(tally.bytes)),
        *(rate, standing.left() if running else "", printable(tally.doing) if running else ""),
    )
    return [Text(cell, style if i < 2 else "") for i, cell in enumerate(cells)]


def _bar(done: int, expected: int | None) -> str:
    if not expected:
        return " " * _BAR
    full = min(_BAR, _BAR * done // expected)
    return "━" * full + "╌" * (_BAR - full)

"""A table below the log that is drawn anew, for people at a terminal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.live import Live
from rich.logging import RichHandler
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from scrapy.utils.log import get_scrapy_root_handler

from imgcrawl.progress.row import NOT_ENDED, CrawlPhase, ProgressRow, update_total
from imgcrawl.text.redact import PlainFormatter
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import JustifyMethod, RenderableType

_STYLES: dict[str, str] = {
    CrawlPhase.LEFT_OUT: "dim",
    CrawlPhase.WAITING: "dim",
    CrawlPhase.DONE: "green",
    CrawlPhase.MISSING: "yellow",
    CrawlPhase.STOPPED: "yellow",
    CrawlPhase.FAILED: "red",
}
_QUIET = frozenset({CrawlPhase.WAITING, CrawlPhase.LEFT_OUT, CrawlPhase.DONE})
_ENDED = frozenset({CrawlPhase.MISSING, CrawlPhase.STOPPED})
_BAR = 20  # characters
_GAP = 2  # characters between columns
# Columns in their order, and their least width, so that they do not jump as numbers grow.
_COLUMNS = {
    "spinner": 1,
    "name": 1,
    "phase": 1,
    "bar": _BAR,
    "done": 5,
    "missing": 9,
    "left": 12,
    "size": 8,
    "rate": 10,
    "records": 5,
    "activity": 12,
}
# In a narrow window the last of these are left out first.
_BY_WEIGHT = (
    *("name", "done", "left", "phase", "missing", "rate", "size", "spinner", "activity", "bar"),
    "records",
)
_NUMBERS = frozenset({"missing", "left", "size", "rate", "records"})


class LiveTable:
    """A row for each crawl and, if there are several, one for all of them."""

    interval = 0.25

    def __init__(self, log_level: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._spinner = Spinner("dots")
        self._total = ProgressRow("all")
        self._rows: Sequence[ProgressRow] = ()
        self._expected: int | None = None
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        # The log goes through the same console, or it would tear the table apart.
        self._handler = RichHandler(
            console=self._console,
            show_path=False,
            omit_repeated_times=False,
            log_time_format="%H:%M:%S",
            highlighter=NullHighlighter(),  # it colours parts of names and numbers
        )
        self._handler.setLevel(log_level)
        self._handler.setFormatter(PlainFormatter(logging.Formatter("%(message)s")))
        self._replaced = get_scrapy_root_handler()
        if self._replaced:
            logging.root.removeHandler(self._replaced)
        logging.root.addHandler(self._handler)
        self._live.start()

    def show(self, rows: Sequence[ProgressRow], expected: int | None = None) -> None:
        """Draw the table anew."""
        self._rows, self._expected = rows, expected
        self._draw()

    def changed(self, row: ProgressRow) -> None:
        """Draw the table anew, with what has changed."""
        self._draw()

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()
        logging.root.removeHandler(self._handler)
        if self._replaced:
            logging.root.addHandler(self._replaced)

    def _draw(self) -> None:
        update_total(self._total, self._rows, self._expected)
        table = build_table(self._rows, self._total, self._console, self._spinner)
        self._live.update(table, refresh=True)


def build_table(
    rows: Sequence[ProgressRow], total: ProgressRow, console: Console, spinner: Spinner
) -> Table:
    """Return the table that fits the console; the total has a line if there are several rows."""
    shown, many = list(rows), len(rows) > 1
    room = max(console.height - 4, 1)
    for quiet in (_QUIET, _QUIET | _ENDED):  # what runs or went wrong counts most
        if len(shown) > room:
            shown = [row for row in shown if row.phase not in quiet]
    shown = shown[:room]
    frame = spinner.render(console.get_time())
    lines = [_cells(row, frame, many=many) for row in shown]
    if many:
        ended = sum(row.phase not in NOT_ENDED for row in rows)
        total.phase = f"{ended} of {len(rows)}"
        lines.append(_cells(total, "", many=True))
    widths = _choose_columns(lines, console)
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for name, width in widths.items():
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(width=width, no_wrap=True, justify=justify)
    for line in lines:
        table.add_row(*(line.get(name, "") for name in widths))
    return table


def _cells(row: ProgressRow, frame: RenderableType, *, many: bool) -> dict[str, RenderableType]:
    """Return what stands in each column of a row; the total is neither running nor ended."""
    is_running = row.phase == CrawlPhase.RUNNING
    style = _STYLES.get(row.phase, "bold")
    of = f"/{row.expected:,}" if row.expected is not None else ""
    cells: dict[str, RenderableType] = {
        "name": Text(row.name, style),
        "done": Text(f"{row.done:,}{of}"),
        "missing": Text(f"{row.missing:,} missing" if row.missing else "", "red"),
        "size": Text(format_size(row.bytes)),
    }
    if many:
        cells["phase"] = Text(row.phase, style)
    if row.expected or (is_running and not many):
        cells["bar"] = ProgressBar(total=row.expected, completed=row.done, width=_BAR)
    if row.phase not in _STYLES:
        records, size = row.rates
        cells["left"] = Text(f"{row.time_left} left")
        cells["rate"] = Text(f"{format_size(round(size))}/s")
        cells["records"] = Text(f"{records:,.0f}/s")
    if is_running:
        cells["spinner"] = frame
        cells["activity"] = Text(row.activity, "dim", overflow="ellipsis")
    return cells


def _choose_columns(
    lines: Sequence[Mapping[str, RenderableType]], console: Console
) -> dict[str, int]:
    """Return the columns that there is room for, in their order, with their widths."""
    room = console.width
    widths: dict[str, int] = {}
    for name in _BY_WEIGHT:
        found = [console.measure(line[name]).maximum for line in lines if name in line]
        if name == "name":
            width = min(max(found, default=0), max(room // 3, 8))
        elif name == "activity":
            width = _COLUMNS[name]
        else:
            width = max(_COLUMNS[name], *found) if found else 0
        if found and width <= room:
            widths[name] = width
            room -= width + _GAP
    if "activity" in widths:  # it is the last, and has what is left
        widths["activity"] += max(room, 0)
    return {name: widths[name] for name in _COLUMNS if name in widths}

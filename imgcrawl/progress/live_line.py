"""One line below the log that is drawn anew, for people at a terminal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column
from scrapy.utils.log import get_scrapy_root_handler

from imgcrawl.text.redact import PlainFormatter, plain_text

if TYPE_CHECKING:
    from imgcrawl.records.counts import Counts


_WIDE = 100  # columns


class LiveLine:
    """One line that is redrawn below the log."""

    def __init__(self, name: str, log_level: str) -> None:
        console = Console(stderr=True)
        # In a narrow window there is room for the words only.
        wide = [BarColumn(bar_width=24)] if console.width >= _WIDE else []
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(
                f"[bold]{escape(name)}", table_column=Column(no_wrap=True, min_width=len(name))
            ),
            *wide,
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task(name, total=None, text="starting")
        # The log goes through the same console, or it would tear the line apart.
        self._own = RichHandler(
            console=console,
            show_path=False,
            log_time_format="%H:%M:%S",
            highlighter=NullHighlighter(),  # it colours parts of names and numbers
        )
        self._own.setLevel(log_level)
        self._own.setFormatter(PlainFormatter(logging.Formatter("%(message)s")))
        self._theirs = get_scrapy_root_handler()
        if self._theirs:
            logging.root.removeHandler(self._theirs)
        logging.root.addHandler(self._own)
        self._progress.start()

    def show(self, counts: Counts, records: float, size: float, left: str, doing: str) -> None:
        """Draw the line anew."""
        total = f"/{counts.expected:,}" if counts.expected is not None else ""
        missing = f" [red]{counts.missing:,} missing[/]" if counts.missing else ""
        text = (
            f"{counts.done:,}{total}{missing}  {left} left  {records:,.0f}/s  "
            f"{counts.bytes / 1e6:,.1f} MB ({size / 1e6:,.1f} MB/s)  "
            f"[dim]{escape(plain_text(doing))}[/]"
        )
        self._progress.update(self._task, completed=counts.done, total=counts.expected, text=text)
        self._progress.refresh()

    def close(self) -> None:
        """Give the terminal back."""
        self._progress.stop()
        logging.root.removeHandler(self._own)
        if self._theirs:
            logging.root.addHandler(self._theirs)

"""Progress of one crawl where a program shows it: in a notebook, at a terminal, in a log."""

from __future__ import annotations

import html
import importlib
import sys
from typing import TYPE_CHECKING, Any, Protocol

from imgcrawl.progress.row import CrawlPhase, ProgressRow

if TYPE_CHECKING:
    from rich.live import Live

_MARKS = {
    CrawlPhase.DONE: "✔ ",
    CrawlPhase.MISSING: "✔ some missing: ",
    CrawlPhase.STOPPED: "stopped: ",
    CrawlPhase.FAILED: "✘ failed: ",
}


class View(Protocol):
    """Shows what a crawl says, and a row of progress."""

    draws: bool  # whether `show` shows anything: the crawl need not log its progress then

    def say(self, line: str) -> None:
        """Show a line of the crawl's."""

    def show(self, row: ProgressRow) -> None:
        """Show how far the crawl is, in place of what was shown before."""

    def close(self) -> None:
        """Leave what is shown as it is."""


class Lines:
    """Lines on standard error, and nothing between them."""

    draws = False

    def say(self, line: str) -> None:
        """Write a line."""
        sys.stderr.write(f"{line}\n")

    def show(self, row: ProgressRow) -> None:
        """Show nothing: the lines tell now and then."""

    def close(self) -> None:
        """Do nothing."""


class Notebook:
    """A bar in the output of a cell, which is drawn anew where it stands, and the lines below."""

    draws = True

    def __init__(self) -> None:
        # Imported by its name, as it is no dependency: this is its own notebook.
        display = importlib.import_module("IPython.display").display
        self._handle = display(Bar(ProgressRow("")), display_id=True)

    def say(self, line: str) -> None:
        """Print a line: what goes to standard error looks like a failure in a notebook."""
        sys.stdout.write(f"{line}\n")

    def show(self, row: ProgressRow) -> None:
        """Draw the bar anew."""
        self._handle.update(Bar(row))

    def close(self) -> None:
        """Do nothing: the bar stays."""


class Bar:
    """A row of progress as notebooks show it, with text for those that show no HTML."""

    def __init__(self, row: ProgressRow) -> None:
        self._row = row

    def _repr_html_(self) -> str:
        """Return HTML in which nothing of a source is more than text."""
        row = self._row
        name, words = html.escape(row.name), html.escape(repr(self))
        running = row.phase == CrawlPhase.RUNNING
        amount = ""  # without it, the bar shows that something is under way
        if row.expected:
            amount = f' max="{row.expected}" value="{min(row.done, row.expected)}"'
        elif not running:
            amount = f' max="1" value="{int(row.phase in {CrawlPhase.DONE, CrawlPhase.MISSING})}"'
        return (
            '<div style="font-variant-numeric: tabular-nums">'
            f'<progress style="width: 40ch; max-width: 100%" aria-label="{name}"{amount}>'
            f"</progress> {words}</div>"
        )

    def __repr__(self) -> str:
        """Return the text of the row."""
        line = str(self._row) or "starts"
        return f"{_MARKS.get(CrawlPhase(self._row.phase), '')}{self._row.name}: {line}".strip(": ")


class Terminal:
    """A line below the others that is drawn anew."""

    draws = True

    def __init__(self) -> None:
        # They take half a second to load, which only people at a terminal pay.
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415
        from rich.spinner import Spinner  # noqa: PLC0415

        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._spinner = Spinner("dots")
        self._live: Live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def say(self, line: str) -> None:
        """Print a line above."""
        self._console.print(line, markup=False)

    def show(self, row: ProgressRow) -> None:
        """Draw the line anew."""
        from imgcrawl.progress.table import build_table  # noqa: PLC0415

        table = build_table([row], ProgressRow("all"), self._console, self._spinner)
        self._live.update(table, refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def open_view() -> View:
    """Return the view that fits where this program runs."""
    if _in_notebook():
        return Notebook()
    return Terminal() if sys.stderr is not None and sys.stderr.isatty() else Lines()


def _in_notebook() -> bool:
    """Return whether a kernel of Jupyter's runs this: nobody else has imported IPython for us."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None

"""The progress of a command that goes through the records of one OUT, in the display of crawls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imgcrawl.progress.display import open_display
from imgcrawl.progress.row import ProgressRow

if TYPE_CHECKING:
    import logging

    from scrapy.settings import Settings


class RecordCounter:
    """Shows how many records are done. name: of the command."""

    def __init__(self, name: str, settings: Settings, logger: logging.Logger) -> None:
        self._display = open_display(settings, logger)
        self._row = ProgressRow(name)
        self._next = time.monotonic() + self._display.interval

    def show(self, done: int, size: int = 0, missing: int = 0, activity: str = "") -> None:
        """Show the figures, if it is time to. size: bytes."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._display.interval
        figures = {"done": done, "missing": missing, "expected": None, "bytes": size}
        self._row.update({**figures, "activity": activity})
        self._display.show([self._row])

    def close(self) -> None:
        """Give the terminal back."""
        self._display.close()

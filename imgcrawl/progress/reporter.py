"""Tells the process that started this one how far the crawl is, and ends with it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.progress.channel import MAX_TEXT, ProgressSocket
from imgcrawl.progress.watcher import PeriodicExtension

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler

    from imgcrawl.progress.channel import Message


class ProgressReporter(PeriodicExtension):
    """Tells how far it is once a second, and each warning, on the socket PROGRESS_FD.

    A message is ``{"done", "missing", "expected", "bytes", "doing"}`` (records, and bytes of this
    run), ``{"level", "says"}``, or at the end ``{"error"}``: a sentence, or null. Where the other
    end is closed, its process is dead: this one kills itself then, as nobody is left to stop it,
    and the next run goes on from there.
    """

    def __init__(self, crawler: Crawler) -> None:
        number = crawler.settings["PROGRESS_FD"]
        if number is None:
            raise NotConfigured
        super().__init__(crawler)
        self._teller = ProgressSocket(int(number))
        self._warnings = _Warnings(self._teller.tell)
        logging.root.addHandler(self._warnings)
        threading.Thread(target=self._die_with_parent, name="parent", daemon=True).start()

    def closed(self) -> None:
        """Tell how it ended."""
        super().closed()
        self.look()
        error = self._run.error
        self._teller.tell({"error": error and error[:MAX_TEXT]})
        logging.root.removeHandler(self._warnings)

    def look(self) -> None:
        """Tell how far the run is."""
        counts = self._run.counts
        self._teller.tell(
            {
                "done": counts.done,
                "missing": counts.missing,
                "expected": counts.expected,
                "bytes": counts.bytes,
                "doing": self._run.describe_activity()[:200],
            }
        )

    def _die_with_parent(self) -> None:
        self._teller.wait_for_death()
        os.kill(os.getpid(), signal.SIGKILL)


class _Warnings(logging.Handler):
    """Hands on what people should see at once."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record of the log."""
        try:
            says = record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit; the log tells of it
            return
        self._tell({"level": record.levelname, "says": says[:MAX_TEXT]})

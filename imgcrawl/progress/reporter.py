"""Progress of one crawl, sent to the process that started it, without which it ends."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.progress.channel import MAX_TEXT, ProgressSocket
from imgcrawl.progress.periodic import PeriodicExtension

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class ProgressReporter(PeriodicExtension):
    """Sends how far it is once a second, and each warning, on the socket PROGRESS_FD.

    A message is ``{"done", "missing", "expected", "bytes", "activity"}`` (records, and bytes of
    this run), ``{"level", "text"}``, or at the end ``{"error"}``: a sentence, or null. If the other
    end is closed, its process is dead: this one kills itself then, as nobody is left to stop it,
    and the next run goes on from there.
    """

    def __init__(self, crawler: Crawler) -> None:
        number = crawler.settings["PROGRESS_FD"]
        if number is None:
            raise NotConfigured
        super().__init__(crawler)
        self._parent = ProgressSocket(int(number))
        self._warnings = _WarningSender(self._parent)
        logging.root.addHandler(self._warnings)
        threading.Thread(target=self._die_with_parent, name="parent", daemon=True).start()

    def closed(self) -> None:
        """Send how it ended."""
        super().closed()
        self.look()
        error = self._run.error
        self._parent.send({"error": error and error[:MAX_TEXT]})
        logging.root.removeHandler(self._warnings)

    def look(self) -> None:
        """Send how far the run is."""
        self._parent.send(self.progress())

    def _die_with_parent(self) -> None:
        self._parent.wait_for_death()
        os.kill(os.getpid(), signal.SIGKILL)


class _WarningSender(logging.Handler):
    """Sends warnings and errors of the log, which people should see at once."""

    def __init__(self, parent: ProgressSocket) -> None:
        super().__init__(logging.WARNING)
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record of the log."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit; the log tells of it
            return
        self._parent.send({"level": record.levelname, "text": text[:MAX_TEXT]})

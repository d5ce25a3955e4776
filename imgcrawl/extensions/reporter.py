"""Tells the process that started this one how far the crawl is, and ends with it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import create_looping_call

from imgcrawl.channel import MAX_TEXT, Teller
from imgcrawl.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from scrapy.crawler import Crawler

    from imgcrawl.channel import Message

_EVERY = 1.0  # seconds


class Reporter:
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
        self._crawler = crawler
        self._teller = Teller(int(number))
        self._warnings = _Warnings(self._teller.tell)
        logging.root.addHandler(self._warnings)
        threading.Thread(target=self._die_with_parent, name="parent", daemon=True).start()
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        Run.wanted_by(crawler)
        return cls(crawler)

    def _opened(self) -> None:
        self._run = Run.of(self._crawler)
        self._loop = create_looping_call(self._report)
        self._loop.start(_EVERY, now=True)

    def _closed(self) -> None:
        if self._loop.running:
            self._loop.stop()
        self._report()
        error = self._run.error
        self._teller.tell({"error": error and error[:MAX_TEXT]})
        logging.root.removeHandler(self._warnings)

    def _report(self) -> None:
        tally = self._run.tally
        self._teller.tell(
            {
                "done": tally.done,
                "missing": tally.missing,
                "expected": tally.expected,
                "bytes": tally.bytes,
                "doing": self._run.now_in_words()[:200],
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

"""Tells the process that started this one how far the crawl is, and ends with it."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import create_looping_call

from imgcrawl.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from scrapy.crawler import Crawler

_EVERY = 1.0  # seconds
_MAX_TEXT = 2000  # characters of a warning or an error; the log has all of it


class Reporter:
    """Writes a line of JSON a second, and each warning, to the socket PROGRESS_FD.

    A line is ``{"done", "missing", "expected", "bytes", "doing"}`` (records, and bytes of this
    run), ``{"level", "says"}``, or at the end ``{"error"}``: a sentence, or null. What the other
    end is too slow for is left out. Where the other end is closed, its process is dead: this one
    kills itself then, as nobody is left to stop it, and the next run goes on from there.
    """

    def __init__(self, crawler: Crawler) -> None:
        number = crawler.settings["PROGRESS_FD"]
        if number is None:
            raise NotConfigured
        self._crawler = crawler
        self._socket = socket.socket(fileno=int(number))
        self._socket.set_inheritable(False)  # a browser is none of its business
        self._unsent = b""
        self._lock = threading.Lock()
        self._warnings = _Warnings(self._send)
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
        self._send({"error": error and error[:_MAX_TEXT]})
        logging.root.removeHandler(self._warnings)

    def _report(self) -> None:
        tally = self._run.tally
        self._send(
            {
                "done": tally.done,
                "missing": tally.missing,
                "expected": tally.expected,
                "bytes": tally.bytes,
                "doing": self._run.now_in_words()[:200],
            }
        )

    def _send(self, message: dict[str, Any]) -> None:
        """Send a line without waiting; one that went out in part is finished before the next."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            self._unsent = self._sent(self._unsent)
            if not self._unsent:
                rest = self._sent(line)
                self._unsent = b"" if rest == line else rest

    def _sent(self, data: bytes) -> bytes:
        """What is left of `data` after as much as there is room for has gone out."""
        try:
            return data[self._socket.send(data, socket.MSG_DONTWAIT) :] if data else data
        except OSError:  # no room, or nobody there: see _die_with_parent
            return data

    def _die_with_parent(self) -> None:
        with suppress(OSError):  # it died with words of ours unread
            while self._socket.recv(1):
                continue
        os.kill(os.getpid(), signal.SIGKILL)


class _Warnings(logging.Handler):
    """Hands on what people should see at once."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record of the log."""
        try:
            says = record.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit; the log tells of it
            return
        self._tell({"level": record.levelname, "says": says[:_MAX_TEXT]})

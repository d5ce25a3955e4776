"""The exit status of a crawl, as a number and described."""

from __future__ import annotations

from enum import IntEnum
from signal import Signals


class ExitStatus(IntEnum):
    """The exit status of ``scrapy crawl``; 128 + N where signal N stopped it."""

    COMPLETE = 0  # every promised record is stored
    FAILED = 1  # something stopped the run
    USAGE = 2  # wrong arguments, reported before any request
    SOME_MISSING = 3  # finished; failures.csv says what is missing


def describe_status(status: int) -> str:
    """Return what an exit status of ``scrapy crawl`` means."""
    words = {0: "all stored", 1: "stopped", 2: "wrong arguments", 3: "finished, some missing"}
    if status > 128:
        try:
            return f"stopped by {Signals(status - 128).name}"
        except ValueError:
            return f"stopped by signal {status - 128}"
    return words.get(status, f"exit status {status}")

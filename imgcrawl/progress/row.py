"""The progress of one crawl, or of many together: one row of the display."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from imgcrawl.text.redact import printable
from imgcrawl.text.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.progress.channel import Message

RATE_OVER = 15.0  # seconds


class CrawlPhase(StrEnum):
    """Where one of many crawls is, from its place in the queue to its end."""

    LEFT_OUT = "left out"  # it is not to run
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    MISSING = "some missing"
    STOPPED = "stopped"  # by a signal, with the others
    FAILED = "failed"


NOT_ENDED = frozenset({CrawlPhase.WAITING, CrawlPhase.RUNNING})


class TransferRates:
    """Records and bytes a second over the last seconds, or between the last two samples."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def __bool__(self) -> bool:
        """Return True if there is a sample."""
        return bool(self._samples)

    def add(self, done: int, size: int) -> None:
        """Note how many records are done now, and how many bytes are stored."""
        now = time.monotonic()
        self._samples.append((now, done, size))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_OVER:
            self._samples.popleft()

    def per_second(self) -> tuple[float, float]:
        """Return records and bytes a second; 0 until there are two samples."""
        if not self._samples:
            return 0.0, 0.0
        (then, records, size), (now, more_records, more_size) = self._samples[0], self._samples[-1]
        seconds = now - then
        if seconds <= 0:
            return 0.0, 0.0
        return (more_records - records) / seconds, (more_size - size) / seconds


@dataclass(slots=True)
class ProgressRow:
    """The progress of one crawl, by the last message that it sent."""

    name: str
    phase: str = CrawlPhase.RUNNING
    done: int = 0  # records that have their outcome, by this run or an earlier one
    missing: int = 0  # records
    expected: int | None = None  # records
    bytes: int = 0  # stored in this run
    activity: str = ""  # what is under way
    _rates: TransferRates = field(default_factory=TransferRates)

    def update(self, message: Message) -> None:
        """Take in a message of the crawl: see `PeriodicExtension.progress`."""
        self.done, self.missing = message["done"], message["missing"]
        self.expected, self.bytes = message["expected"], message["bytes"]
        self.activity = printable(message["activity"])
        self._rates.add(self.done, self.bytes)

    @property
    def rates(self) -> tuple[float, float]:
        """Records and bytes a second, over the last seconds."""
        return self._rates.per_second()

    @property
    def time_left(self) -> str:
        """How long the rest will take; ``?`` if that is unknown."""
        return format_time_left(self.done, self.expected, self.rates[0])

    def __str__(self) -> str:
        """Return one line for a log."""
        if not self._rates and not self.done:
            return self.activity
        of = f" of {self.expected:,}" if self.expected is not None else ""
        line = (
            f"{self.done:,}{of} records done, {self.missing:,} missing, {format_size(self.bytes)}"
        )
        if self.phase != CrawlPhase.RUNNING:
            return line
        records, size = self.rates
        rates = f"{records:,.1f} records/s, {format_size(round(size))}/s"
        return f"{line}, {rates}, {self.time_left} left. {self.activity}".rstrip(". ")


def update_total(total: ProgressRow, rows: Sequence[ProgressRow], expected: int | None) -> None:
    """Add up the rows.

    expected: records promised by all of them together; None: the sum of the rows', if all have one
    """
    wanted = [row.expected for row in rows if row.phase != CrawlPhase.LEFT_OUT]
    known = [n for n in wanted if n is not None]
    if expected is None and known and len(known) == len(wanted):
        expected = sum(known)
    total.update(
        {
            "done": sum(row.done for row in rows),
            "missing": sum(row.missing for row in rows),
            "expected": expected,
            "bytes": sum(row.bytes for row in rows),
            "activity": "",
        }
    )


def format_time_left(done: int, expected: int | None, rate: float) -> str:
    """Return how long the rest will take as ``1:02:03``; ``?`` if that is unknown.

    rate: records a second
    """
    if expected is None or rate <= 0:
        return "?"
    seconds = round(max(expected - done, 0) / rate)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"

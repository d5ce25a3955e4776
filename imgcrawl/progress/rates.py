"""How fast a crawl is, and how long the rest will take."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.records.counts import Counts

RATE_OVER = 15.0  # seconds


class TransferRates:
    """Records and bytes a second over the last seconds, from how many there were now and then."""

    def __init__(self, over: float = RATE_OVER) -> None:
        self._over = over
        self._samples: deque[tuple[float, int, int]] = deque()

    def __bool__(self) -> bool:
        """Whether anything has been counted yet."""
        return bool(self._samples)

    def count(self, counts: Counts) -> None:
        """Note how far the crawl is now."""
        now = time.monotonic()
        self._samples.append((now, counts.done, counts.bytes))
        while len(self._samples) > 2 and now - self._samples[0][0] > self._over:
            self._samples.popleft()

    def now(self) -> tuple[float, float]:
        """Records and bytes a second; 0 until it has been counted twice."""
        if not self._samples:
            return 0.0, 0.0
        (then, records, size), (now, more_records, more_size) = self._samples[0], self._samples[-1]
        seconds = now - then
        if seconds <= 0:
            return 0.0, 0.0
        return (more_records - records) / seconds, (more_size - size) / seconds


def time_left(counts: Counts, rate: float) -> str:
    """How long the rest will take, as ``1:02:03``; ``?`` where nobody can tell."""
    if counts.expected is None or rate <= 0:
        return "?"
    seconds = round(max(counts.expected - counts.done, 0) / rate)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"

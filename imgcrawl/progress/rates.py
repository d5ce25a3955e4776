"""How fast a crawl is, and how long the rest will take."""

from __future__ import annotations

import time
from collections import deque

RATE_OVER = 15.0  # seconds


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


def format_time_left(done: int, expected: int | None, rate: float) -> str:
    """Return how long the rest will take as ``1:02:03``; ``?`` if that is unknown.

    rate: records a second
    """
    if expected is None or rate <= 0:
        return "?"
    seconds = round(max(expected - done, 0) / rate)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"

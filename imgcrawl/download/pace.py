"""The pace of a host that says 429 or 503: slower until it stops saying so, then faster."""

from __future__ import annotations

from dataclasses import dataclass

SLOWER = 1.5  # times the delay, with each refusal
FASTER = 0.1  # requests a second more with each answer, at most a tenth more
FORGOTTEN = 0.2  # of the first delay: one so short slows nothing down any more


@dataclass(slots=True)
class Pace:
    """The delay between requests to one host, in seconds; times are those of a monotonic clock.

    Additive increase and multiplicative decrease of the rate, as TCP does it (RFC 5681).
    """

    first: float
    longest: float
    delay: float = 0.0
    slowed_at: float = float("-inf")

    def refused(self, sent: float, now: float) -> None:
        """Slow down, unless the request was sent before the host was last slowed down."""
        if sent >= self.slowed_at:
            self.delay = min(max(self.first, self.delay * SLOWER), self.longest)
            self.slowed_at = now

    def answered(self, sent: float) -> None:
        """Speed up a little, if the request was sent at the present pace."""
        if self.delay and sent >= self.slowed_at:
            rate = 1 / self.delay
            self.delay = 1 / (rate + FASTER * min(1.0, rate))
            if self.delay < self.first * FORGOTTEN:
                self.delay = 0.0

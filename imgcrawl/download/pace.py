"""The pace of a host that says 429 or 503: slower until it stops saying so, then faster."""

from __future__ import annotations

from dataclasses import dataclass

SLOWER = 1.5  # times the delay, with each refusal
FASTER = 0.1  # requests a second more with each answer, at most a tenth more
PATIENCE = 120.0  # seconds of nothing but refusals, after which a host is given up
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
    refused_since: float | None = None  # since when there was no other answer

    def refused(self, sent: float, now: float) -> None:
        """Slow down, unless the request was sent before the host was last slowed down."""
        if self.refused_since is None:
            self.refused_since = now
        if sent >= self.slowed_at:
            self.delay = min(max(self.first, self.delay * SLOWER), self.longest)
            self.slowed_at = now

    def answered(self, sent: float) -> None:
        """Speed up a little, if the request was sent at the present pace."""
        self.refused_since = None
        if self.delay and sent >= self.slowed_at:
            rate = 1 / self.delay
            self.delay = 1 / (rate + FASTER * min(1.0, rate))
            if self.delay < self.first * FORGOTTEN:
                self.delay = 0.0

    def is_hopeless(self, now: float) -> bool:
        """Return whether the host has refused every request for so long that it is given up."""
        return self.refused_since is not None and now - self.refused_since >= PATIENCE

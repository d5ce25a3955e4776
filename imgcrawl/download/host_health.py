"""How hosts are doing: pauses they asked for, and the breaker that gives up on dead ones.

A list of half a million records must neither burn up in a blip nor wait for a dead host once a
record. So a host that fails so many times in a row cools down, longer each time, and one request
is let through to see; only a host that fails these probes too is given up, for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING

from imgcrawl.download.errors import UnknownHost
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.settings import BaseSettings

    from imgcrawl.download.host_registry import HostRecord

# The outcomes by which a host shows that it is not there. A status, whichever, shows that it is.
UNREACHABLE = frozenset(
    {Outcome.DNS, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.TLS, Outcome.CONNECTION_LOST}
)


class Admission(Enum):
    """What may be sent to a host."""

    ALL = auto()
    PROBE = auto()  # one request, with none beside it
    NONE = auto()  # not now
    NEVER = auto()  # given up: nothing for a long while


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a host cools down, and when it is given up. Times in seconds."""

    failures: int = 5  # in a row, until it cools down
    cooldown: float = 5.0  # doubled with each failed probe
    probes: int = 3  # failed ones, until it is given up
    down_time: float = 600.0  # that it is given up for

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> BreakerPolicy:
        """Return the policy of HOST_FAILURES, HOST_COOLDOWN, HOST_PROBES and HOST_DOWN_TIME."""
        default = cls()
        return cls(
            settings.getint("HOST_FAILURES", default.failures),
            settings.getfloat("HOST_COOLDOWN", default.cooldown),
            settings.getint("HOST_PROBES", default.probes),
            settings.getfloat("HOST_DOWN_TIME", default.down_time),
        )


@dataclass(slots=True)
class HostHealth:
    """One host that is paused or has failed of late; times are those of a monotonic clock."""

    patience: BreakerPolicy
    failures: int = 0  # in a row
    failed_probes: int = 0
    last: str = ""  # how it failed the last time
    open: bool = False  # the breaker: nothing but probes gets through
    probing: bool = False
    paused_until: float = 0.0
    cooling_until: float = 0.0
    down_until: float = 0.0
    refusal: str = ""  # the answer by which the host itself asked for so long a pause
    touched: float = 0.0

    def admits(self, now: float) -> Admission:
        """Return which requests may be sent now."""
        if now < self.down_until:
            return Admission.NEVER
        if self.probing or self.wait(now) > 0:
            return Admission.NONE
        return Admission.PROBE if self.open else Admission.ALL

    def wait(self, now: float) -> float:
        """Return the seconds until something may be sent again; 0 if time does not decide."""
        return max(self.paused_until, self.cooling_until) - now if not self.probing else 0.0

    def failed(self, error: RecordMissing, now: float) -> None:
        """Count a failure of the host to answer."""
        self.touched = now
        self.failures += 1
        self.last = error.message
        if not self.open:
            self.open = self.failures >= self.patience.failures
        elif self.probing:
            self.failed_probes += 1
        else:
            return  # sent before the breaker opened
        probes = 1 if isinstance(error, UnknownHost) else self.patience.probes
        if self.open and self.failed_probes >= probes:
            self.down_until = now + self.patience.down_time
        elif self.open:
            self.cooling_until = now + self.patience.cooldown * 2**self.failed_probes

    def is_idle(self, now: float) -> bool:
        """Return whether the host has been quiet for so long that its past no longer counts."""
        until = max(self.paused_until, self.cooling_until, self.down_until)
        return not self.probing and now > max(until, self.touched) + self.patience.down_time


class HostHealthRegistry:
    """The hosts that are paused or have failed of late. One that does well takes no memory."""

    def __init__(self, patience: BreakerPolicy, clock: Callable[[], float] = monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._hosts: dict[str, HostHealth] = {}
        self.on_change: Callable[[str], object] | None = None  # told of each host that changes

    def get(self, key: str) -> HostHealth | None:
        """Return the health of a host, or None if nothing is known."""
        return self._hosts.get(key)

    def pause(self, key: str, seconds: float) -> None:
        """Send nothing to a host for a while, because it asked for that."""
        host = self._host(key)
        host.paused_until = max(host.paused_until, self._clock() + seconds)
        self._changed(key)

    def refused(self, key: str, seconds: float, reason: str) -> None:
        """Give a host up for as long as it asks for."""
        host = self._host(key)
        host.down_until, host.refusal = self._clock() + seconds, reason
        self._changed(key)

    def failed(self, key: str, error: RecordMissing) -> None:
        """Count a failure of a host to answer."""
        self._host(key).failed(error, self._clock())
        self._changed(key)

    def answered(self, key: str) -> None:
        """Forget a host's failures, as it has answered; a pause that it asked for stays."""
        host = self._hosts.get(key)
        if host is not None and host.refusal and host.down_until > self._clock():
            return  # sent before the host asked to be left alone
        host = self._hosts.pop(key, None)
        if host is not None and host.paused_until > self._clock():
            self._host(key).paused_until = host.paused_until
        if host is not None:
            self._changed(key)

    def limited(self, key: str, error: RecordMissing) -> None:
        """Count an answer of "too many requests": a probe with that answer has failed."""
        host = self._hosts.get(key)
        if host is not None and host.probing:
            host.failed(error, self._clock())
            self._changed(key)

    def probe_ended(self, key: str) -> None:
        """End the probe of a host, if there was one."""
        host = self._hosts.get(key)
        if host is not None:
            host.probing = False

    def given_up(self, key: str) -> RecordMissing | None:
        """Return the error for requests to a host that is given up, or None if it is not."""
        host = self._hosts.get(key)
        if host is None or host.admits(now := self._clock()) is not Admission.NEVER:
            return None
        until = datetime.now().astimezone() + timedelta(seconds=host.down_until - now)
        if host.refusal:
            text = f"{key} asked to be left alone until {until:%Y-%m-%d %H:%M} ({host.refusal})"
            return RecordMissing(Outcome.HOST_DOWN, text, tries=0)
        return RecordMissing(
            Outcome.HOST_DOWN,
            f"{key} did not answer {host.failures} times in a row (last: {host.last}); "
            f"given up until {until:%H:%M}",
            tries=0,
        )

    def adopt(self, key: str, other: HostRecord) -> None:
        """Take over what another job of this machine knows of a host.

        That it was given up for its silence is not believed before one request has failed: whoever
        mended the network does not want to wait.
        """
        if other.is_well():
            if (known := self._hosts.get(key)) is not None and known.open:
                del self._hosts[key]
            return
        now, host = self._clock(), self._host(key)
        host.touched = now
        host.paused_until, host.cooling_until = other.paused_until, other.cooling_until
        host.open, host.failed_probes = other.is_open, other.failed_probes
        if other.down_until <= now:
            host.down_until, host.refusal = 0.0, ""
        elif other.is_refusal or host.down_until > now:
            host.down_until = other.down_until
        else:
            host.open, host.failed_probes = True, self._patience.probes - 1
        if host.open:
            host.failures = max(host.failures, self._patience.failures)
        if other.is_refusal:
            host.refusal = other.note
        elif other.note:
            host.last = other.note

    def tell(self, key: str, other: HostRecord) -> None:
        """Write into the record that the jobs of this machine share what is known of a host."""
        host = self._hosts.get(key) or HostHealth(self._patience)
        other.paused_until, other.cooling_until = host.paused_until, host.cooling_until
        other.down_until = host.down_until
        other.is_open, other.failed_probes = host.open, host.failed_probes
        other.is_refusal = bool(host.refusal)
        other.say(host.refusal or (host.last if host.open else ""))

    def forget_idle(self) -> None:
        """Remove hosts without any event for a long time."""
        now = self._clock()
        for key in [key for key, host in self._hosts.items() if host.is_idle(now)]:
            del self._hosts[key]

    def __len__(self) -> int:
        return len(self._hosts)

    def _changed(self, key: str) -> None:
        if self.on_change is not None:
            self.on_change(key)

    def _host(self, key: str) -> HostHealth:
        return self._hosts.setdefault(key, HostHealth(self._patience, touched=self._clock()))

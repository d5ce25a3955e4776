"""How each host is doing: the pauses it asked for, and whether it answers at all.

A host that fails to answer several times in a row cools down; then one request probes it. A blip
must not burn a list of half a million records, so requests wait meanwhile. Only when several
probes in a row have failed is the host given up for a while, and what is asked of it fails at
once: 500 records of a dead host cost a handful of timeouts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from imgcrawl.download.errors import FetchError
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

# What says that a host does not answer. A status is an answer, and so is a cut body.
NO_ANSWER = frozenset(
    {Outcome.DNS, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.TLS, Outcome.CONNECTION_LOST}
)


class Gate(Enum):
    """What a request to a host may do now."""

    OPEN = auto()
    WAIT = auto()  # until `Hosts.wait` seconds have passed
    PROBE = auto()  # one at a time
    SHUT = auto()  # fail at once


@dataclass(slots=True)
class _Health:
    failures: int = 0  # in a row
    probes: int = 0  # failed, in a row
    until: float = 0.0  # nothing starts before (monotonic)
    shut: bool = False
    last: str = ""


class Hosts:
    """The health of every host that is not simply well.

    Settings: HOST_FAILURES in a row until a host cools down; HOST_COOLDOWN seconds, doubled by
    each failed probe; HOST_PROBES failed probes until it is given up for HOST_DOWN_TIME seconds.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self._failures = settings.getint("HOST_FAILURES")
        self._cooldown = settings.getfloat("HOST_COOLDOWN")
        self._probes = settings.getint("HOST_PROBES")
        self._down_time = settings.getfloat("HOST_DOWN_TIME")
        self._health: dict[str, _Health] = {}
        self._pauses: dict[str, float] = {}  # asked for by hosts that are well

    def gate(self, host: str) -> Gate:
        """What the next request to a host may do."""
        health = self._health.get(host)
        if self.wait(host) > 0:
            return Gate.SHUT if health is not None and health.shut else Gate.WAIT
        if health is not None and health.failures >= self._failures:
            return Gate.PROBE
        return Gate.OPEN

    def wait(self, host: str) -> float:
        """Seconds until the gate opens."""
        health = self._health.get(host)
        until = max(self._pauses.get(host, 0.0), health.until if health else 0.0)
        return max(until - time.monotonic(), 0.0)

    def pause(self, host: str, seconds: float) -> None:
        """The host asked to be left alone for so long."""
        self._pauses[host] = max(self._pauses.get(host, 0.0), time.monotonic() + seconds)

    def answered(self, host: str) -> None:
        """The host gave an answer, whichever: it is well."""
        self._health.pop(host, None)
        if host in self._pauses and not self.wait(host):
            del self._pauses[host]

    def failed(self, host: str, error: FetchError) -> None:
        """A request to the host came to nothing."""
        if error.outcome not in NO_ANSWER:
            return
        health = self._health.setdefault(host, _Health())
        health.last = error.message
        health.failures += 1
        if health.failures < self._failures or health.until > time.monotonic():
            return
        if health.failures > self._failures:
            health.probes += 1
        gone = health.probes >= self._probes
        health.shut = gone
        seconds = self._down_time if gone else self._cooldown * 2**health.probes
        health.until = time.monotonic() + seconds

    def down(self, host: str) -> FetchError:
        """The error of a request to a host that is given up."""
        health = self._health[host]
        until = datetime.now().astimezone() + timedelta(seconds=self.wait(host))
        return FetchError(
            Outcome.HOST_DOWN,
            f"{host} failed {health.failures} times in a row (last: {health.last}); "
            f"given up until {until:%H:%M}",
        )

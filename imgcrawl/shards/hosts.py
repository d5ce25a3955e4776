"""What the machines of a cluster tell each other of hosts: that one is paused, or given up.

On a machine jobs tell each other (`imgcrawl.download.host_registry`). Between machines the command
carries on what ends at a time that is known, every two seconds, and each of it once: a host that
has recovered early is not taken for paused again because another machine has not heard of it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imgcrawl.download.host_budget import open_registry
from imgcrawl.download.host_registry import HostKey

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY = 2.0  # seconds
_WORTH = 1.0  # seconds by which a pause must be longer than the one that was told
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Pause(NamedTuple):
    """How long a host is still to be left alone, in seconds, as far as a machine knows.

    paused: because it asked for that; down: because it is given up; note: why
    """

    paused: float
    down: float
    is_refusal: bool
    note: str


def machine(settings: Mapping[str, Any]) -> str | None:
    """Return what tells this machine's file of hosts from others'; None if there is none."""
    registry = open_registry(settings)
    if registry is None:
        return None
    found = registry.path.stat()
    registry.close()
    boot = _BOOT.read_text() if _BOOT.exists() else ""
    return f"{boot} {found.st_dev} {found.st_ino}"


def pauses(settings: Mapping[str, Any]) -> dict[bytes, Pause]:
    """Return the hosts that are paused on this machine, by the digest of their name."""
    registry = open_registry(settings)
    if registry is None:
        return {}
    now = time.monotonic()
    found = {}
    for host, known in registry.known():
        until = known.paused_until - now, known.down_until - now
        if max(until) > 0:
            found[host.digest] = Pause(*until, known.is_refusal, known.note)
    registry.close()
    return found


def pause(settings: Mapping[str, Any], told: Mapping[bytes, Pause]) -> None:
    """Have the jobs of this machine leave these hosts alone, too."""
    registry = open_registry(settings)
    if registry is None:
        return
    now = time.monotonic()
    for digest, one in told.items():
        host = HostKey.of_digest(digest)
        with registry.exclusive(host):
            known = registry.read(host)
            if one.paused > 0:
                known.paused_until = max(known.paused_until, now + one.paused)
            if one.down > 0 and now + one.down > known.down_until:
                known.down_until, known.is_refusal = now + one.down, one.is_refusal
                known.say(one.note)
            registry.write(host, known)
    registry.close()


class HostExchange:
    """Carries pauses from each machine of a cluster to the others."""

    def __init__(self, client: Any, settings: Mapping[str, Any]) -> None:
        self._client = client
        self._settings = {"HOST_BUDGET": settings.get("HOST_BUDGET")}
        self._workers = self._find()
        self._told: dict[bytes, tuple[float, float]] = {}  # until when, by this clock
        self._next = 0.0

    @property
    def machines(self) -> int:
        """The number of machines with such a file, which divide the limits of hosts by it.

        Shards on a machine without one divide them by the number of all that run.
        """
        return max(1, len(self._workers))

    def _find(self) -> dict[str, str]:
        """Return a worker of each machine."""
        found: dict[str, str | None] = self._client.run(machine, self._settings, on_error="ignore")
        return {own: worker for worker, own in found.items() if own}

    def exchange(self) -> None:
        """Ask every machine, and tell the others, if it is time for that."""
        now = time.monotonic()
        if now < self._next or self.machines == 1:
            return
        self._next = now + EVERY
        # One that is gone would be called until the connection to it is given up.
        if not set(self._workers.values()) <= set(self._client.nthreads()):
            self._workers = self._find()
        workers = [*self._workers.values()]
        heard = self._client.run(pauses, self._settings, workers=workers, on_error="ignore")
        every = [pair for of_one in heard.values() for pair in of_one.items()]
        news = {digest: one for digest, one in every if self._is_new(digest, one, now)}
        if news:
            self._client.run(pause, self._settings, news, workers=workers, on_error="ignore")

    def _is_new(self, digest: bytes, one: Pause, now: float) -> bool:
        paused, down = self._told.get(digest, (0.0, 0.0))
        until = max(paused, now + one.paused), max(down, now + one.down)
        if until[0] <= paused + _WORTH and until[1] <= down + _WORTH:
            return False
        self._told[digest] = until
        return True

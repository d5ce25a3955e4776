"""One run's part in what all jobs of this machine may ask of each host together.

Nightly crawls, the crawls of a plan, shards and jobs of Scrapyd that run at the same time share a
host's places, the delay between its requests, its pauses, its pace and its breaker, through a file
of the machine (`host_registry`). Without such a file a run keeps its limits alone, and says so.
"""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from scrapy.utils.asyncio import call_later

from imgcrawl.download.host_registry import PLACES, HostKey, HostRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scrapy.core.downloader import Slot

    from imgcrawl.download.host_registry import HostRecord

logger = logging.getLogger(__name__)

OFF = "off"
VARIABLE = "IMGCRAWL_HOST_BUDGET"  # of the environment, where the setting is not given
_POLL = 0.05  # seconds until a job that waits for a place looks again
_COUNTED = 0.1  # seconds that a count of the other jobs is good for
_CHECKED = 10.0  # seconds between two looks at whether the file is still there
_PATIENCE = 1.0  # seconds without a place, after which those of suspended jobs are lent
_SAID = 60.0  # seconds without a place, after which that is said
_ENDLESS = (
    900.0  # likewise, after which a suspended job is taken to have it; longer than a file may
)


@dataclass(slots=True)
class _Host:
    """What this run has of one host. known: what it has read or written of it last."""

    name: str
    key: HostKey
    limit: int = 1  # of requests at once
    places: list[int] = field(default_factory=list)
    number: int | None = None  # among the jobs that want more of it
    probes: bool = False  # whether this run has the right to probe
    known: tuple[Any, ...] | None = None
    others: list[int] = field(default_factory=list)
    counted_at: float = float("-inf")
    released_at: float = float("-inf")
    waiting_since: float | None = None
    is_said: bool = False
    lent: int = 0  # places of jobs that are suspended
    lent_at: float = float("-inf")
    poll: Any = None

    def is_alone(self, now: float) -> bool:
        """Return whether no other job asked for more a moment ago: none is to be told each time."""
        return not self.others and now - self.counted_at <= _COUNTED

    def share(self) -> int:
        """Return how many places are this run's among the jobs that want more; at least one."""
        mine = PLACES if self.number is None else self.number
        least, left = divmod(self.limit, len(self.others) + 1)
        return max(1, least + (sum(number < mine for number in self.others) < left))


class HostBudget:
    """Places and turns at each host, shared with the other jobs of this machine.

    adopt: called with the name of a host, and what another job has written of it
    lost:  called once, if the file cannot be used any more
    """

    def __init__(
        self,
        registry: HostRegistry,
        prefix: str,
        adopt: Callable[[str, HostRecord], None],
        lost: Callable[[], None],
    ) -> None:
        self._registry: HostRegistry | None = registry
        self._prefix = prefix
        self._adopt = adopt
        self._lost = lost
        self._hosts: dict[str, _Host] = {}
        self._serving = False
        self._checked_at = monotonic()
        self._damaged = 0

    def serve(
        self, name: str, slot: Slot, process: Callable[[Slot], None], again: Callable[[], object]
    ) -> None:
        """Send what may be sent of a slot's queue by now, by Scrapy's own `process`.

        again: called once it is worth another look
        """
        if self._registry is None or self._serving or slot.latercall:
            process(slot)
            return
        self._serving = True
        try:
            self._serve(self._registry, name, slot, process, again)
        except OSError as error:
            self._give_up(error)
            again()
        finally:
            self._serving = False

    def _serve(
        self,
        registry: HostRegistry,
        name: str,
        slot: Slot,
        process: Callable[[Slot], None],
        again: Callable[[], object],
    ) -> None:
        room = min(slot.free_transfer_slots(), len(slot.queue), 1 if slot.delay else PLACES)
        if room <= 0:
            return
        host = self._host(name)
        host.limit = min(max(host.limit, slot.concurrency), PLACES)
        now = monotonic()
        if host.is_alone(now) and not slot.delay:
            got = self._take(registry, host, room, len(slot.transferring), now)
            self._send(slot, got, process)
        else:
            with registry.exclusive(host.key):
                record = registry.read(host.key)
                if self._is_news(host, name, record):
                    self._look_again(host, 0.0, again)
                    return
                got = self._take(registry, host, room, len(slot.transferring), now)
                # Who was last leaves the others a little time to be next.
                grace = _POLL / 4 if host.others and record.sent_by == os.getpid() else 0.0
                slot.lastseen = max(slot.lastseen, record.sent_at + min(grace, slot.delay / 4))
                if self._send(slot, got, process):
                    record.sent_at, record.sent_by = now, os.getpid()
                    registry.write(host.key, record)
        if got == 0:
            self._look_again(host, _POLL, again)
        self._settle(registry, host, slot)
        self._check(registry, now)

    @staticmethod
    def _send(slot: Slot, got: int, process: Callable[[Slot], None]) -> bool:
        """Have so many requests of a slot sent at most; return whether any was."""
        limit, queued = slot.concurrency, len(slot.queue)
        slot.concurrency = len(slot.transferring) + got
        try:
            process(slot)
        finally:
            slot.concurrency = limit
        return len(slot.queue) < queued

    def ended(self, name: str, slot: Slot) -> None:
        """Give back what a slot has no use for, as a request of it has ended."""
        host = self._hosts.get(name)
        if self._registry is None or host is None:
            return
        try:
            self._settle(self._registry, host, slot)
        except OSError as error:
            self._give_up(error)

    def _settle(self, registry: HostRegistry, host: _Host, slot: Slot) -> None:
        """Give back the places that nothing under way has; say whether this run wants more."""
        while len(host.places) > len(slot.transferring):
            registry.give_back(host.key, host.places.pop())
            host.released_at = monotonic()
        if slot.queue and host.number is None:
            host.number = registry.want(host.key)
        elif not slot.queue and host.number is not None:
            registry.want_no_more(host.key, host.number)
            host.number = None

    def tell(self, name: str, write: Callable[[HostRecord], None]) -> None:
        """Tell the other jobs what has become of a host.

        write: changes its record. What others have written meanwhile is adopted before.
        """
        if self._registry is None:
            return
        host = self._host(name)
        try:
            with self._registry.exclusive(host.key):
                record = self._registry.read(host.key)
                self._is_news(host, name, record)
                write(record)
                if (known := record.health()) != host.known:
                    host.known = known
                    self._registry.write(host.key, record)
        except OSError as error:
            self._give_up(error)

    def may_probe(self, name: str) -> bool:
        """Return whether this run may send the one probe of all jobs, and take that right."""
        if self._registry is None:
            return True
        host = self._host(name)
        try:
            host.probes = self._registry.probe(host.key)
        except OSError as error:
            self._give_up(error)
            return True
        return host.probes

    def probe_ended(self, name: str) -> None:
        """Give the right to probe back, if this run has it."""
        host = self._hosts.get(name)
        if self._registry is not None and host is not None and host.probes:
            host.probes = False
            try:
                self._registry.end_probe(host.key)
            except OSError as error:
                self._give_up(error)

    def forget(self, names: set[str]) -> None:
        """Forget the hosts that are not among these, unless something of them is under way."""
        for name in [*self._hosts]:
            host = self._hosts[name]
            if name not in names and not host.places and host.number is None and not host.poll:
                del self._hosts[name]

    def close(self) -> None:
        """Give everything back."""
        for host in self._hosts.values():
            if host.poll is not None:
                host.poll.cancel()
        self._hosts.clear()
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(name, HostKey.of(f"{self._prefix}{name}"))
        return host

    def _is_news(self, host: _Host, name: str, record: HostRecord) -> bool:
        """Return whether another job has written of a host what this one did not know, by now."""
        known = record.health()
        if known == host.known:
            return False
        is_news = host.known is not None or not record.is_well()
        host.known = known
        if is_news:
            self._adopt(name, record)
        return is_news

    def _take(
        self, registry: HostRegistry, host: _Host, room: int, under_way: int, now: float
    ) -> int:
        """Have places for up to `room` more requests; return for how many there are.

        A place goes from one request to the next. Where others want more than they have, too, this
        run has a fair share: who began first has no more of it.
        """
        if now - host.counted_at > _COUNTED:
            host.others, host.counted_at = registry.others(host.key), now
        if host.others:
            room = min(room, host.share() - under_way)
            if len(host.others) >= host.limit and now - host.released_at < _POLL:
                room = 0  # one place for several jobs goes round
        if room <= 0:
            host.waiting_since = None
            return 0
        free = (place for place in range(host.limit - 1, -1, -1) if place not in host.places)
        while len(host.places) < under_way + room:
            found = next((place for place in free if registry.take(host.key, place)), None)
            if found is None:
                break
            host.places.append(found)
        got = max(0, len(host.places) - under_way)
        if not got and (host.lent or host.waiting_since is not None):
            got = min(room, self._lend(registry, host, now) - (under_way - len(host.places)))
        if got > 0 or under_way:
            host.waiting_since = None if got > 0 else host.waiting_since or now
            return max(0, got)
        return room if self._waits_too_long(host, now) else 0

    def _lend(self, registry: HostRegistry, host: _Host, now: float) -> int:
        """Return how many places may be used for those that suspended jobs keep.

        Such a job sends nothing. Once it is woken there are more requests than places, until its
        own have ended.
        """
        waited = now - (now if host.waiting_since is None else host.waiting_since)
        if now - host.lent_at > _PATIENCE and (host.lent or waited > _PATIENCE):
            host.lent, host.lent_at = registry.n_suspended(host.key, host.limit), now
        return host.lent

    def _waits_too_long(self, host: _Host, now: float) -> bool:
        if host.waiting_since is None:
            host.waiting_since, host.is_said = now, False
        waited = now - host.waiting_since
        if waited > _SAID and not host.is_said:
            host.is_said = True
            logger.warning(
                "Other jobs of this machine have had every place at %s for a minute; this one "
                "waits. If none should be there, look for one that is suspended (`jobs`, `ps`).",
                host.name,
            )
        return waited > _ENDLESS

    def _look_again(self, host: _Host, seconds: float, again: Callable[[], object]) -> None:
        if host.poll is not None:
            return

        def look() -> None:
            host.poll = None
            again()

        host.poll = call_later(seconds, look)

    def _check(self, registry: HostRegistry, now: float) -> None:
        """Say what was damaged; take the new file where somebody has removed this one."""
        if registry.damaged > self._damaged:
            self._damaged = registry.damaged
            logger.warning(
                "%s was damaged, and is begun anew: what other jobs knew of some hosts is lost.",
                registry.path,
            )
        if now - self._checked_at < _CHECKED:
            return
        self._checked_at = now
        if not registry.is_current():
            logger.warning("%s was removed or cut, and is begun anew.", registry.path)
            registry.reopen()
            for host in self._hosts.values():
                host.number, host.known, host.probes = None, None, False
                host.places = [at for at in host.places if registry.take(host.key, at)]

    def _give_up(self, error: OSError) -> None:
        if self._registry is None:
            return
        logger.warning(
            "%s cannot be used any more (%s): this run keeps the limits of hosts alone.",
            *(self._registry.path, error),
        )
        self.close()
        self._lost()


def open_registry(settings: Mapping[str, Any]) -> HostRegistry | None:
    """Return the registry of HOST_BUDGET, or None if it is off or cannot be had, which is said."""
    place = settings["HOST_BUDGET"] or os.environ.get(VARIABLE)
    if place == OFF:
        return None
    folder = Path(place).expanduser() if place else default_folder()
    try:
        return HostRegistry(folder)
    except OSError as error:
        logger.warning(
            "%s cannot be used (%s): this run keeps the limits of hosts for itself, and other jobs "
            "of this machine know nothing of it. -s HOST_BUDGET=DIR names another folder, "
            "-s HOST_BUDGET=off ends this warning.",
            *(folder, error),
        )
        return None


def default_folder() -> Path:
    """Return the folder of this user on this machine; in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is required to be this user's own
    above = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return above / f"imgcrawl-{os.getuid() if hasattr(os, 'getuid') else 0}"

"""A bounded queue of items, drawn fairly over hosts.

A list sorted by host, or one in which a few hosts hold most records, stalls a plain queue behind
its slowest host. So a bounded number of items is looked ahead at, and the next one to go is of the
host that has most waiting among those that have room.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from scrapy import Request

    from imgcrawl.crawl.in_flight import Flight
    from imgcrawl.records.items import Item

# What nearly every address begins with; whatever else stands there is for urlsplit to read.
_PLAIN = re.compile(r"https?://([a-z0-9.-]+)(?::\d+)?/")


def host_of(item: Item) -> str:
    """Return the host that an item's first URL names, or an empty text if none is to be asked."""
    if item.result is not None or not item.urls:
        return ""
    url = item.urls[0]
    if plain := _PLAIN.match(url):
        return plain[1]
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class _Ranks:
    """Hosts by how many of their items wait; a step takes the same time however many there are."""

    def __init__(self) -> None:
        self._ranks: list[dict[str, None]] = [{}]  # of each number, the hosts in order of coming
        self._of: dict[str, int] = {}
        self._top = 0

    def set(self, host: str, n: int) -> None:
        """Rank a host by n items; 0 leaves it out."""
        if before := self._of.pop(host, 0):
            del self._ranks[before][host]
        if n:
            while len(self._ranks) <= n:
                self._ranks.append({})
            self._ranks[n][host] = None
            self._of[host] = n
            self._top = max(self._top, n)

    def best(self) -> str | None:
        """Return the host with most, or None."""
        while self._top and not self._ranks[self._top]:
            self._top -= 1
        return next(iter(self._ranks[self._top]), None)


class FairHostQueue:
    """Bounds what is in flight: `total` items, `per_host` of one host, and `ahead` waiting."""

    def __init__(self, total: int, per_host: int, ahead: int) -> None:
        self._total = total
        self._per_host = per_host
        self._ahead = ahead
        self._waiting: dict[str, deque[Flight]] = {}
        self._n_waiting = 0
        self._ranks = _Ranks()  # of the hosts of which items wait, and may go
        self._flying: Counter[str] = Counter()  # taken and not yet released, by host
        self._n_flying = 0
        self._request: Request | None = None  # of a page, that waits for the engine
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Items taken and not yet released."""
        return self._n_flying

    async def put(self, flight: Flight) -> None:
        """Add an item, with its host; wait until there is room for it."""
        while self._n_waiting >= self._ahead and not self._closed:
            await self._change()
        host = flight.host or ""
        self._waiting.setdefault(host, deque()).append(flight)
        self._n_waiting += 1
        self._rank(host)
        self._changed.set()

    async def hand_on(self, request: Request) -> None:
        """Add the request of a page, which comes next; wait until there is room for it."""
        while self._request is not None and not self._closed:
            await self._change()
        self._request = request
        self._changed.set()

    async def get(self) -> Flight | Request | None:
        """Return what comes next, or None once the queue is closed and empty."""
        while True:
            if (request := self._request) is not None:
                self._request = None
                self._changed.set()
                return request
            flight = self._next()
            if flight is not None or (self._closed and not self._n_waiting):
                return flight
            await self._change()

    def release(self, flight: Flight) -> None:
        """Free the place of an item that `get` returned. Call it once for each."""
        host = flight.host or ""
        self._flying[host] -= 1
        self._n_flying -= 1
        if not self._flying[host]:
            del self._flying[host]
        self._rank(host)
        self._changed.set()

    async def drained(self) -> None:
        """Wait until nothing is in flight."""
        while self._flying:
            await self._change()

    async def idle(self) -> None:
        """Wait until nothing waits and nothing is in flight."""
        while self._flying or self._n_waiting or self._request is not None:
            await self._change()

    def close(self, *, drop: bool = False) -> None:
        """Take no more items; with `drop`, forget those that wait."""
        self._closed = True
        if drop:
            self._waiting.clear()
            self._ranks = _Ranks()
            self._request = None
            self._n_waiting = 0
        self._changed.set()

    def _next(self) -> Flight | None:
        if self.in_flight >= self._total:
            return None
        if (best := self._ranks.best()) is None:
            return None
        queue = self._waiting[best]
        flight = queue.popleft()
        if not queue:
            del self._waiting[best]
        self._n_waiting -= 1
        self._flying[best] += 1
        self._n_flying += 1
        self._rank(best)
        self._changed.set()
        return flight

    def _rank(self, host: str) -> None:
        """Rank a host whose number has changed; one that has no room is left out until it has."""
        has_room = not host or self._flying[host] < self._per_host
        self._ranks.set(host, len(self._waiting.get(host, ())) if has_room else 0)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

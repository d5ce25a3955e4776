"""The window of items in flight, drawn fairly over hosts.

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
    from imgcrawl.records.items import Item

# What nearly every address begins with; whatever else stands there is for urlsplit to read.
_PLAIN = re.compile(r"https?://([a-z0-9.-]+)(?::\d+)?/")


def host_of(item: Item) -> str:
    """The host that an item's first URL names; empty where there is none to ask."""
    if item.result is not None or not item.urls:
        return ""
    url = item.urls[0]
    if plain := _PLAIN.match(url):
        return plain[1]
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class FairHostQueue:
    """Bounds what is in flight: `total` items, `per_host` of one host, and `ahead` waiting."""

    def __init__(self, total: int, per_host: int, ahead: int) -> None:
        self._total = total
        self._per_host = per_host
        self._ahead = ahead
        self._waiting: dict[str, deque[Item]] = {}
        self._n_waiting = 0
        self._flying: Counter[str] = Counter()
        self._host_of: dict[int, str] = {}
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Items taken and not yet released."""
        return len(self._host_of)

    async def put(self, item: Item) -> None:
        """Let an item wait for its turn; returns once there is room for it."""
        while self._n_waiting >= self._ahead and not self._closed:
            await self._change()
        self._waiting.setdefault(host_of(item), deque()).append(item)
        self._n_waiting += 1
        self._changed.set()

    async def get(self) -> Item | None:
        """The next item to go; None once the window is closed and nothing waits any more."""
        while True:
            item = self._next()
            if item is not None or (self._closed and not self._n_waiting):
                return item
            await self._change()

    def release(self, item: Item) -> None:
        """An item has its outcome: make room."""
        host = self._host_of.pop(id(item), None)
        if host is None:
            return
        self._flying[host] -= 1
        if not self._flying[host]:
            del self._flying[host]
        self._changed.set()

    async def drained(self) -> None:
        """Returns once nothing is in flight."""
        while self._host_of:
            await self._change()

    async def idle(self) -> None:
        """Returns once nothing waits and nothing is in flight."""
        while self._host_of or self._n_waiting:
            await self._change()

    def close(self, *, drop: bool = False) -> None:
        """No more items will come; with `drop`, those that wait are forgotten."""
        self._closed = True
        if drop:
            self._waiting.clear()
            self._n_waiting = 0
        self._changed.set()

    def _next(self) -> Item | None:
        if len(self._host_of) >= self._total:
            return None
        best, most = None, 0
        for host, queue in self._waiting.items():
            if len(queue) > most and (not host or self._flying[host] < self._per_host):
                best, most = host, len(queue)
        if best is None:
            return None
        queue = self._waiting[best]
        item = queue.popleft()
        if not queue:
            del self._waiting[best]
        self._n_waiting -= 1
        self._flying[best] += 1
        self._host_of[id(item)] = best
        self._changed.set()
        return item

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

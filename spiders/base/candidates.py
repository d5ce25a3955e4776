"""CandidatesSpider: classes, each with a list of candidates, of which N good ones are wanted."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Expects
from spiders.base.dataset import A, DatasetSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

    from imgcrawl.records.items import Item, SpiderOutput
    from imgcrawl.records.quotas import Quota

    _Read = Callable[[], Coroutine[Any, Any, Iterator[Item]]]

ACTIVE = 64  # classes that candidates are drawn of at the same time


class CandidatesSpider(DatasetSpider[A]):
    """Hands out candidates in the order of their list while one could still be needed.

    A candidate that fails is replaced by the next, so that of each class exactly N are stored
    while its list lasts, and these are the first N good ones, whatever was slow or was killed.
    A class that loses one later, as a placeholder that was not known for one, is opened again.

    A subclass writes `quotas` and `candidates`, and `more_candidates` if those come in batches.
    """

    def quotas(self) -> Iterator[Quota]:
        """Yield the classes, each with the number wanted."""
        raise NotImplementedError

    async def candidates(self, quota: Quota) -> Iterator[Item]:
        """Return the candidates of a class, best first, ranked, with `Item.quota` set.

        Sets `quota.listed` where it knows that. Raises SourceError if the class has no list.
        """
        raise NotImplementedError

    async def more_candidates(self, quota: Quota) -> Iterator[Item]:
        """Return the candidates behind those returned so far; none if there are no more.

        Asked for when those have been handed out, so that a long list need not be in memory.
        """
        return iter(())

    async def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield quotas and their candidates."""
        self._changed = asyncio.Event()
        self._exhausted: set[Quota] = set()
        self._counted: dict[Quota, None] = {}  # those whose numbers have changed
        quotas = list(self.quotas())
        yield Expects(sum(quota.wanted for quota in quotas), note=f"{len(quotas):,} classes.")
        waiting = deque(quotas)
        active: dict[Quota, _Class] = {}
        ended: set[Quota] = set()
        while True:
            while waiting and len(active) < ACTIVE:
                quota = waiting.popleft()
                quota.changed = partial(self._note, quota)
                yield quota
                if quota.short:
                    active[quota] = _Class(
                        partial(self._open, quota, self.candidates),
                        partial(self._open, quota, self.more_candidates),
                    )
                else:
                    ended.add(quota)
            self._changed.clear()
            for quota, candidates in list(active.items()):
                if candidates.has_come():
                    yield quota  # how long its list is, written down before a kill can lose that
                while quota.room and (item := candidates.next()) is not None:
                    quota.hand_out()
                    yield item
                if not quota.in_flight and (not quota.short or candidates.exhausted):
                    del active[quota]
                    ended.add(quota)
                    self._report(quota)
            counted, self._counted = self._counted, {}
            lost = (quota for quota in counted if quota in ended and quota.room)
            if again := [quota for quota in lost if quota not in self._exhausted]:
                ended.difference_update(again)
                waiting.extend(again)
            elif not active and not waiting:
                return
            elif not waiting or len(active) >= ACTIVE:
                await self._changed.wait()

    def _note(self, quota: Quota) -> None:
        """Look at a class again: there may be twenty thousand that have ended."""
        self._counted[quota] = None
        self._changed.set()

    async def _open(
        self, quota: Quota, read: Callable[[Quota], Awaitable[Iterator[Item]]]
    ) -> Iterator[Item]:
        """Return candidates of a class; none, with a note, if it has no list."""
        try:
            return await read(quota)
        except SourceError as error:
            quota.note = str(error)
            self.logger.warning("%s: %s", quota.key, error)
            return iter(())
        finally:
            self._changed.set()

    def _report(self, quota: Quota) -> None:
        if quota.short:
            self._exhausted.add(quota)
            listed = "" if quota.listed is None else f" of {quota.listed:,} candidates"
            self.logger.warning(
                "%s (%s) falls short by %s: %s%s are good",
                quota.key,
                quota.label,
                f"{quota.short:,}",
                f"{quota.stored:,}",
                listed,
            )


class _Class:
    """The candidates of a class, once they are there.

    first, more: read the first batch of them, and those behind it until one is empty
    """

    def __init__(self, first: _Read, more: _Read) -> None:
        self._task = asyncio.create_task(first())
        self._more = more
        self._is_empty = True  # the batch, so far
        self._is_there = False
        self.exhausted = False

    def has_come(self) -> bool:
        """Return True the first time that it is asked while they are there."""
        was = self._is_there
        self._is_there = was or self._task.done()
        return self._is_there and not was

    def next(self) -> Item | None:
        """Return the next candidate, or None if there is none, or none yet."""
        if self.exhausted or not self._task.done():
            return None
        item = next(self._task.result(), None)
        if item is None:
            self.exhausted = self._is_empty
            if not self.exhausted:
                self._task = asyncio.create_task(self._more())
        self._is_empty = item is None
        return item

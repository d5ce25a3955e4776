"""Records of the ledger that are handed out again: retries, and look-ups in the Wayback Machine."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from imgcrawl.records.held_body import lies_in_list
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import GONE, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator

    from imgcrawl.crawl.run import Run
    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.records.items import Item

logger = logging.getLogger(__name__)

_PAGE = 500  # entries of the ledger looked at in one go


class RetryQueue:
    """What an earlier run left to do: retryable failures, and stored files that disappeared."""

    def __init__(self, run: Run, retry: Collection[Outcome]) -> None:
        self._run = run
        self._retry = retry

    async def items(self) -> AsyncIterator[Item]:
        """Yield items to try again, as their spiders made them."""
        for page in _pages(self._run, frozenset(Outcome)):
            for entry in await asyncio.to_thread(self._chosen, page):
                yield entry.to_item()
        self._run.recorder.keep_points()

    def _chosen(self, page: list[LedgerEntry]) -> list[LedgerEntry]:
        return [entry for entry in page if self._is_to_do(entry)]

    def _is_to_do(self, entry: LedgerEntry) -> bool:
        if entry.quota is not None:
            return False  # its class may have enough by now: the spider knows
        urls = entry.to_item().urls
        if urls and lies_in_list(urls[0]):
            return False  # the spider has its bytes
        match entry.result:
            case Stored():
                return not self._run.records.is_intact(entry)
            case result:
                # Without a URL only its source can tell whether it may be had by now.
                return result.outcome in self._retry and bool(urls)


class WaybackQueue:
    """Picks records that are gone from their addresses, each once, and no more than `limit`.

    Of a class that has a quota only as many as could still be needed are picked at a time.
    """

    def __init__(self, run: Run, limit: int, is_mine: Callable[[str], bool]) -> None:
        self._run = run
        self._limit = self._left = limit
        self._is_mine = is_mine
        self._classes: dict[str, str] | None = None  # open ones; the last id looked at of each

    def next_round(self) -> Iterator[Item]:
        """Yield items to look for now; none if there is nothing more to do."""
        if not self._left:
            return
        for entry in self._entries():
            if not self._left:
                logger.warning(
                    "%s records were looked for in the Wayback Machine, the most that one run "
                    "asks for (-s WAYBACK_MAX=...). The same command again goes on from here.",
                    f"{self._limit:,}",
                )
                return
            self._left -= 1
            item = entry.to_item()
            assert isinstance(entry.result, Missing)
            item.previous_failure = entry.result
            quota = self._run.records.quotas.get(entry.quota or "")
            if quota is not None:
                quota.hand_out()
            yield item

    def _entries(self) -> Iterator[LedgerEntry]:
        """Yield what could be needed now: of each record once in all rounds."""
        self._run.recorder.flush()
        quotas = self._run.records.quotas
        if self._classes is None:
            self._classes = dict.fromkeys(quotas, "")
            for page in _pages(self._run, GONE):
                others = (entry for entry in page if entry.quota not in quotas)
                yield from (e for e in others if self._is_mine(e.quota or e.record_id))
        for key in [*self._classes]:
            while room := quotas[key].room:
                page = [*self._run.ledger.entries(GONE, self._classes[key], room, key)]
                if not page:
                    del self._classes[key]
                    break
                for entry in page:
                    self._classes[key] = entry.record_id
                    yield entry


def _pages(run: Run, outcomes: Collection[Outcome]) -> Iterator[list[LedgerEntry]]:
    last = ""
    while page := list(run.ledger.entries(outcomes, after=last, limit=_PAGE)):
        last = page[-1].record_id
        yield page

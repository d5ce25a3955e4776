"""Which records are worth a look into the Wayback Machine, once all else has been tried."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imgcrawl.records.items import Missing
from imgcrawl.records.outcomes import GONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.crawl.run import Run
    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.records.items import Item

logger = logging.getLogger(__name__)

_PAGE = 500  # entries of the ledger looked at in one go


class WaybackQueue:
    """Picks records that are gone for good, each once, and no more than `limit`.

    Of a class that has a quota only as many as could still be needed are picked at a time.
    """

    def __init__(self, run: Run, limit: int, is_mine: Callable[[str], bool]) -> None:
        self._run = run
        self._left = limit
        self._is_mine = is_mine
        self._tried: set[str] = set()

    def next_round(self) -> Iterator[Item]:
        """Items to look for now; none when there is nothing more to do."""
        for entry in self._entries():
            quota = self._run.quotas.get(entry.quota or "")
            if entry.record_id in self._tried or (quota is not None and not quota.room):
                continue
            if not self._left:
                logger.warning(
                    "%s records were looked for in the Wayback Machine, the most that one run "
                    "asks for (-s WAYBACK_MAX=...). The same command again goes on from here.",
                    f"{len(self._tried):,}",
                )
                return
            self._left -= 1
            self._tried.add(entry.record_id)
            item = entry.to_item()
            assert isinstance(entry.result, Missing)
            item.previous_failure = entry.result
            if quota is not None:
                quota.hand_out()
            yield item

    def _entries(self) -> Iterator[LedgerEntry]:
        self._run.recorder.flush()
        last = ""
        while page := list(self._run.ledger.entries(GONE, after=last, limit=_PAGE)):
            last = page[-1].record_id
            yield from (e for e in page if self._is_mine(e.quota or e.record_id))

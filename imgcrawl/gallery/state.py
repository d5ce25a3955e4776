"""How far the crawls of some OUTs are, read while they run; nothing is written or locked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.status import read_status
from imgcrawl.storage.directory import LEDGER

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.dataset.status import RunStatus


def state_of(root: Path) -> dict[str, Any]:
    """Return the state of the last run of an OUT, and the records in its ledger by outcome."""
    status = read_status(root)
    outcomes: dict[str, int] = {}
    try:
        place = f"{(root / LEDGER).as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True, timeout=1)) as ledger:
            outcomes = dict(
                ledger.execute("SELECT outcome, count(*) FROM records GROUP BY outcome")
            )
    except sqlite3.Error:  # of a merged dataset, which has none; or it is held at the moment
        outcomes = {}
    return status_for_page(status, outcomes)


def status_for_page(status: RunStatus, outcomes: dict[str, int]) -> dict[str, Any]:
    """Return a status, and the records by outcome, as the page has them.

    Without a ledger, as of a plan, of shards or in a store, the summary has their numbers.
    """
    if not outcomes and status.stored is not None:
        outcomes = {"stored": status.stored, "missing": status.missing or 0}
    return {
        "state": status.state,
        "words": status.describe(),
        "spider": status.spider,
        "ended_at": status.ended_at,
        "outcomes": outcomes,
    }

"""The records of an OUT as the items of a feed: the rows of metadata.csv, then of failures.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.record_columns import FIXED_COLUMNS, record_values, table_columns
from imgcrawl.dataset.samples import samples
from imgcrawl.dataset.tables import FAILURE_COLUMNS, failure_values, unreadable_values
from imgcrawl.records.outcomes import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.dataset.ledger import Ledger


def feed_columns(ledger: Ledger) -> list[str]:
    """Return the columns of both tables, each once: a stored record has no reason."""
    return [*dict.fromkeys([*FIXED_COLUMNS, *table_columns(ledger), *FAILURE_COLUMNS])]


def feed_rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Yield a row for each record, as the tables have them: without secrets, values as they are."""
    for entry in samples(ledger):
        yield record_values(entry)
    for entry in ledger.entries(MISSING):
        yield dict(zip(FAILURE_COLUMNS, failure_values(entry), strict=True))
    for piece in ledger.unreadable():
        yield dict(zip(FAILURE_COLUMNS, unreadable_values(*piece), strict=True))

"""Entries of a ledger for tests, and the rows of the tables made from them."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.records.items import Missing, Stored
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.storage.directory import OutputDirectory

NOW = "2026-01-01T00:00:00Z"
STORED = Stored(
    "images/a.jpg", "http://u", "http://u", "ab", 3, "JPEG", 1, 2, "RGB", NOW, "original"
)


def stored(record_id: str, **metadata: Any) -> LedgerEntry:
    """Return a stored record. Keywords with an underscore are fields of `Stored` and the quota."""
    quota = metadata.pop("_quota", None)
    own = {name[1:]: metadata.pop(name) for name in [*metadata] if name.startswith("_")}
    result = replace(STORED, **own)
    return LedgerEntry(record_id, result, NOW, f"images/{record_id}", metadata, "{}", quota)


def missing(
    record_id: str,
    outcome: Outcome = Outcome.NOT_FOUND,
    quota: str | None = None,
    **result: Any,
) -> LedgerEntry:
    """Return a missing record."""
    found = Missing(outcome, "HTTP 404", **{"url": "http://u", **result})
    return LedgerEntry(record_id, found, NOW, f"images/{record_id}", {}, "{}", quota)


def rows(out: OutputDirectory, name: str = "metadata.csv") -> list[dict[str, str]]:
    """Return the rows of a table of an OUT."""
    with (out.root / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ids(out: OutputDirectory, name: str = "metadata.csv") -> list[str]:
    """Return the ids of the records in a table, in the order of its rows."""
    return [row["record_id"] for row in rows(out, name)]

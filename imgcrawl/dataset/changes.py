"""What a source says otherwise of a record than it did: one change is one cell of its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imgcrawl.records.items import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.records.items import Result


class Change(NamedTuple):
    """A cell of a stored record's row that is another one by now; empty: there was, or is, none.

    seen_at: UTC, ISO 8601
    """

    record_id: str
    column: str
    before: str
    after: str
    seen_at: str


CHANGES_COLUMNS = Change._fields


def changes_of(
    before: LedgerEntry, metadata: Mapping[str, Any], result: Result, now: str
) -> list[Change]:
    """Return what differs between a stored record's row and its new one, sorted by column.

    before: its entry; metadata and result: what the new one is made of
    A file that is another one by now changes the column sha256.
    """
    if not isinstance(before.result, Stored) or not isinstance(result, Stored):
        return []
    names = sorted(before.metadata.keys() | metadata.keys())
    pairs = [(name, before.metadata.get(name), metadata.get(name)) for name in names]
    if before.result.sha256 and result.sha256:
        pairs.append(("sha256", before.result.sha256, result.sha256))
    return [
        Change(before.record_id, name, _text(old), _text(new), now)
        for name, old, new in pairs
        if _text(old) != _text(new)
    ]


def _text(value: Any) -> str:
    return "" if value is None else str(value)

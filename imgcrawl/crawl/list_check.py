"""Is a list plainly another dataset than the one in OUT?

Lists that number their records from 1 share their ids and nothing else. Taken for one dataset, the
second would replace the files of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.items import Item
from imgcrawl.records.question import Answer, answer_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from imgcrawl.dataset.ledger import Ledger

LOOKED_AT = 2000  # records at the beginning of a list
_FEWEST = 3  # records with another address: fewer are a correction


async def compared(start: AsyncIterator[Any], ledger: Ledger) -> AsyncIterator[Any]:
    """Compare the beginning of a list with the ledger; return all that it has.

    Raises ArgumentError if most of its ids are known, and most of these with other addresses.
    """
    head: list[Any] = []
    records = known = changed = 0
    if not ledger.is_empty():
        async for output in start:
            head.append(output)
            if isinstance(output, Item) and output.urls:
                records += 1
                entry = ledger.get(output.record_id)
                if entry is not None and entry.result.url:
                    known += 1
                    answer = answer_of(entry.result, entry.to_item(), output)
                    changed += answer is Answer.NO
            if len(head) >= LOOKED_AT:
                break
    if changed >= _FEWEST and known * 2 > records and changed * 2 > known:
        raise ArgumentError(
            f"This list is another dataset than that of {ledger.path.parent}: of its first "
            f"{records:,} records, {known:,} have ids that are there already, and {changed:,} of "
            "these with other addresses. Nothing was requested. Give it a place of its own with "
            "-a out=DIR; or, if its files are to replace those that are there, type "
            "-a changed=replace."
        )
    return _joined(head, start)


async def _joined(head: Iterable[Any], rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    for output in head:
        yield output
    async for output in rest:
        yield output

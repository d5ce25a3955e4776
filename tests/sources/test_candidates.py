"""Classes of which a number is wanted: how long a list is, is known before a record of it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from imgcrawl.records.items import ImageItem
from imgcrawl.records.quotas import Quota
from spiders.base.candidates import CandidatesSpider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.records.items import Item


class Spider(CandidatesSpider[Any]):
    name = "classes"

    def quotas(self) -> Iterator[Quota]:
        yield from (Quota("a", 2), Quota("b", 1))

    async def candidates(self, quota: Quota) -> Iterator[Item]:
        await asyncio.sleep(0)
        quota.listed = 5
        records = (f"{quota.key}{n}" for n in range(5))
        return iter([ImageItem(each, [], each, quota=quota.key) for each in records])


async def _yielded() -> list[tuple[str, int | None]]:
    """Quotas with the length of their lists as it is known by then, and candidates, in order."""
    found: list[tuple[str, int | None]] = []
    quotas: dict[str, Quota] = {}
    async for output in Spider.__new__(Spider).records():
        if isinstance(output, Quota):
            quotas[output.key] = output
            found.append((output.key, output.listed))
        elif isinstance(output, ImageItem):
            found.append((output.record_id, None))
            quotas[output.quota or ""].count(1)
            quotas[output.quota or ""].ended()
    return found


def test_a_kill_after_any_record_leaves_the_length_of_its_list() -> None:
    assert asyncio.run(_yielded()) == [
        *(("a", None), ("b", None)),
        *(("a", 5), ("a0", None), ("a1", None)),
        *(("b", 5), ("b0", None)),
    ]

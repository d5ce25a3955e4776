"""One request for all the items that have the same first URL and are under way together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imgcrawl.records.items import Missing

if TYPE_CHECKING:
    from imgcrawl.records.items import Item, Result


class SharedRequests:
    """The first of them asks, and its answer is kept until it has been written down."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[Item, asyncio.Future[Result | None]]] = {}

    def is_first(self, item: Item) -> bool:
        """Whether this item is the one to ask; it must `answer` or be `settled` then."""
        url = item.urls[0]
        if url in self._asked:
            return False
        self._asked[url] = item, asyncio.get_running_loop().create_future()
        return True

    async def of_another(self, item: Item) -> Result | None:
        """What the first got, as far as it says something of this item too."""
        other, first = self._asked[item.urls[0]]
        there = await asyncio.shield(first)
        if there is None or there.url != item.urls[0]:
            return None  # a mirror's, which is not one of this item
        if isinstance(there, Missing) and other.urls != item.urls:
            return None
        return there

    def answer(self, item: Item, result: Result | None) -> None:
        """Let those that wait for this item know; does nothing where it was not the first."""
        owner, answer = self._asked.get(item.urls[0], (None, None))
        if owner is item and answer is not None and not answer.done():
            answer.set_result(result)

    def settled(self, item: Item) -> None:
        """An item has been written down: whoever comes now finds it in the ledger."""
        if not item.urls or self._asked.get(item.urls[0], (None,))[0] is not item:
            return
        self.answer(item, None)
        del self._asked[item.urls[0]]

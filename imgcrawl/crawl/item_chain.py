"""The item pipelines: a record goes down all of them, a spider's own item down the user's alone.

What an ordinary Scrapy spider yields is no record, and holds any number of them. Each goes down
the pipelines of this project; the item itself goes, once they have all ended, down the pipelines
that its user added, and from there to feeds and monitors, as Scrapy's documentation has it.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapy.pipelines import ItemPipelineManager
from scrapy.utils.defer import ensure_awaitable

from imgcrawl.records.items import Item

if TYPE_CHECKING:
    from collections.abc import Callable


class Step(NamedTuple):
    """One pipeline's `process_item`.

    for_records: whether the pipeline knows records alone, as its attribute of that name says
    is_async:    whether `process` returns a coroutine
    """

    process: Callable[..., Any]
    for_records: bool
    is_async: bool


class ItemChain(ItemPipelineManager):
    """Scrapy's pipeline manager, set by ITEM_PROCESSOR."""

    def __init__(self, *pipelines: Any, **kwargs: Any) -> None:
        self._steps: list[Step] = []
        super().__init__(*pipelines, **kwargs)

    def _add_middleware(self, pipeline: Any) -> None:
        super()._add_middleware(pipeline)
        if (process := getattr(pipeline, "process_item", None)) is not None:
            for_records = getattr(pipeline, "for_records", False)
            self._steps.append(Step(process, for_records, iscoroutinefunction(process)))

    async def process_item_async(self, item: Any) -> Any:
        """Pass an item down: a record through all pipelines, any other through the user's."""
        is_record = isinstance(item, Item)
        for step in self._steps:
            if not step.for_records:
                item = await self._pass_to_user(step, item)
            elif is_record:
                item = await step.process(item) if step.is_async else step.process(item)
        return item

    async def process_part(self, record: Item) -> None:
        """Pass a record of an ordinary item down the pipelines that know records."""
        for step in self._steps:
            if step.for_records:
                record = await step.process(record) if step.is_async else step.process(record)

    async def _pass_to_user(self, step: Step, item: Any) -> Any:
        wants_spider = step.process in self._mw_methods_requiring_spider
        arguments = (item, self._spider) if wants_spider else (item,)
        return await ensure_awaitable(step.process(*arguments))

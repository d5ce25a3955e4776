"""What the pipelines that have to do with the run share."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from imgcrawl.crawl.lifecycle import require_dataset, run_of
from imgcrawl.records.items import Stored
from imgcrawl.records.volume import MOSTLY_ABSENT

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.records.items import Item


class RunPipeline:
    """Meets the run when the spider is opened."""

    for_records: ClassVar[bool] = True  # no other items come here

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        require_dataset(crawler)
        return cls(crawler)

    def open_spider(self) -> None:
        """Take the run, which is open by now."""
        self._run = run_of(self._crawler)


class VolumePipeline(RunPipeline):
    """Stores volumes; a stored one of which most is absent is counted, however old its row is."""

    def _count_absent(self, item: Item) -> None:
        is_absent = isinstance(item.result, Stored) and MOSTLY_ABSENT in item.metadata
        if is_absent and not self._crawler.settings.getbool("ALLOW_EMPTY_VOLUMES"):
            self._run.counts.mostly_absent += 1

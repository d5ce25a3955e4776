"""What the pipelines that have to do with the run share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from imgcrawl.crawl.lifecycle import require_dataset, run_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class RunPipeline:
    """Meets the run when the spider is opened."""

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

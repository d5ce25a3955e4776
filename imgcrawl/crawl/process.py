"""Runs crawls in this process, and knows how each of them ended."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.crawler import AsyncCrawlerProcess

from imgcrawl.crawl.lifecycle import RunLifecycle, crawl_ended
from imgcrawl.crawl.ordinary_spiders import prepare
from imgcrawl.crawl.renamed_settings import rename_settings
from imgcrawl.crawl.summary import format_summary
from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.exit_status import ExitStatus, describe_status

if TYPE_CHECKING:
    import asyncio

    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.settings import Settings

logger = logging.getLogger(__name__)

# What these say at the start of a crawl is for those who debug it.
_CHATTY = (
    "scrapy.crawler",
    "scrapy.middleware",
    "scrapy.utils.log",
    "scrapy.core.engine",
    "scrapy.addons",
)


class CrawlProcess(AsyncCrawlerProcess):
    """Scrapy's process, with exit statuses and a stop that keeps what is in flight."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._signal: int | None = None
        self.out: str | None = None  # the folder of a crawl that left a dataset there
        if settings["LOG_LEVEL"] != "DEBUG":
            for name in _CHATTY:
                logging.getLogger(name).setLevel(logging.WARNING)

    def create_crawler(self, crawler_or_spidercls: type[Spider] | str | Crawler) -> Crawler:
        """Return a new crawler, with what its spider and the user set by old names."""
        crawler = super().create_crawler(crawler_or_spidercls)
        rename_settings(crawler.settings)
        return crawler

    def run(self, spider: str, arguments: dict[str, Any]) -> tuple[int, BaseException | None]:
        """Crawl to the end. Return the exit status, and the error if the crawl did not start."""
        crawler = self.create_crawler(spider)
        try:
            arguments = prepare(crawler, arguments)
        except ArgumentError as error:
            return ExitStatus.USAGE, error
        task: asyncio.Task[None] = self.crawl(crawler, **arguments)
        self.start()
        failed = task.exception() if task.done() and not task.cancelled() else None
        lifecycle = _lifecycle(crawler)
        crawler.signals.send_catch_log(crawl_ended)
        if isinstance(failed, ArgumentError):
            return ExitStatus.USAGE, failed
        if lifecycle is None and self._signal is not None:
            return 128 + self._signal, None  # stopped before there was anything to stop
        if failed is not None or lifecycle is None:
            return ExitStatus.FAILED, failed
        if lifecycle.summary is not None:
            out = crawler.settings["OUT_STORE"]
            where = out or str(Path(crawler.settings["OUT"]).absolute())
            self.out = None if out else crawler.settings["OUT"]
            _say(f"\n{format_summary(lifecycle.summary, out or crawler.settings['OUT'])}\n")
            if crawler.settings["LOG_FILE"]:  # a job's: standard output is not kept with it
                logger.info("%s", format_summary(lifecycle.summary, where))
        status = lifecycle.exit_status
        if status == ExitStatus.FAILED and lifecycle.summary is None and self._signal is not None:
            # Told twice, or before it had begun, it broke off.
            status = 128 + self._signal
            lifecycle.break_off(status)
            _say("\nStopped at once. The same command goes on from here.\n")
        logger.info(
            "%s ended with exit status %s: %s", spider, int(status), _how_it_ended(crawler, status)
        )
        return status, None

    def _signal_shutdown(self, signum: int, frame: Any) -> None:
        self._signal = signum
        for crawler in self.crawlers:
            if lifecycle := _lifecycle(crawler):
                lifecycle.interrupt_soon(signum)
        super()._signal_shutdown(signum, frame)


def _how_it_ended(crawler: Crawler, status: int) -> str:
    """Return what an exit status means; after a dry run nothing is stored."""
    if status == ExitStatus.COMPLETE:
        if crawler.settings.getbool("DRY_RUN"):
            return "a dry run, nothing stored"
        lifecycle = _lifecycle(crawler)
        if lifecycle and lifecycle.summary and not lifecycle.summary["records"]["stored"]:
            return "no record, nothing stored"
    return describe_status(status)


def _say(text: str) -> None:
    """Write to standard output at once: before the last line of a log in the same file."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _lifecycle(crawler: Crawler) -> RunLifecycle | None:
    try:
        return crawler.get_extension(RunLifecycle)
    except RuntimeError:  # the crawl did not come so far as to have extensions
        return None

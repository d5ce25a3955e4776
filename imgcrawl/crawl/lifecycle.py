"""Opens the run with its crawler, and brings it to its end."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import NotConfigured

from imgcrawl.crawl.ordinary_spiders import place
from imgcrawl.crawl.run import Run
from imgcrawl.crawl.run_history import RunHistory
from imgcrawl.crawl.summary import as_stats, exit_status_of, summarize, write_summary
from imgcrawl.dataset.parquet_parts import write_parts
from imgcrawl.records.errors import StoreError
from imgcrawl.records.exit_status import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from scrapy import Spider
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

# Sent once a crawl's process has ended, however: spider_closed is not sent where it broke off.
crawl_ended = object()


def require_dataset(crawler: Crawler) -> None:
    """Raise NotConfigured where no dataset is crawled: by ``scrapy shell``, ``scrapy fetch``.

    What has to do with a run calls this in its `from_crawler`.
    """
    if crawler.settings["OUT"] is None:
        raise NotConfigured


def run_of(crawler: Crawler) -> Run:
    """Return the run of a crawler; there is one as soon as its extensions are made."""
    lifecycle = crawler.get_extension(RunLifecycle)
    assert lifecycle is not None, "EXTENSIONS lacks imgcrawl.crawl.lifecycle.RunLifecycle"
    return lifecycle.run


def _share(settings: BaseSettings) -> int:
    """Return the bytes that this OUT may take: of shards each has its part."""
    shard = settings["SHARD"]
    return settings.getint("MAX_TOTAL_BYTES") // (int(shard[1]) if shard else 1)


class RunLifecycle:
    """Holds the `Run` of a crawl, and the exit status that it came to."""

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        # A dry run works in a folder that it makes itself, and that folder alone it removes.
        self._scratch: str | None = None
        if settings.getbool("DRY_RUN"):
            self._scratch = tempfile.mkdtemp(prefix="imgcrawl-dry-run-")
            settings.set("OUT", self._scratch, priority="cmdline")
            settings.set("OUT_STORE", None, priority="cmdline")
        elsewhere = settings["IMAGES_STORE"] or settings["FILES_STORE"]
        remote = settings if settings["OUT_STORE"] else None
        durable = settings.getbool("SYNC_TO_DISK")
        self.run = Run(
            Path(settings["OUT"]),
            local=not elsewhere,
            remote=remote,
            durable=durable,
            max_total=_share(settings),
        )
        self.history = RunHistory(self.run, crawler.spidercls.name)
        self.exit_status: int = ExitStatus.FAILED
        self.signal: int | None = None
        self.summary: dict[str, Any] | None = None
        self._crawler = crawler
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks."""
        place(crawler)
        require_dataset(crawler)
        return cls(crawler)

    def interrupt_soon(self, signum: int) -> None:
        """Call `interrupt` from a signal handler, where little may be done."""
        asyncio.get_event_loop().call_soon_threadsafe(self.interrupt, signum)

    def interrupt(self, signum: int) -> None:
        """Stop for SIGINT or SIGTERM: finish what is in flight, start nothing new."""
        self.signal = signum
        self.run.counts.phase = "stopping: finishing what is under way"
        self.run.stop()

    def break_off(self, exit_status: int) -> None:
        """Note what a run came to that was not closed: stopped at once, or before it had begun."""
        self.exit_status = exit_status
        self._write(lambda: self.history.break_off(exit_status))

    def _opened(self) -> None:
        # Requests that wait for their turn would hold up a stop for minutes.
        interrupt = getattr(self._crawler.engine.downloader, "interrupt", None)
        if interrupt is not None:
            self.run.on_stop(interrupt)

    def _not_put(self, error: str) -> None:
        """Fail the run because the object store did not take the last files."""
        run, kept = self.run, "What is not there yet is kept on this machine"
        run.error = run.error or f"{error} {kept} ({run.out.root}); the same command goes on."
        if self.exit_status in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING}:
            self.exit_status = ExitStatus.FAILED
        if self.summary is not None:
            self.summary |= {"error": run.error, "exit_status": self.exit_status}
        self.history.amend(self.exit_status)

    def _tables(self) -> None:
        self.run.out.sweep()  # what is half-done may be what fills the disk
        self.run.records.note_quotas()
        self.run.images.close()
        self.run.recorder.close()
        if self.run.uploader is None:
            write_parts(self.run.out, self.run.ledger)

    def _write(self, write: Callable[[], None]) -> bool:
        """Write something at the end of the run. Return False if the disk does not take it."""
        try:
            write()
        except (OSError, sqlite3.Error) as error:
            logger.debug("Not written", exc_info=True)
            self.run.cannot_write(error)
            if self.exit_status in {ExitStatus.COMPLETE, ExitStatus.SOME_MISSING}:
                self.exit_status = ExitStatus.FAILED
            if self.summary is not None:
                self.summary |= {"error": self.run.error, "exit_status": self.exit_status}
            return False
        return True

    def _sum_up(self, reason: str) -> None:
        self.exit_status = exit_status_of(self.run, reason, self.signal)
        self.summary = summarize(self.run, self._crawler, reason, self.exit_status)
        for name, value in as_stats(self.summary).items():
            self._crawler.stats.set_value(name, value)

    def _closed(self, spider: Spider, reason: str) -> None:
        run = self.run
        run.counts.phase = "writing the tables"
        whole = self._write(self._tables)
        whole &= self._write(lambda: self._sum_up(reason))
        summary = self.summary
        if summary is None:
            self.exit_status = ExitStatus.FAILED
            logger.error("%s", run.error)
        elif not run.refused:  # that of the run before tells more
            whole &= self._write(lambda: write_summary(run, summary))
        whole &= self._write(lambda: self.history.end(self.summary, self.exit_status))
        try:
            self._write(lambda: run.close(whole=whole))
        except StoreError as error:
            self._not_put(str(error))
        if self._scratch is not None:
            self.summary = None
            shutil.rmtree(self._scratch, ignore_errors=True)

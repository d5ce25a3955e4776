"""Say so when one process is the limit of a large crawl, and what to type."""

from __future__ import annotations

import logging
import shlex
from time import monotonic, thread_time
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured

from imgcrawl.pictures.cores import usable_cores
from imgcrawl.progress.periodic import PeriodicExtension
from imgcrawl.text.redact import without_secrets

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

WORTH_IT = 100_000  # records; fewer are there before another start has paid
BUSY = 0.9  # of a core, for a whole minute


class OneProcessLimit(PeriodicExtension):
    """Looks each minute how much of its core the crawl's loop takes, and says once if it is all.

    Pictures are decoded in threads on the other cores. What is left is one thread: requests,
    answers, checks of headers, rows. Only further processes can share that.
    """

    every = 60.0
    at_once = False

    def __init__(self, crawler: Crawler) -> None:
        if crawler.settings["PROGRESS_FD"] is not None or usable_cores() < 2:
            raise NotConfigured  # one of several crawls, or of no use
        super().__init__(crawler)

    def opened(self) -> None:
        """Begin to look."""
        self._before = monotonic(), thread_time()
        super().opened()

    def look(self) -> None:
        """Say what the limit is, if it is one process and the crawl is a large one."""
        (wall, cpu), self._before = self._before, (monotonic(), thread_time())
        busy = (self._before[1] - cpu) / (self._before[0] - wall)
        counts = self._run.counts
        if busy < BUSY or (counts.expected_now or counts.done) < WORTH_IT:
            return
        logger.warning(
            "One process is the limit: it takes %.0f%% of its core, %s records are done. In "
            "another OUT, the %d cores of this machine share the rest: %s",
            *(100 * busy, f"{counts.done:,}", usable_cores(), self._command()),
        )
        self._loop.stop()

    def _command(self) -> str:
        """Return the command that crawls the same in shards, but for its OUT."""
        spider = self._crawler.spider
        assert spider is not None
        given = getattr(spider, "arguments_given", {})
        words = ["scrapy", "shards", spider.name]
        for name, value in given.items():
            if name != "out":
                words += ["-a", f"{name}={without_secrets(str(value))}"]
        return f"{shlex.join(words)} -a out=DIR"

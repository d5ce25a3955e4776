"""Progress of one crawl in a file, for who shows it elsewhere: a page, a script."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.exceptions import NotConfigured

from imgcrawl.crawl.lifecycle import RunLifecycle
from imgcrawl.progress.periodic import PeriodicExtension
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)


class ProgressFile(PeriodicExtension):
    """Replaces PROGRESS_FILE as a whole every two seconds, and once more at the end.

    A JSON object: ``done``, ``missing``, ``expected`` (records), ``bytes``, ``activity``,
    ``spider``, ``out``, ``process``, ``started_at``, ``updated_at``, and at the end
    ``exit_status``, ``error``.
    """

    every = 2.0

    def __init__(self, crawler: Crawler) -> None:
        if not crawler.settings["PROGRESS_FILE"]:
            raise NotConfigured
        super().__init__(crawler)
        settings = crawler.settings
        self._path: Path | None = Path(settings["PROGRESS_FILE"])
        self._fixed = {
            "spider": crawler.spidercls.name,
            "out": str(settings["OUT_STORE"] or Path(settings["OUT"]).absolute()),
            "process": os.getpid(),
        }

    def look(self) -> None:
        """Write how far the run is."""
        self._write({})

    def closed(self) -> None:
        """Write how it ended."""
        super().closed()
        lifecycle = self._crawler.get_extension(RunLifecycle)
        status = None if lifecycle is None else int(lifecycle.exit_status)
        self._write({"exit_status": status, "error": self._run.error or self._run.halted})

    def _write(self, more: dict[str, Any]) -> None:
        if self._path is None:
            return
        times = {"started_at": self._run.records.started_at, "updated_at": utc_now()}
        text = json.dumps({**self._fixed, **times, **self.progress(), **more})
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, "utf-8")
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("%s cannot be written (%s): no more progress there", self._path, error)
            self._path = None

"""The metrics of a run, where asked for: a file in METRICS_DIR, and a port on loopback."""

from __future__ import annotations

import asyncio
import logging
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.exceptions import NotConfigured

from imgcrawl.crawl.lifecycle import RunLifecycle, crawl_ended
from imgcrawl.progress.openmetrics import CONTENT_TYPE, Gauges, write_prom
from imgcrawl.progress.periodic import PeriodicExtension
from imgcrawl.records.outcomes import MISSING
from imgcrawl.text.times import timestamp

if TYPE_CHECKING:
    from aiohttp.web import Request, Response
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

_HERE = "127.0.0.1"


class MetricsExtension(PeriodicExtension):
    """Writes how far the run is every five seconds, and once more how it ended.

    A file or a port that cannot be had is said, and holds up nothing.
    """

    every = 5.0

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        folder, self._port = settings["METRICS_DIR"], settings.getint("METRICS_PORT")
        if not folder and not self._port:
            raise NotConfigured
        super().__init__(crawler)
        self._out = str(settings["OUT_STORE"] or Path(settings["OUT"]).absolute())
        name = f"imgcrawl-{sha256(self._out.encode('utf-8', 'replace')).hexdigest()[:12]}.prom"
        self._file = Path(folder).expanduser() / name if folder else None
        self._ended = False
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None
        crawler.signals.connect(self._end, signal=crawl_ended)

    def opened(self) -> None:
        """Begin to write, and to answer."""
        super().opened()
        if self._port:
            self._serving = asyncio.get_event_loop().create_task(self._serve())

    def look(self) -> None:
        """Write the file, if there is to be one."""
        if self._file is None:
            return
        try:
            write_prom(self._file, self.text())
        except OSError as error:
            logger.warning("%s cannot be written (%s): no more metrics", self._file, error)
            self._file = None

    def closed(self) -> None:
        """Write how the run ended."""
        super().closed()
        self._ended = True
        self.look()
        if self._server is not None:
            asyncio.get_event_loop().create_task(self._server.cleanup())

    def text(self) -> str:
        """Return the figures as OpenMetrics has them."""
        run, gauges = self._run, Gauges()
        counts = run.counts
        labels = {"dataset": self._out, "spider": self._crawler.spidercls.name}
        began = timestamp(run.records.started_at)
        gauges.add("imgcrawl_run_start_time_seconds", began, labels)
        gauges.add("imgcrawl_run_update_time_seconds", round(time.time(), 3), labels)
        gauges.add("imgcrawl_run_running", int(not self._ended), labels)
        if self._ended and (lifecycle := self._crawler.get_extension(RunLifecycle)):
            gauges.add("imgcrawl_run_exit_status", int(lifecycle.exit_status), labels)
        gauges.add("imgcrawl_run_stored_records", counts.stored, labels)
        for reason in MISSING:
            if n := counts.outcomes[reason]:
                gauges.add("imgcrawl_run_missing_records", n, {**labels, "reason": str(reason)})
        gauges.add("imgcrawl_run_unchanged_records", counts.unchanged, labels)
        gauges.add("imgcrawl_run_expected_records", counts.expected_now, labels)
        gauges.add("imgcrawl_run_stored_bytes", counts.bytes, labels)
        return gauges.text()

    def _end(self) -> None:
        if not self._ended and hasattr(self, "_run"):  # it broke off
            self._ended = True
            self.look()

    async def _serve(self) -> None:
        from aiohttp import web  # noqa: PLC0415 - few ask for it

        application = web.Application()
        application.router.add_get("/metrics", self._answer)
        self._server = web.AppRunner(application, access_log=None)
        await self._server.setup()
        try:
            await web.TCPSite(self._server, _HERE, self._port).start()
        except OSError as error:
            logger.warning(
                "METRICS_PORT=%d cannot be had (%s): no metrics there", self._port, error
            )

    async def _answer(self, request: Request) -> Response:
        from aiohttp import web  # noqa: PLC0415 - as above

        # A page of the web may have a name of its own for this address.
        if request.host.partition(":")[0] not in {_HERE, "localhost"}:
            return web.Response(status=403, text="by 127.0.0.1 or localhost only\n")
        return web.Response(body=self.text().encode(), headers={"Content-Type": CONTENT_TYPE})

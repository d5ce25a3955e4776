"""One run of a shared crawl: which shards are to do, the cluster for them, and the result."""

from __future__ import annotations

import logging
import signal
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.crawl.summary import format_summary
from imgcrawl.pictures.cores import usable_cores
from imgcrawl.progress.display import open_display
from imgcrawl.shards.cluster import connected, dashboard, threads
from imgcrawl.shards.driver import ShardDriver, ShardResults
from imgcrawl.shards.hosts import HostExchange
from imgcrawl.shards.place import ShardPlace, place_at
from imgcrawl.shards.plan import ShardPlan, done, make_plan
from imgcrawl.shards.result import exit_status, write_result
from imgcrawl.shards.task import ShardTask

if TYPE_CHECKING:
    from scrapy.settings import Settings

    from imgcrawl.shards.plan import ShardRequest

logger = logging.getLogger("shards")

SHARDS_A_WORKER = 4
_LOOKS = 16  # markers that are read at once


@dataclass(frozen=True, slots=True)
class _Run:
    request: ShardRequest
    plan: ShardPlan
    place: ShardPlace
    fingerprint: str
    name: str = field(default_factory=lambda: f"imgcrawl-{uuid.uuid4().hex[:8]}")
    started: float = field(default_factory=time.time)  # seconds since the epoch

    def task(self, k: int, at_once: int, machines: int) -> ShardTask:
        """Return the task of shard k, of which `at_once` run at a time on so many machines."""
        request, plan = self.request, self.plan
        folder = f"{request.out}/shard={k}"
        return ShardTask(
            self.name,
            k,
            plan.spider,
            {**request.arguments, "out": folder, "shard": f"{k}/{plan.n}"},
            request.settings
            | {"SHARD_BY": plan.cut, "SHARD_WORKERS": at_once, "SHARD_MACHINES": machines},
            request.out,
            directory=str(Path.cwd()),
            fingerprint=self.fingerprint,
        )


def run_shards(request: ShardRequest, settings: Settings) -> int:
    """Crawl all shards that are not done, and merge their tables; return the exit status.

    settings: of this process, for its own log
    Raise ArgumentError if OUT was cut otherwise, and ClusterError if the cluster cannot be used.
    """
    stopped = _StopSignals()
    workers = request.workers or usable_cores()
    default = ShardPlan(
        request.spider, request.arguments, SHARDS_A_WORKER * workers, request.default_cut
    )
    place = place_at(request.out, settings)
    plan = make_plan(place, default, n=request.n, cut=request.cut)
    plan.save(place)
    run = _Run(request, plan, place, plan.fingerprint())
    results = _results_so_far(run)
    todo = [k for k in range(1, plan.n + 1) if k not in results.summaries]
    n_done = plan.n - len(todo)
    sys.stderr.write(f"{plan.n} shards, cut by {plan.cut}; {n_done} are done already.\n")
    if todo:
        with connected(request.scheduler, min(workers, len(todo))) as client:
            if link := dashboard(client):
                sys.stderr.write(f"Dask's dashboard: {link}\n")
            at_once = min(request.workers or threads(client), len(todo))
            hosts = HostExchange(client, request.settings)
            tasks = (run.task(k, at_once, hosts.machines) for k in todo)
            display = open_display(settings, logger)
            try:
                driver = ShardDriver(
                    client, tasks, results, display, run=run.name, n=plan.n, at_once=at_once
                )
                driver.meanwhile = hosts.exchange
                driver.follow(lambda: stopped.signum is not None)
            finally:
                display.close()
    results.ran = set(todo)
    return _finish(run, results, stopped.signum)


def _results_so_far(run: _Run) -> ShardResults:
    """Return the results of the shards that need no run."""
    place, retry = run.place, run.request.arguments.get("retry")

    def look(k: int) -> tuple[int, dict[str, Any] | None]:
        if run.request.again:
            place.remove(place.marker(k))
            return k, None
        return k, done(place, k, run.fingerprint, run.name, retry)

    with ThreadPoolExecutor(_LOOKS) as threads:
        found = threads.map(look, range(1, run.plan.n + 1))
        return ShardResults({k: figures for k, figures in found if figures is not None})


def _finish(run: _Run, results: ShardResults, signum: int | None) -> int:
    """Merge what the shards left, print the summary and return the exit status."""
    status = exit_status(run.plan, results, signum)
    summary = write_result(run.plan, run.place, results, status, run.started)
    sys.stdout.write(f"\n{format_summary(summary, str(run.place))}\n")
    for k, error in sorted(results.errors.items()):
        sys.stderr.write(f"shard {k}/{run.plan.n} failed: {error}\n")
    return status


class _StopSignals:
    """SIGINT or SIGTERM once: an end in good order. Twice: at once."""

    def __init__(self) -> None:
        self.signum: int | None = None
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._arrived)

    def _arrived(self, signum: int, frame: Any) -> None:
        if self.signum is not None:
            raise SystemExit(128 + signum)  # the workers go with us, and their crawls with them
        self.signum = signum

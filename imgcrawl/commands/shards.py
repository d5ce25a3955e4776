"""``scrapy shards SPIDER``: a dataset in shards, on the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.commands import BaseRunSpiderCommand
from scrapy.exceptions import UsageError
from scrapy.settings import SETTINGS_PRIORITIES

from imgcrawl.arguments import parse_arguments, reads_stdin
from imgcrawl.crawl.spider_loader import spider_class
from imgcrawl.crawl.summary import format_summary
from imgcrawl.records.errors import ArgumentError, ImgcrawlError
from imgcrawl.records.exit_status import ExitStatus

if TYPE_CHECKING:
    import argparse

    from imgcrawl.shards.driver import FollowedShard
    from imgcrawl.shards.plan import ShardPlan
    from imgcrawl.shards.task import ShardTask

_MOST = 500  # shards; each is an open file when they are merged


class Command(BaseRunSpiderCommand):
    """Cuts a dataset, has each shard crawled by a worker, and merges what they leave."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """How to type it."""
        return "[options] SPIDER [-a NAME=VALUE ...]"

    def short_desc(self) -> str:
        """What ``scrapy`` prints beside it."""
        return "Download a dataset in shards, on several processes or a Dask cluster"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """What it takes beside what ``crawl`` does."""
        super().add_options(parser)
        parser.add_argument("-n", type=int, metavar="N", help="shards (default 4 a worker)")
        parser.add_argument("--scheduler", help="of a Dask cluster, such as tcp://10.0.0.1:8786")
        parser.add_argument(
            "--workers", type=int, help="shards at once (default: cores, or the cluster's threads)"
        )
        parser.add_argument(
            "--cut",
            choices=["record", "host"],
            help="by record, at rates divided by the workers, or by host of the first URL, at "
            "whole rates (default for lists of URLs)",
        )
        parser.add_argument("--again", action="store_true", help="look at done shards again")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run all shards; exit status as of ``scrapy crawl``."""
        if len(args) != 1:
            raise UsageError("scrapy shards takes one spider. `scrapy spiders` lists them.")
        try:
            self.exitcode = self._run(args[0], opts)
        except ArgumentError as error:
            sys.stderr.write(f"scrapy shards: {error}\n")
            self.exitcode = ExitStatus.USAGE
        except ImgcrawlError as error:
            sys.stderr.write(f"scrapy shards: {error}\n")
            self.exitcode = ExitStatus.FAILED

    def _run(self, name: str, opts: argparse.Namespace) -> int:
        out, default_cut = self._checked(name, opts)
        from imgcrawl.shards.cluster import connected, dashboard, threads  # noqa: PLC0415 - takes a second
        from imgcrawl.shards.driver import FollowedShard, ShardDriver  # noqa: PLC0415
        from imgcrawl.shards.plan import DONE, ShardPlan, done, make_plan  # noqa: PLC0415

        stopped = _Signals()
        workers = opts.workers or os.cpu_count() or 1
        default = ShardPlan(name, opts.spargs, 4 * workers, default_cut)
        plan = make_plan(out, default, n=opts.n, cut=opts.cut)
        plan.save(out)
        run = _Run(out, plan.fingerprint())
        followed, todo = FollowedShard(plan.n), []
        for k in range(1, plan.n + 1):
            folder = plan.folder(out, k)
            if opts.again:
                (folder / DONE).unlink(missing_ok=True)
            found = done(folder, run.fingerprint, run.name, opts.spargs.get("retry"))
            if found is None:
                todo.append(k)
            else:
                followed.summaries[k] = found
        n_done = plan.n - len(todo)
        sys.stderr.write(f"{plan.n} shards, cut by {plan.cut}; {n_done} are done already.\n")
        if todo:
            with connected(opts.scheduler, min(workers, len(todo))) as client:
                if link := dashboard(client):
                    sys.stderr.write(f"Dask's dashboard: {link}\n")
                at_once = min(opts.workers or threads(client), len(todo))
                tasks = [self._task(plan, k, run, at_once, opts.spargs) for k in todo]
                driver = ShardDriver(client, tasks, at_once, followed)
                driver.follow(lambda: stopped.signum is not None)
        followed.ran = set(todo)
        return self._finish(plan, run, followed, stopped.signum)

    def _checked(self, name: str, opts: argparse.Namespace) -> tuple[Path, str]:
        """(OUT, how to cut by default). Raises ArgumentError before anything is started."""
        assert self.settings is not None
        spider = spider_class(self.settings, name)
        given = opts.spargs
        for argument in ("shard", "dry_run"):
            if argument in given:
                raise ArgumentError(f"{argument}={given[argument]}: not with shards.")
        if reads_stdin(spider, given):
            raise ArgumentError("standard input cannot be read by several: write it to a file.")
        if "://" in str(given.get("out")) or any(
            self.settings[store] for store in ("IMAGES_STORE", "FILES_STORE")
        ):
            raise ArgumentError("shards need a folder that all workers share, not an object store.")
        for option in ("n", "workers"):
            value = getattr(opts, option)
            if value is not None and not 1 <= value <= _MOST:
                raise ArgumentError(f"{option} {value}: type a number from 1 to {_MOST}.")
        parse_arguments(spider, given)
        out = Path(given.get("out") or self.settings["OUT"] or f"data/{name}")
        return out.expanduser().absolute(), getattr(spider, "shard_by", "record")

    def _task(
        self, plan: ShardPlan, k: int, run: _Run, at_once: int, given: dict[str, str]
    ) -> ShardTask:
        from imgcrawl.shards.task import ShardTask  # noqa: PLC0415

        folder = str(plan.folder(run.out, k))
        return ShardTask(
            run.name,
            k,
            plan.spider,
            {**given, "out": folder, "shard": f"{k}/{plan.n}"},
            self._given_settings() | {"SHARD_BY": plan.cut, "SHARD_WORKERS": at_once},
            folder,
            log=str(run.out / "logs" / f"shard={k}.log"),
            directory=str(Path.cwd()),
            fingerprint=run.fingerprint,
        )

    def _given_settings(self) -> dict[str, Any]:
        """What was typed with -s; a file for the log would be written to by all."""
        assert self.settings is not None
        typed = SETTINGS_PRIORITIES["cmdline"]
        names = [name for name in self.settings if self.settings.getpriority(name) == typed]
        plain = (str, int, float, bool)
        return {
            name: self.settings[name]
            for name in names
            if name != "LOG_FILE" and isinstance(self.settings[name], plain)
        }

    @staticmethod
    def _finish(plan: ShardPlan, run: _Run, followed: FollowedShard, signum: int | None) -> int:
        from imgcrawl.shards.result import exit_status, write_result  # noqa: PLC0415

        status = exit_status(plan, followed, signum)
        summary = write_result(plan, run.out, followed, status, run.started)
        sys.stdout.write(f"\n{format_summary(summary, str(run.out))}\n")
        for k, error in sorted(followed.errors.items()):
            sys.stderr.write(f"shard {k}/{plan.n} failed: {error}\n")
        return status


@dataclass(slots=True)
class _Run:
    out: Path
    fingerprint: str
    name: str = field(default_factory=lambda: f"imgcrawl-{uuid.uuid4().hex[:8]}")
    started: float = field(default_factory=time.time)  # seconds since the epoch


class _Signals:
    """SIGINT or SIGTERM once: an end in good order. Twice: at once."""

    def __init__(self) -> None:
        self.signum: int | None = None
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._arrived)

    def _arrived(self, signum: int, frame: Any) -> None:
        if self.signum is not None:
            raise SystemExit(128 + signum)  # the workers go with us, and their crawls with them
        self.signum = signum

"""``scrapy crawlall PLAN``: many datasets at once, as a file lists them."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError
from scrapy.utils.conf import arglist_to_dict

from imgcrawl.crawl.spider_loader import spider_loader
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from imgcrawl.plans.file import CrawlPlan


class Command(ScrapyCommand):
    """Runs the crawls of a plan side by side, and brings their tables together."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "[options] PLAN"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "Download all the datasets that a plan (a TOML file) lists, side by side"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options: how many at once, and which."""
        super().add_options(parser)
        parser.add_argument("--jobs", type=int, metavar="N", help="crawls at once; before the plan")
        parser.add_argument("--only", metavar="A,B", help="only the crawls of these names")
        parser.add_argument(
            "--unfinished", action="store_true", help="not those that ended with status 0 before"
        )
        parser.add_argument("--list", action="store_true", help="show the plan; start nothing")

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run a plan to its end.

        Exit status 0: every promised record of all crawls is stored; 3: some are missing; 1: a
        crawl failed (the others have run); 2: the plan is wrong, and nothing was started;
        128 + N: stopped by signal N.
        """
        # Here, as every command is imported to list them.
        from imgcrawl.plans.file import read_plan  # noqa: PLC0415
        from imgcrawl.plans.runner import run_plan  # noqa: PLC0415

        if len(args) != 1:
            raise UsageError("scrapy crawlall takes one plan, such as examples/hhmi.toml")
        assert self.settings is not None
        try:
            plan = read_plan(Path(args[0]), spider_loader(self.settings))
            if opts.jobs is not None:
                if opts.jobs < 1:
                    raise ArgumentError(f"--jobs {opts.jobs}: type 1 or more")
                plan = replace(plan, jobs=opts.jobs)
            wanted = _choose(plan, opts.only, unfinished_only=opts.unfinished)
            if opts.list:
                sys.stdout.write(_format_plan(plan, wanted))
                return
            overrides = _overrides(opts)
            self.exitcode = asyncio.run(run_plan(plan, wanted, overrides, self.settings))
        except (ArgumentError, OutputError) as error:
            sys.stderr.write(f"scrapy crawlall: {error}\n")
            is_usage = isinstance(error, ArgumentError)
            self.exitcode = ExitStatus.USAGE if is_usage else ExitStatus.FAILED


def _overrides(opts: argparse.Namespace) -> dict[str, str]:
    """Return the settings for each crawl. Raise ArgumentError for one that cannot be."""
    from imgcrawl.plans.file import KEPT_SETTINGS  # noqa: PLC0415 - as above

    given = arglist_to_dict(opts.set)
    for name in sorted(given.keys() & {"OUT", "PROGRESS_FD"}):
        raise ArgumentError(f"-s {name}: each crawl has its own; write out = ... in the plan")
    if opts.loglevel:
        given["LOG_LEVEL"] = opts.loglevel
    # Where this process logs to; each crawl has a file of its own.
    return {name: value for name, value in given.items() if name not in KEPT_SETTINGS}


def _choose(plan: CrawlPlan, only: str | None, *, unfinished_only: bool) -> set[str]:
    """Return the names to run. Raise ArgumentError for a name that is not in the plan."""
    from imgcrawl.plans.result import unfinished  # noqa: PLC0415 - as above

    names = [crawl.name for crawl in plan.crawls]
    wanted = set(names)
    if only is not None:
        wanted = {word.strip() for word in only.split(",") if word.strip()}
        for name in sorted(wanted - set(names)):
            raise ArgumentError(
                f"--only {name}: {plan.path} has no such crawl{did_you_mean(name, names)} "
                f"It has: {', '.join(names)}"
            )
    return wanted & unfinished(plan) if unfinished_only else wanted


def _format_plan(plan: CrawlPlan, wanted: Iterable[str]) -> str:
    """Return a plan as text for people: what would run, and where it would go."""
    lines = [f"{plan.path}: {plan.jobs} at once, all of it into {plan.out}"]
    for crawl in plan.crawls:
        note = "" if crawl.name in wanted else "  (left out)"
        group = f"  (one at a time of group {crawl.group})" if crawl.group != crawl.spider else ""
        typed = [f"-a {name}={value}" for name, value in crawl.arguments.items()]
        typed += [f"-s {name}={value}" for name, value in crawl.settings.items()]
        lines += ["", f"{crawl.name}{note}{group}", f"  {crawl.spider} {' '.join(typed)}".rstrip()]
        lines.append(f"  into {crawl.out}")
    return "\n".join(lines) + "\n"

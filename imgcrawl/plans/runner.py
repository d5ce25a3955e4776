"""Runs the crawls of a plan side by side, and stops them together."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from imgcrawl.plans.child import CrawlChild
from imgcrawl.plans.display import LogLines, PlanDisplay
from imgcrawl.plans.result import consolidate, in_words, open_target, write_summary
from imgcrawl.plans.state import CrawlPhase, CrawlState
from imgcrawl.progress.terminal import is_watched
from imgcrawl.records.errors import OutputError
from imgcrawl.storage.directory import LOG
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.settings import Settings

    from imgcrawl.plans.file import CrawlPlan


class Runner:
    """The crawls of a plan: at most `jobs` at once, and one at a time of a group.

    A crawl that fails stops no other. `signum` is the first signal that came, if any.
    """

    def __init__(
        self,
        plan: CrawlPlan,
        wanted: set[str],
        overrides: dict[str, str],
        display: PlanDisplay,
        note: Callable[[list[CrawlState]], object],
    ) -> None:
        """`wanted`: names of the crawls to run; `overrides`: settings before the plan's.

        `note` is called with all standings whenever a crawl begins or ends.
        """
        self.standings = [
            CrawlState(crawl, CrawlPhase.WAITING if crawl.name in wanted else CrawlPhase.LEFT_OUT)
            for crawl in plan.crawls
        ]
        self.signum: int | None = None
        self._overrides = overrides
        self._display = display
        self._note = note
        self._slots = asyncio.Semaphore(plan.jobs)
        self._groups: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: list[CrawlChild] = []
        self._signals = 0

    async def run(self) -> None:
        """Run until each crawl has ended, or was not begun because of a signal."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self._stop, signum)
        drawing = asyncio.create_task(self._draw())
        try:
            async with asyncio.TaskGroup() as tasks:
                for standing in self.standings:
                    if standing.state is CrawlPhase.WAITING:
                        tasks.create_task(self._one(standing))
        finally:
            drawing.cancel()

    async def _one(self, standing: CrawlState) -> None:
        async with self._groups[standing.crawl.group], self._slots:
            if self.signum is not None:
                return
            child = CrawlChild(standing.crawl, self._overrides)
            self._running.append(child)
            began = time.monotonic()
            standing.state = CrawlPhase.RUNNING
            self._changed(standing)
            try:
                await self._to_its_end(standing, child)
            finally:
                self._running.remove(child)
                standing.seconds = round(time.monotonic() - began, 3)
            self._changed(standing)

    def _changed(self, standing: CrawlState) -> None:
        self._display.changed(standing)
        self._note(self.standings)

    async def _to_its_end(self, standing: CrawlState, child: CrawlChild) -> None:
        def hear(told: dict[str, Any]) -> None:
            if "says" in told:
                level = logging.getLevelNamesMapping().get(told["level"], logging.WARNING)
                self._display.say(level, standing.crawl.name, told["says"])
            else:
                standing.hear(told)

        try:
            code = await child.run(hear)
        except OSError as error:
            standing.state = CrawlPhase.FAILED
            standing.error = f"it could not be started: {error}"
            return
        standing.end(code, stopping=self.signum is not None)
        if standing.state is CrawlPhase.FAILED:
            words = standing.error or await asyncio.to_thread(child.last_words)
            standing.error = words
            log = standing.crawl.out / LOG
            self._display.say(logging.ERROR, standing.crawl.name, f"{words} (see {log})")

    def _stop(self, signum: int) -> None:
        """Hand a signal on, so that crawls finish what is in flight; a second one: give up."""
        self._signals += 1
        if self.signum is None:
            self.signum = signum
            self._display.say(
                logging.WARNING, "", "stopping: each crawl finishes what is under way"
            )
        if self._signals <= 2:
            for child in self._running:
                child.signal(signum)

    async def _draw(self) -> None:
        while True:
            self._display.draw(self.standings)
            await asyncio.sleep(self._display.interval)


def display_for(settings: Settings) -> PlanDisplay:
    """The display that fits: a table for people at a terminal, else lines of the log."""
    if is_watched(settings):
        # rich costs memory and time to load, and unattended runs have no use for it.
        from imgcrawl.plans.live_table import LiveTable  # noqa: PLC0415

        return LiveTable()
    return LogLines(settings)


async def run_plan(
    plan: CrawlPlan, wanted: set[str], overrides: dict[str, str], settings: Settings
) -> int:
    """Run the crawls of a plan whose names are `wanted`; the exit status.

    `overrides`: settings of the command line; `settings`: of this process, for its own log.
    Raises ArgumentError or OutputError where the plan's OUT cannot be used.
    """
    target = open_target(plan)
    started_at = utc_now()
    display = display_for(settings)

    def note(standings: list[CrawlState]) -> None:
        try:
            write_summary(target, plan, standings, started_at=started_at)
        except OSError as error:  # the crawls have their own, and say so of their disks
            display.say(logging.WARNING, "", f"summary.json cannot be written: {error}")

    try:
        # Before the tables: it tells the next run whose they are.
        runner = Runner(plan, wanted, overrides, display, note)
        note(runner.standings)
        await runner.run()
        bring_together = partial(consolidate, started_at=started_at, signum=runner.signum)
        # In a thread, so that a signal that comes now is heard, and the tables are written.
        summary, left_out = await asyncio.to_thread(bring_together, target, plan, runner.standings)
        for words in left_out:
            display.say(logging.WARNING, "", words)
    except OSError as error:
        raise OutputError(f"the tables in {plan.out} cannot be written: {error}") from error
    finally:
        display.close()
        target.close()
    sys.stdout.write(f"\n{in_words(summary, plan.out)}\n")
    status: int = summary["exit_status"]
    return status

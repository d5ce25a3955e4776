"""Runs the crawls of a plan side by side, and stops them together."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from imgcrawl.plans.child import LOG, CrawlChild
from imgcrawl.plans.result import format_result, merge_results, open_target, write_summary
from imgcrawl.plans.state import CrawlState
from imgcrawl.progress.channel import MAX_TEXT
from imgcrawl.progress.display import open_display
from imgcrawl.progress.row import CrawlPhase, ProgressRow
from imgcrawl.records.errors import OutputError
from imgcrawl.text.redact import printable
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.settings import Settings

    from imgcrawl.plans.file import CrawlPlan
    from imgcrawl.progress.channel import Message
    from imgcrawl.progress.display import ProgressDisplay

logger = logging.getLogger("crawlall")


class PlanRunner:
    """The crawls of a plan: at most `jobs` at once, and one at a time of a group.

    A crawl that fails stops no other. `signum` is the first signal that came, if any.
    """

    def __init__(
        self,
        plan: CrawlPlan,
        wanted: set[str],
        overrides: dict[str, str],
        display: ProgressDisplay,
        save: Callable[[list[CrawlState]], object],
    ) -> None:
        """Take a plan, and the names of its crawls to run.

        overrides: settings of the command line, which take precedence over the plan's
        save: called with all states whenever a crawl begins or ends
        """
        self.states = [
            CrawlState(
                crawl,
                ProgressRow(
                    crawl.name,
                    CrawlPhase.WAITING if crawl.name in wanted else CrawlPhase.LEFT_OUT,
                    activity=f"its log is {crawl.out / LOG}",
                ),
            )
            for crawl in plan.crawls
        ]
        self.signum: int | None = None
        self._overrides = overrides
        self._display = display
        self._save = save
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
                for state in self.states:
                    if state.progress.phase == CrawlPhase.WAITING:
                        tasks.create_task(self._run_crawl(state))
        finally:
            drawing.cancel()

    async def _run_crawl(self, state: CrawlState) -> None:
        async with self._groups[state.crawl.group], self._slots:
            if self.signum is not None:
                return
            child = CrawlChild(state.crawl, self._overrides)
            self._running.append(child)
            began = time.monotonic()
            state.progress.phase = CrawlPhase.RUNNING
            self._changed(state)
            try:
                await self._run_child(state, child)
            finally:
                self._running.remove(child)
                state.seconds = round(time.monotonic() - began, 3)
            state.progress.activity = ""
            self._changed(state)

    def _changed(self, state: CrawlState) -> None:
        self._display.changed(state.progress)
        self._save(self.states)

    async def _run_child(self, state: CrawlState, child: CrawlChild) -> None:
        name, progress = state.crawl.name, state.progress

        def on_message(message: Message) -> None:
            if "text" in message:
                level = logging.getLevelNamesMapping().get(message["level"], logging.WARNING)
                logger.log(level, "%s: %s", name, printable(message["text"], MAX_TEXT))
            else:
                state.update(message)

        try:
            code = await child.run(on_message)
        except OSError as error:
            progress.phase = CrawlPhase.FAILED
            state.error = f"it could not be started: {error}"
            return
        state.end(code, stopping=self.signum is not None)
        if progress.phase == CrawlPhase.FAILED:
            if state.error is None:
                state.error = await asyncio.to_thread(child.last_log_line)
            logger.error(
                "%s: %s (see %s)", name, printable(state.error, MAX_TEXT), state.crawl.out / LOG
            )

    def _stop(self, signum: int) -> None:
        """Hand a signal on, so that crawls finish what is in flight; a second one: give up."""
        self._signals += 1
        if self.signum is None:
            self.signum = signum
            logger.warning("stopping: each crawl finishes what is under way")
        if self._signals <= 2:
            for child in self._running:
                child.signal(signum)

    async def _draw(self) -> None:
        rows = [state.progress for state in self.states]
        while True:
            self._display.show(rows)
            await asyncio.sleep(self._display.interval)


async def run_plan(
    plan: CrawlPlan, wanted: set[str], overrides: dict[str, str], settings: Settings
) -> int:
    """Run the crawls of a plan whose names are `wanted`; return the exit status.

    overrides: settings of the command line, for each crawl
    settings: of this process, for its own log
    Raise ArgumentError or OutputError if the plan's OUT cannot be used.
    """
    target = open_target(plan)
    started_at = utc_now()
    display = open_display(settings, logger)

    def save(states: list[CrawlState]) -> None:
        try:
            write_summary(target, plan, states, started_at=started_at)
        except OSError as error:  # the crawls have their own, and report their disks
            logger.warning("summary.json cannot be written: %s", error)

    try:
        # Before the tables: it tells the next run whose they are.
        runner = PlanRunner(plan, wanted, overrides, display, save)
        save(runner.states)
        await runner.run()
        merge = partial(merge_results, started_at=started_at, signum=runner.signum)
        # In a thread, so that a signal that comes now is handled, and the tables are written.
        summary, left_out = await asyncio.to_thread(merge, target, plan, runner.states)
        for sentence in left_out:
            logger.warning("%s", printable(sentence, MAX_TEXT))
    except OSError as error:
        raise OutputError(f"the tables in {plan.out} cannot be written: {error}") from error
    finally:
        display.close()
        target.close()
    sys.stdout.write(f"\n{format_result(summary, plan.out)}\n")
    status: int = summary["exit_status"]
    return status

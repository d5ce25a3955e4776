"""Runs the crawls of a plan side by side, and stops them together."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from imgcrawl.together.child import LOG, Child
from imgcrawl.together.standing import Standing, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.plans import Plan
    from imgcrawl.together.display import Display


class Runner:
    """The crawls of a plan: at most `jobs` at once, and one at a time of a group.

    A crawl that fails stops no other. `signum` is the first signal that came, if any.
    """

    def __init__(
        self,
        plan: Plan,
        wanted: set[str],
        overrides: dict[str, str],
        display: Display,
        note: Callable[[list[Standing]], object],
    ) -> None:
        """`wanted`: names of the crawls to run; `overrides`: settings before the plan's.

        `note` is called with all standings whenever a crawl begins or ends.
        """
        self.standings = [
            Standing(crawl, State.WAITING if crawl.name in wanted else State.LEFT_OUT)
            for crawl in plan.crawls
        ]
        self.signum: int | None = None
        self._overrides = overrides
        self._display = display
        self._note = note
        self._slots = asyncio.Semaphore(plan.jobs)
        self._groups: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: list[Child] = []
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
                    if standing.state is State.WAITING:
                        tasks.create_task(self._one(standing))
        finally:
            drawing.cancel()

    async def _one(self, standing: Standing) -> None:
        async with self._groups[standing.crawl.group], self._slots:
            if self.signum is not None:
                return
            child = Child(standing.crawl, self._overrides)
            self._running.append(child)
            began = time.monotonic()
            standing.state = State.RUNNING
            self._changed(standing)
            try:
                await self._to_its_end(standing, child)
            finally:
                self._running.remove(child)
                standing.seconds = round(time.monotonic() - began, 3)
            self._changed(standing)

    def _changed(self, standing: Standing) -> None:
        self._display.changed(standing)
        self._note(self.standings)

    async def _to_its_end(self, standing: Standing, child: Child) -> None:
        def hear(told: dict[str, Any]) -> None:
            if "says" in told:
                level = logging.getLevelNamesMapping().get(told["level"], logging.WARNING)
                self._display.say(level, standing.crawl.name, told["says"])
            else:
                standing.hear(told)

        try:
            code = await child.run(hear)
        except OSError as error:
            standing.state = State.FAILED
            standing.error = f"it could not be started: {error}"
            return
        standing.end(code, stopping=self.signum is not None)
        if standing.state is State.FAILED:
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

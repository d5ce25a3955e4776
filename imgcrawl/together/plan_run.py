"""One run of a plan, from its lock to its exit status."""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

from imgcrawl.errors import OutputError
from imgcrawl.tally import utc_now
from imgcrawl.together.display import display_for
from imgcrawl.together.result import consolidate, in_words, open_target, write_summary
from imgcrawl.together.runner import Runner

if TYPE_CHECKING:
    from scrapy.settings import Settings

    from imgcrawl.plans import Plan
    from imgcrawl.together.standing import Standing


async def run_plan(
    plan: Plan, wanted: set[str], overrides: dict[str, str], settings: Settings
) -> int:
    """Run the crawls of a plan whose names are `wanted`; the exit status.

    `overrides`: settings of the command line; `settings`: of this process, for its own log.
    Raises ArgumentError or OutputError where the plan's OUT cannot be used.
    """
    target = open_target(plan)
    started_at = utc_now()
    display = display_for(settings)

    def note(standings: list[Standing]) -> None:
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

"""The state of each crawl of a plan, by the last message that it sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.progress.row import CrawlPhase
from imgcrawl.records.exit_status import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgcrawl.plans.file import PlannedCrawl
    from imgcrawl.progress.channel import Message
    from imgcrawl.progress.row import ProgressRow


@dataclass(slots=True)
class CrawlState:
    """One crawl: how far it is, and how it ended."""

    crawl: PlannedCrawl
    progress: ProgressRow
    exit_status: int | None = None  # as the shell has it; 128 + N where signal N killed it
    error: str | None = None  # a sentence
    seconds: float = 0.0

    def update(self, message: Message) -> None:
        """Take in a message of the crawl's `ProgressReporter`."""
        if "error" in message:
            self.error = message["error"]
        else:
            self.progress.update(message)

    def end(self, returncode: int, *, stopping: bool) -> None:
        """Set the state in which the crawl's process left it.

        stopping: whether the plan was stopped by a signal
        """
        self.exit_status = returncode if returncode >= 0 else 128 - returncode
        if self.exit_status == ExitStatus.COMPLETE:
            self.progress.phase = CrawlPhase.DONE
        elif self.exit_status == ExitStatus.SOME_MISSING:
            self.progress.phase = CrawlPhase.MISSING
        elif stopping and self.error is None:  # with 128 + N, or 1 where a second signal came
            self.progress.phase = CrawlPhase.STOPPED
        else:
            self.progress.phase = CrawlPhase.FAILED
            if self.exit_status > 128 and self.error is None:
                self.error = f"its process was ended by signal {self.exit_status - 128}"


def plan_exit_status(states: Iterable[CrawlState], signum: int | None) -> int:
    """Return the one exit status of a plan: by signal `signum`, or that of its worst crawl."""
    phases = {state.progress.phase for state in states}
    if signum is not None:
        return 128 + signum
    if CrawlPhase.FAILED in phases:
        return ExitStatus.FAILED
    return ExitStatus.SOME_MISSING if CrawlPhase.MISSING in phases else ExitStatus.COMPLETE

"""How each crawl of a plan stands, as far as the plan's process has been told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imgcrawl.progress.rates import TransferRates, time_left
from imgcrawl.records.counts import Counts
from imgcrawl.records.exit_status import ExitStatus

if TYPE_CHECKING:
    from imgcrawl.plans.file import PlannedCrawl


class CrawlPhase(StrEnum):
    """What a crawl of a plan is at."""

    LEFT_OUT = "left out"  # by --only or --unfinished
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    MISSING = "some missing"
    STOPPED = "stopped"  # with the plan, by a signal
    FAILED = "failed"


@dataclass(slots=True)
class CrawlState:
    """One crawl: its state, and the last that it told of itself."""

    crawl: PlannedCrawl
    state: CrawlPhase = CrawlPhase.WAITING
    exit_status: int | None = None  # as the shell has it; 128 + N where signal N killed it
    error: str | None = None  # a sentence
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)  # its records done are all in `held`
    missing: int = 0
    _rates: TransferRates = field(default_factory=TransferRates)

    def hear(self, told: dict[str, Any]) -> None:
        """Take in a line of the crawl's `Reporter`."""
        if "error" in told:
            self.error = told["error"]
            return
        counts = self.counts
        counts.unchanged, counts.bytes, counts.expected = (
            told["done"],
            told["bytes"],
            told["expected"],
        )
        counts.phase = told["doing"]
        self.missing = told["missing"]
        self._rates.count(counts)

    @property
    def has_told(self) -> bool:
        """Whether the crawl has said how far it is."""
        return bool(self._rates)

    def rates(self) -> tuple[float, float]:
        """Records and bytes a second, over the last seconds."""
        return self._rates.now() if self.state is CrawlPhase.RUNNING else (0.0, 0.0)

    def left(self) -> str:
        """How long the rest will take; ``?`` where nobody can tell."""
        return time_left(self.counts, self.rates()[0])

    def end(self, returncode: int, *, stopping: bool) -> None:
        """The crawl's process has ended; `stopping`: the plan was told to stop by a signal."""
        self.exit_status = returncode if returncode >= 0 else 128 - returncode
        if self.exit_status == ExitStatus.COMPLETE:
            self.state = CrawlPhase.DONE
        elif self.exit_status == ExitStatus.SOME_MISSING:
            self.state = CrawlPhase.MISSING
        elif stopping and self.error is None:  # with 128 + N, or 1 where a second signal came
            self.state = CrawlPhase.STOPPED
        else:
            self.state = CrawlPhase.FAILED
            if self.exit_status > 128 and self.error is None:
                self.error = f"its process was ended by signal {self.exit_status - 128}"


def exit_status(standings: list[CrawlState], signum: int | None) -> int:
    """The one exit status of a plan: by signal `signum`, or that of its worst crawl."""
    states = {standing.state for standing in standings}
    if signum is not None:
        return 128 + signum
    if CrawlPhase.FAILED in states:
        return ExitStatus.FAILED
    return ExitStatus.SOME_MISSING if CrawlPhase.MISSING in states else ExitStatus.COMPLETE

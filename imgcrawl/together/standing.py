"""How each crawl of a plan stands, as far as the plan's process has been told."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imgcrawl.rates import Rates, time_left
from imgcrawl.summary import ExitStatus
from imgcrawl.tally import Tally

if TYPE_CHECKING:
    from imgcrawl.plans import PlannedCrawl


class State(StrEnum):
    """What a crawl of a plan is at."""

    LEFT_OUT = "left out"  # by --only or --unfinished
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    MISSING = "some missing"
    STOPPED = "stopped"  # with the plan, by a signal
    FAILED = "failed"


@dataclass(slots=True)
class Standing:
    """One crawl: its state, and the last that it told of itself."""

    crawl: PlannedCrawl
    state: State = State.WAITING
    exit_status: int | None = None  # as the shell has it; 128 + N where signal N killed it
    error: str | None = None  # a sentence
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)  # its records done are all in `held`
    missing: int = 0
    _rates: Rates = field(default_factory=Rates)

    def hear(self, told: dict[str, Any]) -> None:
        """Take in a line of the crawl's `Reporter`."""
        if "error" in told:
            self.error = told["error"]
            return
        tally = self.tally
        tally.held, tally.bytes, tally.expected = told["done"], told["bytes"], told["expected"]
        tally.doing = told["doing"]
        self.missing = told["missing"]
        self._rates.count(tally)

    @property
    def has_told(self) -> bool:
        """Whether the crawl has said how far it is."""
        return bool(self._rates)

    def rates(self) -> tuple[float, float]:
        """Records and bytes a second, over the last seconds."""
        return self._rates.now() if self.state is State.RUNNING else (0.0, 0.0)

    def left(self) -> str:
        """How long the rest will take; ``?`` where nobody can tell."""
        return time_left(self.tally, self.rates()[0])

    def end(self, returncode: int, *, stopping: bool) -> None:
        """The crawl's process has ended; `stopping`: the plan was told to stop by a signal."""
        self.exit_status = returncode if returncode >= 0 else 128 - returncode
        if self.exit_status == ExitStatus.COMPLETE:
            self.state = State.DONE
        elif self.exit_status == ExitStatus.SOME_MISSING:
            self.state = State.MISSING
        elif stopping and self.error is None:  # with 128 + N, or 1 where a second signal came
            self.state = State.STOPPED
        else:
            self.state = State.FAILED
            if self.exit_status > 128 and self.error is None:
                self.error = f"its process was ended by signal {self.exit_status - 128}"


def exit_status(standings: list[Standing], signum: int | None) -> int:
    """The one exit status of a plan: by signal `signum`, or that of its worst crawl."""
    states = {standing.state for standing in standings}
    if signum is not None:
        return 128 + signum
    if State.FAILED in states:
        return ExitStatus.FAILED
    return ExitStatus.SOME_MISSING if State.MISSING in states else ExitStatus.COMPLETE

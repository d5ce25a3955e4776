"""Who must be told what after a night of schedules, by what became of their processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.dataset.history import read_runs
from tests.conftest import Out, scrapy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgcrawl.dataset.history import RunRow
    from tests.alerts.test_alerts import Hook

FORGOTTEN = "forgotten"  # a schedule that is due every minute, and that nobody runs

Told = set[tuple[str, str, str]]  # schedule, rule, "bad" or "good"


def rules(folder: Path, hook: Hook) -> str:
    """Return the part of a schedules.toml that has the rules."""
    return f"""
[[schedule]]
name = "{FORGOTTEN}"
spider = "urls"
when = "* * * * *"
arguments = {{ list = "{folder}/list-0.txt", out = "{folder}/{FORGOTTEN}" }}

[alert]
did_not_run = "1m"
failed = true
fewer_new = 0.5
missing_jump = 0.001
verify = true
state = "{folder}/alerts.json"

[[alert.to]]
kind = "json"
url = "{hook.url}/alerts"
"""


class NightWatch:
    """Looks as the timer does, and holds what is told against what happened."""

    def __init__(self, folder: Path, hook: Hook, names: Iterable[str]) -> None:
        self._folder, self._hook = folder, hook
        self._rows = dict.fromkeys(names, 0)
        self._failed = dict.fromkeys(names, False)
        self.n_told = 0
        self.forgotten = 0  # times that it was told of the schedule that nobody runs

    def told(self, *, hook_is_down: bool = False) -> Told:
        """Look once and again; return what was told.

        Where the hook is down, everything is told by the second look; else nothing is.
        """
        told = self._look(503 if hook_is_down else 200)
        again = self._look(200)
        told, unwanted = (again, set()) if hook_is_down else (told, again)
        unwanted -= {(FORGOTTEN, "did_not_run", "bad")}
        assert not unwanted, "it is told twice"
        self.n_told += len(told)
        return told

    def _look(self, status: int) -> Told:
        self._hook.status = status
        self._hook.seen.clear()
        done = scrapy("schedules", "--alerts", self._folder / "schedules.toml")
        said = {(body["schedule"], body["rule"], body["state"]) for *_, body in self._hook.seen}
        assert len(said) == len(self._hook.seen)
        assert done.returncode == (1 if said and status != 200 else 0), done.stderr
        if status == 200:
            self.forgotten += len({each for each in said if each[0] == FORGOTTEN})
        return {each for each in said if each[0] != FORGOTTEN}

    def expected(self, statuses: dict[str, int]) -> Told:
        """Return what has to be told of the exit statuses of a night, by schedule.

        A process that dies before its run has begun leaves no word in its dataset; one that dies
        after its run had ended leaves a summary.
        """
        changes = set()
        for name, status in statuses.items():
            runs = read_runs(self._folder / name)
            began = len(runs)
            if began == self._rows[name]:
                continue
            assert began == self._rows[name] + 1, f"{name}: a run has one row"
            self._rows[name] = began
            failed = status < 0 and not self._summed_up(name, runs[-1])
            if failed is not self._failed[name]:
                changes.add((name, "failed", "bad" if failed else "good"))
            self._failed[name] = failed
        return changes

    def _summed_up(self, name: str, run: RunRow) -> bool:
        """Return whether a run had its summary before its process died."""
        if run.exit_status is None:
            return False
        summary = Out(self._folder / name).summary()
        assert (summary["started_at"], summary["exit_status"]) == (run.started_at, run.exit_status)
        return True

"""What is looked at: each rule says of each dataset whether it is bad, good, or not known."""

from __future__ import annotations

import csv
import io
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from imgcrawl.dataset.history import KILLED, RUNNING, RunRow, parse_runs, settled
from imgcrawl.dataset.status import read_status, read_store_status
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.address import BucketAddress, is_address
from imgcrawl.storage.directory import RUNS, VERIFY, open_plain
from imgcrawl.text.sizes import format_size
from imgcrawl.text.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import BaseSettings

    from imgcrawl.alerts.config import AlertConfig
    from imgcrawl.scheduling.cron import Cron
    from imgcrawl.scheduling.schedules import Schedule

_LONGEST = 8 << 20  # bytes of a table that are read
_USUAL = 14  # runs that say what is usual
_FEWEST = 3  # of them, before anything is unusual
_WINDOWS = (0.05, 1, 8, 32, 367)  # days that are looked back for the last time that was due
_EARLY = 90.0  # seconds that a run may begin before its time: clocks differ


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of a dataset. bad: None where it cannot be known now."""

    schedule: str
    rule: str
    bad: bool | None
    words: str
    out: str = ""

    @property
    def key(self) -> str:
        """The name under which it is remembered."""
        return f"{self.schedule}/{self.rule}"


@dataclass(frozen=True, slots=True)
class DatasetLook:
    """What was read of a dataset. runs: None where nothing could be read."""

    runs: list[RunRow] | None
    n_bad: int | None  # rows of verify.csv; None: not verified, or not to be read
    problem: str = ""


def look_at(out: str, settings: BaseSettings) -> DatasetLook:
    """Read what the rules need of an OUT: a folder, or an object store."""
    try:
        if is_address(out):
            # The libraries of the stores take a second and tens of megabytes to load.
            from imgcrawl.storage.open_store import open_bucket  # noqa: PLC0415

            store = open_bucket(BucketAddress.of(out), settings)
            stale = settings.getfloat("STORE_LOCK_STALE")
            running = read_store_status(store, out, stale).state == RUNNING
            kept = {name: store.read(name) for name in (RUNS, VERIFY)}
            data = {name: found.data for name, found in kept.items() if found is not None}
        else:
            running = read_status(Path(out)).state == RUNNING
            data = dict(_own_files(Path(out)))
    except (OSError, StoreError) as error:
        return DatasetLook(None, None, str(error))
    runs = settled(parse_runs(data.get(RUNS, b"")), running=running)
    return DatasetLook(runs, _rows(data[VERIFY]) if VERIFY in data else None)


def _own_files(root: Path) -> Iterator[tuple[str, bytes]]:
    for name in (RUNS, VERIFY):
        try:
            with open_plain(root / name) as file:
                yield name, file.read(_LONGEST)
        except FileNotFoundError:
            continue


def _rows(data: bytes) -> int:
    lines = csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    try:
        return max(0, sum(1 for _ in lines) - 1)
    except csv.Error:
        return 1


def judge(
    schedule: Schedule, look: DatasetLook, config: AlertConfig, *, now: datetime, since: datetime
) -> Iterator[Finding]:
    """Yield what the rules say of the dataset of a schedule.

    now:   local time, without a zone, as cron has it
    since: when this schedule was first looked at: what was due before is not missed
    """
    rules = config.table

    def found(rule: str, bad: bool | None, words: str) -> Finding:
        return Finding(schedule.name, rule, bad, words, schedule.out)

    if look.runs is None:
        if rules.failed:
            yield found("failed", None, f"{schedule.out} cannot be looked into: {look.problem}")
        return
    runs = look.runs
    if config.grace is not None:
        yield found("did_not_run", *_did_not_run(schedule.when, runs, config.grace, now, since))
    ended = [run for run in runs if run.status != RUNNING]
    if ended and rules.failed:
        yield found("failed", *_failed(ended[-1]))
    well = [run for run in ended if not run.failed and run.exit_status in {0, 3}]
    if rules.fewer_new is not None:
        yield found("fewer_new", *_fewer_new(well, rules.fewer_new))
    if rules.missing_jump is not None:
        yield found("missing_jump", *_missing_jump(well, rules.missing_jump))
    if rules.verify and look.n_bad is not None:
        words = f"verify found {look.n_bad:,} files that are not good ({VERIFY} names them)"
        yield found("verify", look.n_bad > 0, words if look.n_bad else "verify finds all good")


def judge_disks(schedules: list[Schedule], below: int) -> Iterator[Finding]:
    """Yield what is free on each disk that datasets lie on, once a disk."""
    seen: set[int] = set()
    for schedule in schedules:
        if is_address(schedule.out):
            continue
        folder = Path(schedule.out)
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        words = f"{format_size(free)} are free on the disk of {folder}"
        yield Finding("disk", str(folder), free < below, words, str(folder))


def _did_not_run(
    when: Cron, runs: list[RunRow], grace: float, now: datetime, since: datetime
) -> tuple[bool | None, str]:
    due = last_due(when, now - timedelta(seconds=grace))
    if due is None or due < since:
        return False, "it is not due yet"
    if runs and (runs[-1].status == RUNNING or _began(runs[-1]) >= due.timestamp() - _EARLY):
        return False, f"it ran at {runs[-1].started_at}"
    last = f"the last run began at {runs[-1].started_at}" if runs else "it has never run"
    return True, f"it did not run at {due:%Y-%m-%d %H:%M}, when it was due; {last}"


def last_due(when: Cron, until: datetime) -> datetime | None:
    """Return the last time of a schedule at or before `until`, a wall clock's; None in a year."""
    for days in _WINDOWS:
        due = [*when.after(until - timedelta(days=days), until)]
        if due:
            return due[-1]
    return None


def _began(run: RunRow) -> float:
    try:
        return timestamp(run.started_at)
    except ValueError:
        return 0.0


def _failed(last: RunRow) -> tuple[bool, str]:
    if last.status == KILLED:
        return True, f"its run of {last.started_at} was killed, or broke off without a word"
    why = f": {last.error}" if last.error else ""
    verb = "failed" if last.failed else "ended"
    return last.failed, f"its run of {last.started_at} {verb} ({last.status}){why}"


def _usual(values: list[float | None]) -> tuple[float, float] | None:
    """Return the last value and the median of those before; None where too few are known."""
    *before, last = values or [None]
    known = [value for value in before[-_USUAL:] if value is not None]
    if last is None or len(known) < _FEWEST:
        return None
    return last, median(known)


def _fewer_new(well: list[RunRow], part: float) -> tuple[bool | None, str]:
    found = _usual([run.new for run in well])
    if found is None:
        return None, "too few runs to say what is usual"
    last, usual = found
    words = f"{last:,.0f} new files in its run of {well[-1].started_at}; usual are {usual:,.0f}"
    return last < usual * part, words


def _missing_jump(well: list[RunRow], jump: float) -> tuple[bool | None, str]:
    found = _usual([run.missing_share for run in well])
    if found is None:
        return None, "too few runs to say what is usual"
    last, usual = found
    reasons = f" ({well[-1].missing_by_reason})" if well[-1].missing_by_reason else ""
    words = f"{last:.1%} of it are missing{reasons}; usual are {usual:.1%}"
    return last - usual > jump, words


def local_now() -> datetime:
    """Return the time as cron's clock has it, without a zone."""
    return datetime.fromtimestamp(time.time())  # noqa: DTZ006 - as cron's clock

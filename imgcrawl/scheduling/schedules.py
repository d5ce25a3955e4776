"""schedules.toml: what is crawled, with which arguments, when; checked as a whole before use."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from imgcrawl.plans.entries import (
    CrawlTable,
    ListedCrawl,
    TomlTable,
    at_each_line,
    check_crawl,
    crawl_command,
    read_table,
    read_toml,
)
from imgcrawl.records.errors import ArgumentError
from imgcrawl.scheduling.cron import Cron, parse_cron
from imgcrawl.storage.address import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from scrapy.spiderloader import SpiderLoaderProtocol

FILE = "schedules.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class _ScheduleTable(CrawlTable):
    key: ClassVar[str] = "schedule"

    name: str
    when: str
    verify_sample: int = Field(default=0, ge=0)  # records to hash again after each run


class _Schedules(TomlTable):
    schedule: list[dict[str, Any]] = Field(default=[])
    alert: dict[str, Any] | None = None  # of imgcrawl/alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(ListedCrawl):
    """One crawl that comes again and again; its arguments have `out` as it is written, if it is."""

    when: Cron
    out: str  # an absolute path, or the address of an object store
    verify_sample: int = 0  # records, drawn by chance

    def command(self) -> list[str]:
        """Return the command that runs, in the folder of the project."""
        return crawl_command(self.spider, self.arguments, self.settings)

    def verify_command(self) -> list[str] | None:
        """Return the command that hashes some files again after each run, if that is asked for."""
        if not self.verify_sample:
            return None
        verify = [sys.executable, "-m", "scrapy", "verify", self.out]
        return [*verify, "--sample", str(self.verify_sample)]

    def __str__(self) -> str:
        """Return the command as a person types it."""
        return shlex.join(["scrapy", *self.command()[3:]])


def read_schedules(path: Path, loader: SpiderLoaderProtocol, base: Path) -> list[Schedule]:
    """Read and check a file of ``[[schedule]]`` tables; relative paths in it begin at `base`.

    Raise ArgumentError with a line for each thing that is wrong, and nothing of it is used.
    """
    tables = read_toml(path, _Schedules).schedule
    wrong: list[str] = []
    schedules: list[Schedule] = []
    for number, table in enumerate(tables, 1):
        name = table.get("name")
        where = repr(name) if isinstance(name, str) else f"schedule {number}"
        try:
            schedule = _schedule(read_table(table, _ScheduleTable), base, loader)
        except (ArgumentError, ValueError) as error:
            wrong += at_each_line(f"{where}: ", error).splitlines()
            continue
        if any(schedule.name == other.name for other in schedules):
            wrong.append(f"{where} is there twice; its log and its timer need a name of their own")
        schedules.append(schedule)
    if wrong:
        raise ArgumentError("\n".join(f"{path}: {line}" for line in wrong))
    return schedules


def runs(
    schedules: Sequence[Schedule], start: datetime, days: float
) -> Iterator[tuple[datetime, Schedule]]:
    """Yield (when, what) of the next `days`, in order. `start` is local time, without a zone."""
    until = start + timedelta(days=days)
    times = ((at, s) for s in schedules for at in s.when.after(start, until))
    yield from sorted(times, key=lambda pair: (pair[0], pair[1].name))


def collisions(schedules: Sequence[Schedule], start: datetime, days: float) -> list[str]:
    """Return a sentence on each two that start in the same minute with the same OUT."""
    seen: dict[tuple[datetime, str], Schedule] = {}
    found: dict[str, None] = {}
    for at, schedule in runs(schedules, start, days):
        other = seen.setdefault((at, schedule.out), schedule)
        if other is not schedule:
            found[
                f"{other.name} and {schedule.name} start in the same minute with the same OUT "
                f"({schedule.out}): one of them will be refused. Give one another time."
            ] = None
    return list(found)


def _schedule(given: _ScheduleTable, base: Path, loader: SpiderLoaderProtocol) -> Schedule:
    """Return one schedule. Raise ArgumentError, or ValueError for its time, where it is wrong."""
    if not _NAME.fullmatch(given.name):
        raise ArgumentError("name: small letters, digits, - and _ only, 64 at most")
    checked = check_crawl(given, loader)
    for name, text in (*checked.arguments.items(), *checked.settings.items()):
        if not text.isprintable():  # in a crontab it would be another line
            raise ArgumentError(f"{name} has a line break or another control character in it")
    # As `scrapy crawl` has it: the argument, the setting, or the default.
    parsed = checked.parsed
    out = parsed.out or checked.settings.get("OUT") or parsed.default_out(given.spider)
    return Schedule(
        name=given.name,
        spider=given.spider,
        when=parse_cron(given.when),
        out=out if is_address(out) else str((base / Path(out).expanduser()).resolve()),
        arguments=checked.arguments,
        settings=checked.settings,
        verify_sample=given.verify_sample,
    )

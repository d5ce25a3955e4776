"""schedules.toml: what is crawled, with which arguments, when; checked as a whole before use."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.arguments import parse_arguments
from imgcrawl.records.errors import ArgumentError
from imgcrawl.scheduling.cron import Cron, parse_cron
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from scrapy.spiderloader import SpiderLoaderProtocol

FILE = "schedules.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEYS = {"name": str, "spider": str, "when": str, "arguments": dict, "settings": dict}
_OPTIONAL = frozenset({"arguments", "settings"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """One crawl that comes again and again."""

    name: str
    spider: str
    when: Cron
    out: Path  # absolute
    arguments: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """What runs, in the folder of the project."""
        command = [sys.executable, "-m", "scrapy", "crawl", self.spider]
        for name, value in self.arguments.items():
            command += ["-a", f"{name}={value}"]
        for name, value in self.settings.items():
            command += ["-s", f"{name}={value}"]
        return command

    def in_words(self) -> str:
        """The command as a person types it."""
        return shlex.join(["scrapy", *self.command()[3:]])


def read_schedules(path: Path, loader: SpiderLoaderProtocol, base: Path) -> list[Schedule]:
    """Read and check a file of ``[[schedule]]`` tables; relative paths in it begin at `base`.

    Raises ArgumentError with a line for each thing that is wrong, and nothing of it is used.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no TOML: {error}") from error
    entries = table.pop("schedule", [])
    wrong = [f"{key!r} is not known; type [[schedule]]" for key in table]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ArgumentError(f"{path}: type [[schedule]], with two brackets, before each of them.")
    schedules: list[Schedule] = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("name")
        where = repr(name) if isinstance(name, str) else f"schedule {number}"
        try:
            schedule = _schedule(entry, base, loader)
        except (ArgumentError, ValueError) as error:
            wrong += [f"{where}: {line}" for line in str(error).splitlines()]
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
    """(When, what) of the next `days`, in order. `start` is local time, without a zone."""
    until = start + timedelta(days=days)
    times = ((at, s) for s in schedules for at in s.when.after(start, until))
    yield from sorted(times, key=lambda pair: (pair[0], pair[1].name))


def collisions(schedules: Sequence[Schedule], start: datetime, days: float) -> list[str]:
    """What would be refused: two that start in the same minute with the same OUT."""
    seen: dict[tuple[datetime, Path], Schedule] = {}
    said: dict[str, None] = {}
    for at, schedule in runs(schedules, start, days):
        other = seen.setdefault((at, schedule.out), schedule)
        if other is not schedule:
            said[
                f"{other.name} and {schedule.name} start in the same minute with the same OUT "
                f"({schedule.out}): one of them will be refused. Give one another time."
            ] = None
    return list(said)


def _schedule(entry: dict[str, Any], base: Path, loader: SpiderLoaderProtocol) -> Schedule:
    for key in entry:
        if key not in _KEYS:
            raise ValueError(f"there is no {key!r}{did_you_mean(key, _KEYS)}")
    for key, kind in _KEYS.items():
        if key not in entry and key not in _OPTIONAL:
            raise ValueError(f"it has no {key!r}")
        if not isinstance(entry.get(key, kind()), kind):
            raise ArgumentError(f"{key} must be a {'table' if kind is dict else 'text in quotes'}")
    if not _NAME.fullmatch(entry["name"]):
        raise ValueError("name: small letters, digits, - and _ only, 64 at most")
    if entry["spider"] not in loader.list():
        near = did_you_mean(entry["spider"], loader.list())
        raise ValueError(f"there is no spider {entry['spider']!r}{near}")
    when = parse_cron(entry["when"])
    arguments = {name: _as_typed(name, v) for name, v in entry.get("arguments", {}).items()}
    settings = {name: _as_typed(name, v) for name, v in entry.get("settings", {}).items()}
    checked = parse_arguments(loader.load(entry["spider"]), arguments)
    if getattr(checked, "ids_file", None) == "-":
        raise ValueError("ids_file=-: a schedule has no standard input; name a file")
    # As `scrapy crawl` has it: the argument, the setting, or data/ and the spider's name.
    out = checked.out or settings.get("OUT") or f"data/{entry['spider']}"
    place = (base / Path(out).expanduser()).resolve()
    return Schedule(entry["name"], entry["spider"], when, place, arguments, settings)


def _as_typed(name: str, value: Any) -> str:
    """A value as it stands after ``-a NAME=``; a list becomes words with commas between them."""
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"{name!r} is no name of an argument or a setting")
    match value:
        case bool():
            return "1" if value else "0"
        case str() | int() | float():
            text = str(value)
        case list() if all(isinstance(part, str | int) for part in value):
            text = ",".join(map(str, value))
        case _ if hasattr(value, "isoformat"):  # TOML has dates of its own
            text = value.isoformat()
        case _:
            raise ValueError(f"{name} must be a text, a number, true, false, a date or a list")
    if not text.isprintable():
        raise ValueError(f"{name} has a line break or another control character in it")
    return text

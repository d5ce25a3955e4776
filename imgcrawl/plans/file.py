"""Plans: TOML files that list crawls, for ``scrapy crawlall``.

``out`` (by default data/NAME-OF-THE-FILE) and ``jobs`` stand at the top, ``[settings]`` are for
all. Each ``[[crawl]]`` has a ``spider``, and may have a ``name``, a ``group``,
``[crawl.arguments]`` and ``[crawl.settings]``. Relative paths are relative to the current
directory, as on the command line. A plan is checked as a whole, spiders' arguments included,
before anything starts.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from imgcrawl.arguments import parse_arguments
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.directory import CLASSES, FAILURES, LEDGER, METADATA, SUMMARY
from imgcrawl.text.filenames import safe_path
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from scrapy.spiderloader import SpiderLoaderProtocol

MAX_BYTES = 1 << 20  # of a plan
MAX_CRAWLS = 500  # their tables are open together when they are merged
DEFAULT_JOBS = 4

_OURS = {METADATA, FAILURES, CLASSES, SUMMARY, LEDGER}  # names taken in the plan's own OUT
# What runs a plan says itself of each crawl.
KEPT_SETTINGS = frozenset({"OUT", "LOG_FILE", "LOG_ENABLED", "PROGRESS_FD"})


class _PlanModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Crawl(_PlanModel):
    spider: str
    name: str | None = None
    group: str | None = None
    arguments: dict[str, Any] = {}
    settings: dict[str, Any] = {}


class _Plan(_PlanModel):
    out: str | None = None
    jobs: PositiveInt = DEFAULT_JOBS
    settings: dict[str, Any] = {}
    crawl: list[_Crawl] = Field(min_length=1, max_length=MAX_CRAWLS)


@dataclass(frozen=True, slots=True)
class PlannedCrawl:
    """One crawl of a plan, checked: texts as ``-a`` and ``-s`` have them, `out` absolute."""

    name: str
    spider: str
    group: str  # crawls of one group run one after the other
    arguments: dict[str, str]  # without out
    settings: dict[str, str]  # the plan's own included
    out: Path

    @property
    def fingerprint(self) -> str:
        """The same for the same crawl, whatever it is called."""
        what = json.dumps([self.spider, self.arguments, self.settings], sort_keys=True)
        return hashlib.sha256(what.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CrawlPlan:
    """A plan, checked."""

    path: Path
    out: Path
    jobs: int
    crawls: tuple[PlannedCrawl, ...]


def read_plan(path: Path, spiders: SpiderLoaderProtocol) -> CrawlPlan:
    """Read a plan and check it.

    Raises ArgumentError with a line for each thing that is wrong: the file, the crawl, what to do.
    """
    plan = _parsed(path)
    try:
        out = _absolute(plan.out or f"data/{path.stem}")
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error
    problems: list[str] = []
    crawls: list[PlannedCrawl] = []
    for number, given in enumerate(plan.crawl, 1):
        name = given.name if given.name is not None else given.spider
        try:
            crawls.append(_checked(given, name, plan, out, spiders))
        except ArgumentError as error:
            problems += [
                f"crawl {number} ({name[:60]!r}): {line}" for line in str(error).splitlines()
            ]
    names = Counter(c.name if c.name is not None else c.spider for c in plan.crawl)
    problems += [
        f"{n} crawls are called {name[:60]!r}; give each a name of its own (name = ...)."
        for name, n in names.items()
        if n > 1
    ]
    problems += _overlaps(out, [crawl for crawl in crawls if names[crawl.name] == 1])
    if problems:
        raise ArgumentError("\n".join(f"{path}: {problem}" for problem in problems))
    return CrawlPlan(path, out, plan.jobs, tuple(crawls))


def _parsed(path: Path) -> _Plan:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ArgumentError(f"{path} is longer than {MAX_BYTES:,} bytes: that is no plan.")
        return _Plan.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path} is not UTF-8 text, as TOML must be.") from error
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise ArgumentError(f"{path} is nested too deeply for a plan.") from error
    except ValidationError as error:
        lines = [f"{path}: {_explain(problem)}" for problem in error.errors()]
        raise ArgumentError("\n".join(lines)) from error


def _explain(problem: Any) -> str:
    """One complaint of pydantic's, in words: where it is, and what may stand there."""
    where, message = list(problem["loc"]), str(problem["msg"])
    model: type[BaseModel] = _Plan
    words = ""
    if len(where) > 1 and where[0] == "crawl" and isinstance(where[1], int):
        model, words, where = _Crawl, f"crawl {where[1] + 1}: ", where[2:]
    key = ".".join(map(str, where))
    if problem["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        below = "; a spider's arguments stand below [crawl.arguments]" if model is _Crawl else ""
        near = did_you_mean(key, model.model_fields).rstrip(".")
        return f"{words}there is no key {key!r}{near} ({known}{below})"
    if problem["type"] == "missing":
        hint = "[[crawl]] tables" if key == "crawl" else 'spider = "..."'
        return f"{words}{key} is missing: write {hint}"
    return f"{words}{key}: {message}" if key else f"{words}{message}"


def _checked(
    given: _Crawl, name: str, plan: _Plan, out: Path, spiders: SpiderLoaderProtocol
) -> PlannedCrawl:
    """One crawl. Raises ArgumentError with a line for each thing that is wrong."""
    if given.spider not in spiders.list():
        near = did_you_mean(given.spider[:60], spiders.list())
        raise ArgumentError(
            f"there is no spider {given.spider[:60]!r}{near} `scrapy spiders` lists all"
        )
    if not _is_safe(name):
        raise ArgumentError(
            "the name cannot be one of a folder; take letters, digits, - and _, such as 'epfl'"
        )
    arguments = {key: as_typed(key, value) for key, value in given.arguments.items()}
    parsed = parse_arguments(spiders.load(given.spider), arguments)
    if getattr(parsed, "dry_run", False):
        raise ArgumentError("dry_run leaves nothing to bring together; use `scrapy crawl` for it")
    if arguments.get("list") == "-":
        raise ArgumentError("list=-: a crawl of a plan has no standard input; name a file")
    own = arguments.pop("out", None)
    if own is not None and "://" in own:
        raise ArgumentError(f"out={own}: crawls of a plan write to folders")
    settings: dict[str, str] = {}
    for key, value in {**plan.settings, **given.settings}.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", key, re.ASCII):
            raise ArgumentError(
                f"setting {key!r}: settings are in capitals, such as DOWNLOAD_DELAY"
            )
        if key in KEPT_SETTINGS:
            raise ArgumentError(
                f"setting {key} is not for plans; out is an argument, the log a file"
            )
        settings[key] = as_typed(key, value, yes="1", no="0")
    place = _absolute(own) if own is not None else out / name
    return PlannedCrawl(name, given.spider, given.group or given.spider, arguments, settings, place)


def as_typed(key: str, value: Any, *, yes: str = "yes", no: str = "no") -> str:
    """A value of TOML as one would type it: ``yes``, ``3``, ``a,b``; a setting's table is JSON.

    Raises ArgumentError for what cannot be typed.
    """
    if isinstance(value, bool):
        return yes if value else no
    if isinstance(value, str):
        if "\0" in value:
            raise ArgumentError(f"{key}: a NUL character cannot be meant")
        return value
    if type(value) in {int, float, date}:
        return str(value)
    if isinstance(value, list) and not any(isinstance(word, list | dict) for word in value):
        return ",".join(_quoted(key, as_typed(key, word, yes=yes, no=no)) for word in value)
    if isinstance(value, dict) and key.isupper():
        return json.dumps(value, default=str)
    raise ArgumentError(f"{key}: write text, a number, true or false, a date, or a list of these")


def _quoted(key: str, word: str) -> str:
    if '"' in word:
        raise ArgumentError(f"{key}: a quotation mark cannot stand in a list")
    return f'"{word}"' if "," in word else word


def _is_safe(name: str) -> bool:
    """Whether a name is one part of a path, and none of those that stand beside it."""
    try:
        safe = safe_path(name)
    except ValueError:
        return False
    return safe == name and not set(name) & {"/", ","} and name.casefold() not in _OURS


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ArgumentError(f"out={path!r} cannot be used: {error}") from error


def _overlaps(out: Path, crawls: list[PlannedCrawl]) -> list[str]:
    """Words on each pair of crawls that would write into each other's OUT, or over the plan's."""
    problems = []
    for index, crawl in enumerate(crawls):
        if out.is_relative_to(crawl.out):
            problems.append(
                f"crawl {crawl.name!r} writes to {crawl.out}, where the plan's out lies."
            )
        for other in crawls[:index]:
            places = (_folded(crawl.out), _folded(other.out))
            if places[0].is_relative_to(places[1]) or places[1].is_relative_to(places[0]):
                problems.append(
                    f"crawls {other.name!r} and {crawl.name!r} write into each other: "
                    f"{other.out} and {crawl.out}. Give one another name or out."
                )
    return problems


def _folded(path: Path) -> Path:
    """Names that differ in case only are one on many disks."""
    return Path(str(path).casefold())

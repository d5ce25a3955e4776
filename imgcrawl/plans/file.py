"""Plans: TOML files that list crawls, for ``scrapy crawlall``.

``out`` (by default data/NAME-OF-THE-FILE) and ``jobs`` stand at the top, ``[settings]`` are for
all. Each ``[[crawl]]`` is read by `plans.entries`, and may have a ``group`` too. Relative paths are
relative to the current directory, as on the command line. A plan is checked as a whole, spiders'
arguments included, before anything starts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PositiveInt

from imgcrawl.plans.entries import (
    CrawlTable,
    ListedCrawl,
    TomlTable,
    at_each_line,
    check_crawl,
    read_table,
    read_toml,
)
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.directory import OWN_FILES, REPORT_PAGES
from imgcrawl.text.filenames import safe_path

if TYPE_CHECKING:
    from scrapy.spiderloader import SpiderLoaderProtocol

MAX_CRAWLS = 500  # their tables are open together when they are merged
DEFAULT_JOBS = 4

# Names taken in the plan's own OUT.
_RESERVED = {name.casefold() for name in (*OWN_FILES, REPORT_PAGES)}
# Set by the runner of a plan, for each crawl.
KEPT_SETTINGS = frozenset({"OUT", "LOG_FILE", "LOG_ENABLED", "PROGRESS_FD"})


class _PlanCrawl(CrawlTable):
    key: ClassVar[str] = "crawl"

    group: str | None = None


class _Plan(TomlTable):
    out: str | None = None
    jobs: PositiveInt = DEFAULT_JOBS
    settings: dict[str, Any] = Field(default={})
    crawl: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_CRAWLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCrawl(ListedCrawl):
    """One crawl of a plan: its arguments are without `out`, its settings have the plan's too."""

    out: Path  # absolute
    group: str  # crawls of one group run one after the other

    @property
    def fingerprint(self) -> str:
        """The same for the same crawl, whatever its name."""
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

    Raise ArgumentError with a line for each thing that is wrong: the file, the crawl, what to do.
    """
    plan = read_toml(path, _Plan)
    try:
        out = _absolute(plan.out or f"data/{path.stem}")
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error
    problems: list[str] = []
    crawls: list[PlannedCrawl] = []
    names: Counter[str] = Counter()
    for number, table in enumerate(plan.crawl, 1):
        where = f"crawl {number}"
        try:
            given = read_table(table, _PlanCrawl)
            name = given.name if given.name is not None else given.spider
            names[name] += 1
            where += f" ({name[:60]!r})"
            crawls.append(_planned(given, name, plan, out, spiders))
        except ArgumentError as error:
            problems += at_each_line(f"{where}: ", error).splitlines()
    problems += [
        f"{n} crawls are called {name[:60]!r}; give each a name of its own (name = ...)."
        for name, n in names.items()
        if n > 1
    ]
    problems += _overlaps(out, [crawl for crawl in crawls if names[crawl.name] == 1])
    if problems:
        raise ArgumentError("\n".join(f"{path}: {problem}" for problem in problems))
    return CrawlPlan(path, out, plan.jobs, tuple(crawls))


def _planned(
    given: _PlanCrawl, name: str, plan: _Plan, out: Path, spiders: SpiderLoaderProtocol
) -> PlannedCrawl:
    """Return one crawl. Raise ArgumentError with a line for each thing that is wrong."""
    given = given.model_copy(update={"settings": {**plan.settings, **given.settings}})
    checked = check_crawl(given, spiders)
    if not _is_safe(name):
        raise ArgumentError(
            "the name cannot be one of a folder; take letters, digits, - and _, such as 'epfl'"
        )
    if getattr(checked.parsed, "dry_run", False):
        raise ArgumentError("dry_run leaves nothing to bring together; use `scrapy crawl` for it")
    for setting in sorted(KEPT_SETTINGS & checked.settings.keys()):
        raise ArgumentError(
            f"setting {setting} is not for plans; out is an argument, the log a file"
        )
    own = checked.arguments.pop("out", None)
    if own is not None and "://" in own:
        raise ArgumentError(f"out={own}: crawls of a plan write to folders")
    return PlannedCrawl(
        name=name,
        spider=given.spider,
        arguments=checked.arguments,
        settings=checked.settings,
        out=_absolute(own) if own is not None else out / name,
        group=given.group or given.spider,
    )


def _is_safe(name: str) -> bool:
    """Return True if a name is one part of a path, and no file of the plan's own."""
    try:
        safe = safe_path(name)
    except ValueError:
        return False
    return safe == name and not set(name) & {"/", ","} and name.casefold() not in _RESERVED


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ArgumentError(f"out={path!r} cannot be used: {error}") from error


def _overlaps(out: Path, crawls: list[PlannedCrawl]) -> list[str]:
    """Return a line on each pair of crawls that would write into each other, or over the plan."""
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
    """Return the path in one case: names that differ in case only are one on many disks."""
    return Path(str(path).casefold())

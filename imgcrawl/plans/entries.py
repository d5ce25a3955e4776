"""The one reader of crawls in TOML: ``[[crawl]]`` of a plan, ``[[schedule]]`` of schedules.toml.

An entry has a ``spider``, and may have a ``name``, ``arguments`` (as with ``-a``) and ``settings``
(as with ``-s``). Whatever the file, the same entry is the same command line.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from imgcrawl.arguments import SpiderArguments, parse_arguments, reads_stdin
from imgcrawl.crawl.check_settings import check_values
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scrapy.spiderloader import SpiderLoaderProtocol

MAX_BYTES = 1 << 20  # of a file


class TomlTable(BaseModel):
    """A table of TOML: other keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CrawlTable(TomlTable):
    """One crawl as it is written."""

    key: ClassVar[str]  # of its tables in the file

    spider: str
    name: str | None = None
    arguments: dict[str, Any] = {}
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCrawl:
    """One crawl of a file, checked: texts as ``-a`` and ``-s`` have them."""

    name: str
    spider: str
    arguments: dict[str, str]
    settings: dict[str, str]


class CheckedCrawl(NamedTuple):
    """What `check_crawl` found right."""

    parsed: SpiderArguments
    arguments: dict[str, str]
    settings: dict[str, str]


TableT = TypeVar("TableT", bound=TomlTable)


def read_toml(path: Path, model: type[TableT]) -> TableT:
    """Return the whole file as a table. Raise ArgumentError if it cannot be one."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ArgumentError(f"{path} is longer than {MAX_BYTES:,} bytes: no list of crawls is.")
        given = tomllib.loads(data.decode())
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path} is not UTF-8 text, as TOML must be.") from error
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{path} is not TOML: {error}.") from error
    except RecursionError as error:
        raise ArgumentError(f"{path} is nested too deeply for a list of crawls.") from error
    try:
        return read_table(given, model)
    except ArgumentError as error:
        raise ArgumentError(at_each_line(f"{path}: ", error)) from error


def at_each_line(prefix: str, error: Exception) -> str:
    """Return the message of an error with `prefix` before each line."""
    return "\n".join(prefix + line for line in str(error).splitlines())


def read_table(given: Mapping[str, Any], model: type[TableT]) -> TableT:
    """Return a table as its model. Raise ArgumentError with a line for each wrong key or type."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        lines = [_explain(problem, model) for problem in error.errors()]
        raise ArgumentError("\n".join(lines)) from error


def check_crawl(crawl: CrawlTable, spiders: SpiderLoaderProtocol) -> CheckedCrawl:
    """Check one crawl against its spider.

    Raise ArgumentError with a line for each thing that is wrong, and what to write instead.
    """
    if crawl.spider not in spiders.list():
        near = did_you_mean(crawl.spider[:60], spiders.list())
        raise ArgumentError(
            f"there is no spider {crawl.spider[:60]!r}{near} `scrapy spiders` lists all"
        )
    spider = spiders.load(crawl.spider)
    arguments = {name: as_typed(name, value) for name, value in crawl.arguments.items()}
    for name in reads_stdin(spider, arguments):
        raise ArgumentError(f"{name}=-: a {crawl.key} has no standard input; name a file")
    parsed = parse_arguments(spider, arguments)
    settings: dict[str, str] = {}
    for name, value in crawl.settings.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name, re.ASCII):
            raise ArgumentError(
                f"setting {name!r}: settings are in capitals, such as DOWNLOAD_DELAY"
            )
        settings[name] = as_typed(name, value, yes="1", no="0")
    for warning in check_values(settings):
        sys.stderr.write(f"{crawl.key} {crawl.name or crawl.spider}: warning: {warning}\n")
    return CheckedCrawl(parsed, arguments, settings)


def crawl_command(
    spider: str, arguments: Mapping[str, str], settings: Mapping[str, str]
) -> list[str]:
    """Return the command line of a crawl, in the folder of the project."""
    command = [sys.executable, "-m", "scrapy", "crawl", spider]
    for name, value in arguments.items():
        command += ["-a", f"{name}={value}"]
    for name, value in settings.items():
        command += ["-s", f"{name}={value}"]
    return command


def as_typed(key: str, value: Any, *, yes: str = "yes", no: str = "no") -> str:
    """Return a value of TOML as one would type it: ``yes``, ``3``, ``a,b``.

    A word of a list that has a comma in it stands in double quotes; a setting's table is JSON.
    Raise ArgumentError for a value that cannot be typed.
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


def _explain(problem: Any, model: type[TomlTable]) -> str:
    """Return one complaint of pydantic's as a sentence: where it is, and what may stand there."""
    key = ".".join(map(str, problem["loc"]))
    crawl = model.key if issubclass(model, CrawlTable) else None
    match problem["type"]:
        case "extra_forbidden":
            below = f"; a spider's arguments stand below [{crawl}.arguments]" if crawl else ""
            near = did_you_mean(key[:60], model.model_fields).rstrip(".")
            return f"there is no key {key[:60]!r}{near} ({', '.join(model.model_fields)}{below})"
        case "missing":
            return f"{key} is missing: write " + (
                f'{key} = "..."' if crawl else f"[[{key}]] tables"
            )
        case "string_type":
            return f"{key} must be a text in quotes"
        case "dict_type":
            return f"{key} must be a table"
        case "list_type":
            return f"{key}: write [[{key}]], with two brackets, before each"
        case _:
            return f"{key}: {problem['msg']}"

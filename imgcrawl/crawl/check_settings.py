"""Settings that were typed: is there such a setting, and can its value be meant?

What a value must be follows from the default of its setting, imgcrawl's or Scrapy's. A setting that
neither knows may be a user's own: it passes, with a warning if its name is near a known one.
"""

from __future__ import annotations

import logging
import math
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.settings import SETTINGS_PRIORITIES, Settings

from imgcrawl import settings as own_settings
from imgcrawl.arguments import FileArguments, ListArguments
from imgcrawl.crawl.renamed_settings import RENAMED_CLASSES, RENAMED_SETTINGS
from imgcrawl.records.errors import ArgumentError
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scrapy.settings import BaseSettings

_NEAR = 0.8  # of two names; a user's own is mostly farther from all of ours
_WORDS = {
    "IMAGE_CHECK": ("decode", "header", "off"),
    "CHANGED": ("refuse", "replace"),
    "SHARD_BY": ("record", "host"),
    "TABLES": ("csv", "csv,parquet"),
}
_WHOLE = frozenset({"WAYBACK_YEAR", "AWS_MAX_POOL_CONNECTIONS"})  # they have no default
# Of these nothing would happen at all with none, or for ever.
_AT_LEAST_ONE = frozenset(
    {
        *("CONCURRENT_REQUESTS", "CONCURRENT_REQUESTS_PER_DOMAIN", "CONCURRENT_ITEMS"),
        *("ITEMS_IN_FLIGHT", "ITEMS_IN_FLIGHT_PER_HOST", "SHARD_WORKERS", "SHARD_MACHINES"),
        *("STORE_CONNECTIONS", "VOLUME_CONNECTIONS", "VOLUMES_AT_ONCE", "FILE_CONNECTIONS"),
        "REACTOR_THREADPOOL_MAXSIZE",
    }
)
_SIGNED = ("_ADJUST", "_PRIORITY")  # what a name ends with whose number may be below zero
_SECONDS = (
    "DELAY",
    "TIMEOUT",
    "DEADLINE",
    "SECS",
    "SECONDS",
    "_TIME",
    "MAX",
)  # may be parts of one


def check_settings(settings: BaseSettings) -> list[str]:
    """Check the settings that were typed; return a warning for each that is near a known one.

    Raises ArgumentError with a line for each that cannot be meant.
    """
    typed = SETTINGS_PRIORITIES["cmdline"]
    names = [name for name in settings if (settings.getpriority(name) or 0) >= typed]
    return check_values({name: settings[name] for name in names})


def check_values(given: Mapping[str, Any]) -> list[str]:
    """Check settings by name; return a warning for each that is near a known one.

    Raises ArgumentError with a line for each that cannot be meant.
    """
    wrong: list[str] = []
    for name, value in given.items():
        try:
            _check(name, value)
        except ValueError as error:
            wrong.append(f"-s {name}={value}: {error}")
    if wrong:
        raise ArgumentError("\n".join(wrong))
    return [warning for name in given for warning in _warnings(name)]


def _warnings(name: str) -> Iterable[str]:
    """Yield what is to be said of a name that is none of the known ones, and near one of them."""
    if name in _known():
        return
    near = [name.upper()] if name.upper() in _known() else []
    near = near or get_close_matches(name.upper(), _known(), n=1, cutoff=_NEAR)
    if near:
        yield f"there is no setting {name}, and it changes nothing: did you mean {near[0]}?"


@cache
def _known() -> dict[str, Any]:
    """Return the default of every setting that imgcrawl or Scrapy has, by name."""
    scrapy = Settings()
    known = {name: scrapy[name] for name in scrapy}
    known |= {name: value for name, value in vars(own_settings).items() if name.isupper()}
    arguments = {**ListArguments.as_settings, **FileArguments.as_settings}
    return dict.fromkeys([*RENAMED_SETTINGS, *arguments.values(), "IMAGES_THUMBS"]) | known


def _check(name: str, value: Any) -> None:
    """Raise ValueError, which says what to type, for a value that cannot be meant."""
    default = _known().get(name)
    if not isinstance(value, str):
        return  # of a program: what types it has is its own
    if name in _WORDS:
        _require_word(value, _WORDS[name])
    elif name == "LOG_LEVEL":
        if not value.isdigit():
            _require_word(value, [*logging.getLevelNamesMapping()])
    elif name == "ALLOWED_PRIVATE_NETWORKS":
        _each(value, ip_network, "networks, such as 10.0.0.0/8,127.0.0.1/32")
    elif name.endswith("_HTTP_CODES"):
        _each(value, int, "numbers, such as 500,503")
    elif isinstance(default, bool):
        if value not in {"0", "1", "True", "true", "False", "false"}:
            raise ValueError("type 1 or 0")
    elif isinstance(default, int | float) or name in _WHOLE:
        _require_number(name, value, default)
    elif isinstance(default, dict):
        _require_table(name, value)
    elif isinstance(default, str) and default.startswith(("http://", "https://")):
        if urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc:
            raise ValueError(f"type an address, such as {default}")
    elif isinstance(default, str) and default.startswith(("imgcrawl.", "scrapy.")):
        _require_class(value)


def _require_word(value: str, words: Iterable[str]) -> None:
    if value not in words:
        near = did_you_mean(value, words)
        raise ValueError(f"one of {', '.join(map(repr, words))}{near}")


def _each(value: str, read: Callable[[str], object], what: str) -> None:
    try:
        for word in value.split(","):
            read(word.strip()) if word.strip() else None
    except ValueError:
        raise ValueError(f"type {what}") from None


def _require_number(name: str, value: str, default: Any) -> None:
    whole = not isinstance(default, float) and not name.endswith(_SECONDS)
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        raise ValueError(f"type a {'whole ' if whole else ''}number") from None
    if not math.isfinite(number):
        raise ValueError("type a number")
    least = 1 if name in _AT_LEAST_ONE else 0
    if number < least and not name.endswith(_SIGNED):
        raise ValueError(f"type {least} or more")


def _require_table(name: str, value: str) -> None:
    try:
        Settings({name: value}).getdict(name)
    except ValueError:
        raise ValueError('type a table as JSON, such as {"name": 1}') from None


def _require_class(value: str) -> None:
    module, _, name = RENAMED_CLASSES.get(value, value).rpartition(".")
    try:
        getattr(import_module(module), name)
    except (AttributeError, ImportError, ValueError) as error:
        raise ValueError(f"there is no such class ({error})") from error

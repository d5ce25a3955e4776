"""The cut of a dataset into shards, kept in OUT so that every later run cuts it the same way."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.retry import retry_outcomes

if TYPE_CHECKING:
    from imgcrawl.shards.place import ShardPlace

PLAN = "shards.json"
_FIGURES = (
    *("exit_status", "error", "records", "bytes", "missing_by_reason", "missing_by_host"),
    *("this_run", "classes"),
)
# Arguments that are about a run, and not about the dataset.
_OF_THE_RUN = frozenset({"out", "retry"})


@dataclass(frozen=True, slots=True)
class ShardRequest:
    """What was typed, checked; None for what was not."""

    spider: str
    arguments: dict[str, str]
    settings: dict[str, Any]  # those of the command line
    out: str  # an absolute path, or an address in a store
    default_cut: str
    n: int | None
    cut: str | None
    workers: int | None
    scheduler: str | None
    again: bool  # look at done shards again


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """One dataset in `n` shards.

    cut: "record" (by a hash of the record's id) or "host" (of its first URL)
    """

    spider: str
    arguments: dict[str, str]
    n: int
    cut: str

    def fingerprint(self) -> str:
        """Return what a shard's done marker must hold; it changes with a local list."""
        stamps = {}
        for name, value in self.arguments.items():
            path = Path(value)
            if len(value) < 4096 and "\0" not in value and path.is_file():
                found = path.stat()
                stamps[name] = [found.st_size, found.st_mtime_ns]
        text = json.dumps([asdict(self), stamps], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

    def save(self, place: ShardPlace) -> None:
        """Keep the plan in OUT."""
        place.write(PLAN, asdict(self))


def make_plan(
    place: ShardPlace, default: ShardPlan, *, n: int | None = None, cut: str | None = None
) -> ShardPlan:
    """Return the plan that OUT has, or else `default`, with `n` and `cut` if these are given.

    Raise ArgumentError if OUT was cut otherwise, or holds a dataset that was not cut.
    """
    kept = {name: value for name, value in default.arguments.items() if name not in _OF_THE_RUN}
    found = place.read(PLAN)
    if found is None:
        if place.has_ledger():
            raise ArgumentError(
                f"{place} holds a dataset that is not cut into shards. Go on with it by `scrapy "
                "crawl`, or choose another directory with -a out=DIR."
            )
        return ShardPlan(default.spider, kept, n or default.n, cut or default.cut)
    try:
        old = ShardPlan(**found)
    except TypeError as error:
        raise ArgumentError(f"{PLAN} in {place} is not a plan of shards ({error}).") from error
    new = ShardPlan(default.spider, kept, n or old.n, cut or old.cut)
    for name in ("spider", "arguments", "n", "cut"):
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            raise ArgumentError(
                f"{place} was cut with {name} = {_shown(was)}, not {_shown(wanted)}. Type that "
                "again, or choose another directory with -a out=DIR."
            )
    return old


def done(
    place: ShardPlace, k: int, fingerprint: str, run: str, retry: str | None
) -> dict[str, Any] | None:
    """Return the figures of a shard that needs no run, by its marker; None if it needs one.

    It needs none if it is complete, or misses only what is not worth another try, or was brought
    to its end by the very run that asks (`run`).
    """
    marker = place.read(place.marker(k))
    if marker is None or marker.get("fingerprint") != fingerprint:
        return None
    figures: dict[str, Any] = figures_of(marker["summary"])
    if marker["run"] == run or figures["exit_status"] == 0:
        return figures
    again = {outcome.value for outcome in retry_outcomes(retry)}
    return None if again & set(figures["missing_by_reason"]) else figures


def mark_done(
    place: ShardPlace, k: int, fingerprint: str, run: str, figures: dict[str, Any]
) -> None:
    """Mark a shard as done: the last thing that is written of it."""
    place.write(place.marker(k), {"fingerprint": fingerprint, "run": run, "summary": figures})


def figures_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return of a summary what that of the whole is made of: there may be 100,000 of them."""
    return {name: summary[name] for name in _FIGURES if name in summary}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"-a {name}={text}" for name, text in value.items()) or "no arguments"
    return str(value)

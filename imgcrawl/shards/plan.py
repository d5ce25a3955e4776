"""The cut of a dataset into shards, kept in OUT so that every later run cuts it the same way."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.retry import retry_outcomes
from imgcrawl.storage.directory import LEDGER

PLAN = "shards.json"
DONE = "done.json"
# Arguments that are about a run, and not about the dataset.
_OF_THE_RUN = frozenset({"out", "retry"})


@dataclass(frozen=True, slots=True)
class ShardRequest:
    """What was typed, checked; None for what was not."""

    spider: str
    arguments: dict[str, str]
    settings: dict[str, Any]  # those of the command line
    out: Path  # absolute
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

    def folder(self, out: Path, k: int) -> Path:
        """Return the OUT of shard k, of 1 to n."""
        return out / f"shard={k}"

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

    def save(self, out: Path) -> None:
        """Keep the plan in OUT."""
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / PLAN, asdict(self))


def make_plan(
    out: Path, default: ShardPlan, *, n: int | None = None, cut: str | None = None
) -> ShardPlan:
    """Return the plan that OUT has, or else `default`, with `n` and `cut` if these are given.

    Raise ArgumentError if OUT was cut otherwise, or holds a dataset that was not cut.
    """
    kept = {name: value for name, value in default.arguments.items() if name not in _OF_THE_RUN}
    found = read_json(out / PLAN)
    if found is None:
        if (out / LEDGER).exists():
            raise ArgumentError(
                f"{out} holds a dataset that is not cut into shards. Go on with it by `scrapy "
                "crawl`, or choose another directory with -a out=DIR."
            )
        return ShardPlan(default.spider, kept, n or default.n, cut or default.cut)
    try:
        old = ShardPlan(**found)
    except TypeError as error:
        raise ArgumentError(f"{out / PLAN} is not a plan of shards ({error}).") from error
    new = ShardPlan(default.spider, kept, n or old.n, cut or old.cut)
    for name in ("spider", "arguments", "n", "cut"):
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            raise ArgumentError(
                f"{out} was cut with {name} = {_shown(was)}, not {_shown(wanted)}. Type that "
                "again, or choose another directory with -a out=DIR."
            )
    return old


def done(folder: Path, fingerprint: str, run: str, retry: str | None) -> dict[str, Any] | None:
    """Return the summary of a shard that needs no run, by its marker; None if it needs one.

    It needs none if it is complete, or misses only what is not worth another try, or was brought
    to its end by the very run that asks (`run`).
    """
    marker = read_json(folder / DONE)
    if marker is None or marker.get("fingerprint") != fingerprint:
        return None
    summary: dict[str, Any] = marker["summary"]
    if marker["run"] == run or summary["exit_status"] == 0:
        return summary
    again = {outcome.value for outcome in retry_outcomes(retry)}
    return None if again & set(summary["missing_by_reason"]) else summary


def mark_done(folder: Path, fingerprint: str, run: str, summary: dict[str, Any]) -> None:
    """Mark a shard as done: the last thing that is written of it."""
    write_json(folder / DONE, {"fingerprint": fingerprint, "run": run, "summary": summary})


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a JSON object; None if there is no such file, or something else in it."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object as a whole, or leave what is there."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)  # a link that lies there is not written through
    temporary.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    temporary.replace(path)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"-a {name}={text}" for name, text in value.items()) or "no arguments"
    return str(value)

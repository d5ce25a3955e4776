"""The result of the shards of a run as one dataset: its tables, and its summary.json."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.annotations import merge_annotations
from imgcrawl.dataset.history import add_run, row_of_summary
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.rebuild import rebuild_at
from imgcrawl.records.errors import OutputError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.outcomes import Outcome
from imgcrawl.shards.place import FolderPlace
from imgcrawl.storage.directory import LEDGER, SUMMARY
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.shards.driver import ShardResults
    from imgcrawl.shards.place import ShardPlace
    from imgcrawl.shards.plan import ShardPlan


def exit_status(plan: ShardPlan, results: ShardResults, signum: int | None) -> int:
    """Return 0, 3 if a shard misses something, 1 if one failed or 128 + N, as ``scrapy crawl``."""
    if signum is not None:
        return 128 + signum
    if results.errors or len(results.summaries) < plan.n:
        return ExitStatus.FAILED
    return max((s["exit_status"] for s in results.summaries.values()), default=0)


def write_result(
    plan: ShardPlan, place: ShardPlace, results: ShardResults, status: int, started: float
) -> dict[str, Any]:
    """Merge the tables of all shards, also of those not done; return the summary of the whole.

    started: seconds since the epoch
    """
    numbers = range(1, plan.n + 1)
    summaries = dict(results.summaries)
    unfinished = {k for k in numbers if "records" not in summaries.get(k, {})}
    with place.tables(numbers, unfinished) as root:
        for k in sorted(unfinished):
            folder = root / f"shard={k}"
            if (folder / LEDGER).is_file():
                summaries[k] = {**summaries.get(k, {}), **_from_ledger(folder)}
        merge_tables([MergeInput(f"shard={k}", root / f"shard={k}") for k in numbers], root)
        merge_annotations((root / f"shard={k}" for k in numbers), root)
        whole = _summary(plan, results, summaries, status, started)
        FolderPlace(root).write(SUMMARY, whole)
        add_run(root, row_of_summary(whole))
    return whole


def _summary(
    plan: ShardPlan,
    results: ShardResults,
    summaries: dict[int, dict[str, Any]],
    status: int,
    started: float,
) -> dict[str, Any]:
    summary = _summed(
        list(summaries.values()), [summaries[k] for k in results.ran if k in summaries]
    )
    error = next(iter(results.errors.values()), None)
    return {
        "spider": plan.spider,
        "arguments": plan.arguments,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "ended_at": utc_now(),
        "seconds": round(time.time() - started, 3),
        "exit_status": status,
        "error": error,
        **summary,
        "shards": {
            "n": plan.n,
            "cut": plan.cut,
            "exit_status": {
                k: summaries.get(k, {}).get("exit_status") for k in range(1, plan.n + 1)
            },
            "errors": results.errors,
        },
    }


def _summed(summaries: list[dict[str, Any]], ran: list[dict[str, Any]]) -> dict[str, Any]:
    full = [summary for summary in summaries if "records" in summary]
    by_host: dict[str, Counter[str]] = {}
    for summary in full:
        for host, reasons in summary.get("missing_by_host", {}).items():
            by_host.setdefault(host, Counter()).update(reasons)
    these = [summary["this_run"] for summary in ran if "this_run" in summary]
    expected = [s["records"]["expected"] for s in full if s["records"].get("expected")]
    summed: dict[str, Any] = {
        "records": {
            "stored": sum(s["records"]["stored"] for s in full),
            "missing": sum(s["records"]["missing"] for s in full),
            "expected": max(expected, default=None),  # each shard is promised the whole
        },
        "bytes": sum(s["bytes"] for s in full),
        "missing_by_reason": _counted([s["missing_by_reason"] for s in full]),
        "missing_by_host": {host: dict(sorted(by_host[host].items())) for host in sorted(by_host)},
        "this_run": {
            "outcomes": _counted([run["outcomes"] for run in these]),
            "already_there": sum(run["already_there"] for run in these),
            "not_tried_again": sum(run.get("not_tried_again", 0) for run in these),
            "bytes": sum(run["bytes"] for run in these),
        },
    }
    # Each shard has read the whole list, and checked what is its own part of it.
    if (reads := [s["read"] for s in full if "read" in s]) and all(r == reads[0] for r in reads):
        summed["read"] = reads[0]
    classes = [s["classes"] for s in full if "classes" in s]
    if classes:
        summed["classes"] = {
            name: sum(c[name] for c in classes) for name in ("wanted", "complete", "replaced")
        } | {"short": _counted([c["short"] for c in classes])}
    return summed


def _counted(parts: list[dict[str, int]]) -> dict[str, int]:
    counter: Counter[str] = Counter()
    for part in parts:
        counter.update(part)
    return dict(sorted(counter.items()))


def _from_ledger(folder: Path) -> dict[str, Any]:
    """Rebuild the tables of a shard whose crawl wrote no summary, and return its figures."""
    try:
        found = rebuild_at(folder)
    except OutputError:
        return {}  # still in use
    missing = {outcome: n for outcome, n in found.outcomes.items() if outcome != Outcome.STORED}
    return {
        "records": {"stored": found.stored, "missing": sum(missing.values()), "expected": None},
        "bytes": found.bytes,
        "missing_by_reason": {outcome.value: n for outcome, n in missing.items()},
    }

"""The result of a plan: one metadata.csv and failures.csv over all crawls, and summary.json."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import imgcrawl
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.rebuild import rebuild_at
from imgcrawl.plans.card import write_card
from imgcrawl.plans.state import CrawlState, plan_exit_status
from imgcrawl.progress.channel import MAX_TEXT
from imgcrawl.progress.row import CrawlPhase
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.storage.directory import FAILURES, LEDGER, METADATA, SUMMARY, OutputDirectory
from imgcrawl.text.redact import printable
from imgcrawl.text.sizes import format_size
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.plans.file import CrawlPlan

COLUMN = "dataset"  # of the tables: the crawl's name


def open_target(plan: CrawlPlan) -> OutputDirectory:
    """Return the plan's own OUT, locked against a second run of it.

    Raise ArgumentError if it holds a dataset of its own, whose tables would be overwritten, and
    OutputError if it cannot be written to or is in use.
    """
    tables = plan.out / METADATA, plan.out / FAILURES
    foreign = any(table.exists() for table in tables) and not read_earlier(plan.out)
    if foreign or (plan.out / LEDGER).exists():
        raise ArgumentError(
            f"{plan.path}: out: {plan.out} holds another dataset, whose {METADATA} would be "
            "overwritten. Choose another directory with out = ..."
        )
    try:
        return OutputDirectory(plan.out)
    except OutputError as error:
        raise OutputError(str(error).replace("-a out=DIR", "out = ... in the plan")) from error


def read_earlier(out: Path) -> dict[str, Any]:
    """Return the crawls of an earlier run from its summary.json, by name; empty without one."""
    try:
        loaded = json.loads((out / SUMMARY).read_text("utf-8"))
        crawls = loaded["crawls"] if loaded["plan"] else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return crawls if isinstance(crawls, dict) else {}


def unfinished(plan: CrawlPlan) -> set[str]:
    """Return the names of crawls that have not, as the plan has them, ended with status 0."""
    before = read_earlier(plan.out)
    finished = {
        crawl.name
        for crawl in plan.crawls
        if isinstance(earlier := before.get(crawl.name), dict)
        and earlier.get("exit_status") == 0
        and earlier.get("fingerprint") == crawl.fingerprint
    }
    return {crawl.name for crawl in plan.crawls} - finished


def write_summary(
    target: OutputDirectory,
    plan: CrawlPlan,
    states: list[CrawlState],
    *,
    started_at: str,
    signum: int | None = None,
    figures: dict[str, dict[str, int]] | None = None,
) -> dict[str, Any]:
    """Write summary.json, and return it.

    `figures`: of each crawl ``stored``, ``missing`` (records) and ``bytes``; None while it runs.
    """
    before = read_earlier(target.root)
    crawls = {s.crawl.name: _crawl_summary(s, target.root, before) for s in states}
    for name, counts in (figures or {}).items():
        crawls[name] |= counts
    summary: dict[str, Any] = {
        "plan": str(plan.path),
        "version": imgcrawl.__version__,
        "started_at": started_at,
        "ended_at": utc_now() if figures is not None else None,
        "exit_status": plan_exit_status(states, signum) if figures is not None else None,
        "crawls": crawls,
    }
    for key in ("stored", "missing", "bytes"):
        summary[key] = sum(crawl.get(key, 0) for crawl in crawls.values())
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    target.write(SUMMARY, lambda file: file.write(text))
    return summary


def _crawl_summary(state: CrawlState, root: Path, before: dict[str, Any]) -> dict[str, Any]:
    crawl, earlier = state.crawl, before.get(state.crawl.name)
    summary = {
        "spider": crawl.spider,
        "arguments": crawl.arguments,
        "out": os.path.relpath(crawl.out, root),
        "fingerprint": crawl.fingerprint,
        "state": str(state.progress.phase),
        "exit_status": state.exit_status,
        "error": state.error,
        "seconds": state.seconds,
    }
    not_begun = state.progress.phase in {CrawlPhase.LEFT_OUT, CrawlPhase.WAITING}
    if (
        not_begun
        and isinstance(earlier, dict)
        and earlier.get("fingerprint") == crawl.fingerprint
        and earlier.get("exit_status") is not None
    ):
        # The result of an earlier run still holds.
        summary |= {k: earlier[k] for k in ("state", "exit_status", "error") if k in earlier}
    return summary


def merge_results(
    target: OutputDirectory,
    plan: CrawlPlan,
    states: list[CrawlState],
    *,
    started_at: str,
    signum: int | None,
) -> tuple[dict[str, Any], list[str]]:
    """Merge the tables of all crawls, those of earlier runs included.

    Return the summary, and a sentence on each crawl that could not be taken in.
    """
    parts, figures, left_out = [], {}, []
    for crawl in plan.crawls:
        if not (crawl.out / LEDGER).is_file():
            continue
        try:
            found = rebuild_at(crawl.out, only_killed=True)
        except OutputError as error:
            left_out.append(f"{crawl.name} is not in {METADATA}: {error}")
            continue
        figures[crawl.name] = {
            "stored": found.stored,
            "missing": found.missing,
            "bytes": found.bytes,
        }
        parts.append(MergeInput(crawl.name, crawl.out, {COLUMN: crawl.name}))
    summary = write_summary(
        target, plan, states, started_at=started_at, signum=signum, figures=figures
    )
    merge_tables(parts, target.root)
    write_card(target, [part.name for part in parts])
    return summary, left_out


def format_result(summary: dict[str, Any], out: Path) -> str:
    """Return the summary for a person: a line a crawl, and the paths of the tables."""
    crawls = summary["crawls"]
    width = max(map(len, crawls))
    lines = []
    for name, crawl in crawls.items():
        size = format_size(crawl.get("bytes", 0))
        error = f"  {printable(crawl['error'], MAX_TEXT)}" if crawl["error"] else ""
        lines.append(
            f"{name:<{width}}  {crawl['state']:<12}  {crawl.get('stored', 0):>9,} stored  "
            f"{crawl.get('missing', 0):>7,} missing  {size:>10}{error}"
        )
    lines.append(
        f"Together {summary['stored']:,} stored ({format_size(summary['bytes'])}), "
        f"{summary['missing']:,} missing. {METADATA}, {FAILURES} and {SUMMARY} over all are "
        f"in {out}"
    )
    if summary["exit_status"]:
        lines.append("The same command again goes on from here, and retries what may be had.")
    return "\n".join(lines)

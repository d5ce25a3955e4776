"""What a plan came to: one metadata.csv and failures.csv over all crawls, and summary.json."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import imgcrawl
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.rebuild import rebuild_at
from imgcrawl.plans.display import printable
from imgcrawl.plans.state import CrawlPhase, CrawlState, exit_status
from imgcrawl.records.errors import ArgumentError, OutputError
from imgcrawl.storage.directory import FAILURES, LEDGER, METADATA, SUMMARY, OutputDirectory
from imgcrawl.text.sizes import format_size
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.plans.file import CrawlPlan

COLUMN = "dataset"  # of the tables: the crawl's name


def open_target(plan: CrawlPlan) -> OutputDirectory:
    """The plan's own OUT, locked against a second run of it.

    Raises ArgumentError where it holds a dataset of its own, whose tables would be overwritten, and
    OutputError where it cannot be written to or is in use.
    """
    tables = plan.out / METADATA, plan.out / FAILURES
    foreign = any(table.exists() for table in tables) and not earlier(plan.out)
    if foreign or (plan.out / LEDGER).exists():
        raise ArgumentError(
            f"{plan.path}: out: {plan.out} holds another dataset, whose {METADATA} would be "
            "overwritten. Choose another directory with out = ..."
        )
    try:
        return OutputDirectory(plan.out)
    except OutputError as error:
        raise OutputError(str(error).replace("-a out=DIR", "out = ... in the plan")) from error


def earlier(out: Path) -> dict[str, Any]:
    """What summary.json says of the crawls of an earlier run, by name; empty without one."""
    try:
        loaded = json.loads((out / SUMMARY).read_text("utf-8"))
        crawls = loaded["crawls"] if loaded["plan"] else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return crawls if isinstance(crawls, dict) else {}


def unfinished(plan: CrawlPlan) -> set[str]:
    """Names of the crawls that have not, as they stand in the plan, ended with status 0."""
    before = earlier(plan.out)
    finished = {
        crawl.name
        for crawl in plan.crawls
        if isinstance(told := before.get(crawl.name), dict)
        and told.get("exit_status") == 0
        and told.get("fingerprint") == crawl.fingerprint
    }
    return {crawl.name for crawl in plan.crawls} - finished


def write_summary(
    target: OutputDirectory,
    plan: CrawlPlan,
    standings: list[CrawlState],
    *,
    started_at: str,
    signum: int | None = None,
    figures: dict[str, dict[str, int]] | None = None,
) -> dict[str, Any]:
    """Write summary.json, and return it.

    `figures`: of each crawl ``stored``, ``missing`` (records) and ``bytes``; None while it runs.
    """
    before = earlier(target.root)
    crawls = {s.crawl.name: _crawl_summary(s, target.root, before) for s in standings}
    for name, counts in (figures or {}).items():
        crawls[name] |= counts
    summary: dict[str, Any] = {
        "plan": str(plan.path),
        "version": imgcrawl.__version__,
        "started_at": started_at,
        "ended_at": utc_now() if figures is not None else None,
        "exit_status": exit_status(standings, signum) if figures is not None else None,
        "crawls": crawls,
    }
    for key in ("stored", "missing", "bytes"):
        summary[key] = sum(crawl.get(key, 0) for crawl in crawls.values())
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    target.write(SUMMARY, lambda file: file.write(text))
    return summary


def _crawl_summary(standing: CrawlState, root: Path, before: dict[str, Any]) -> dict[str, Any]:
    crawl, told = standing.crawl, before.get(standing.crawl.name)
    summary = {
        "spider": crawl.spider,
        "arguments": crawl.arguments,
        "out": os.path.relpath(crawl.out, root),
        "fingerprint": crawl.fingerprint,
        "state": standing.state.value,
        "exit_status": standing.exit_status,
        "error": standing.error,
        "seconds": standing.seconds,
    }
    not_begun = standing.state in {CrawlPhase.LEFT_OUT, CrawlPhase.WAITING}
    if not_begun and isinstance(told, dict) and told.get("fingerprint") == crawl.fingerprint:
        # What it came to in an earlier run holds still.
        ended = told if told.get("exit_status") is not None else {}
        summary |= {key: ended[key] for key in ("state", "exit_status", "error") if key in ended}
    return summary


def consolidate(
    target: OutputDirectory,
    plan: CrawlPlan,
    standings: list[CrawlState],
    *,
    started_at: str,
    signum: int | None,
) -> tuple[dict[str, Any], list[str]]:
    """Bring the tables of all crawls together, those of earlier runs included.

    The summary, and a sentence on each crawl that could not be taken in.
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
        target, plan, standings, started_at=started_at, signum=signum, figures=figures
    )
    merge_tables(parts, target.root)
    return summary, left_out


def in_words(summary: dict[str, Any], out: Path) -> str:
    """The summary for a person: a line a crawl, and where everything is."""
    crawls = summary["crawls"]
    width = max(map(len, crawls))
    lines = []
    for name, crawl in crawls.items():
        size = format_size(crawl.get("bytes", 0))
        error = f"  {printable(crawl['error'])}" if crawl["error"] else ""
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

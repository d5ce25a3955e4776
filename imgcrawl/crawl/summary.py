"""What a run came to: its exit status, summary.json, and a few sentences."""

from __future__ import annotations

import json
import platform
import time
from collections import Counter
from dataclasses import asdict
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

import PIL
import scrapy

import imgcrawl
from imgcrawl.crawl.run_records import UNMATCHED, WITHDRAWN
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.records.items import Read
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import CHANGES, CLASSES, FAILURES, METADATA, SUMMARY
from imgcrawl.text.redact import plain_text, without_secrets
from imgcrawl.text.sizes import format_size
from imgcrawl.text.times import utc_now

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.crawl.run import Run
    from imgcrawl.dataset.entries import ClassCount

_MAX_HOSTS = 1000  # in summary.json; those with most failures
_MAX_CLASSES = 100_000  # likewise
# How far a file was proved (imgcrawl/microscopy/proof.py).
_CHECKED_WORDS = ("whole", "header", "unchecked")


def exit_status_of(run: Run, reason: str, signum: int | None) -> int:
    """Return the exit status of a run that closed for `reason` (Scrapy's word)."""
    if signum is not None:
        return 128 + signum
    if run.refused:
        return ExitStatus.USAGE
    if run.error or reason != "finished":
        return ExitStatus.FAILED
    counts = run.counts
    lacks = counts.mostly_absent or counts.foreseen_missing or run.halted
    whole = run.is_complete() and not lacks
    return ExitStatus.COMPLETE if whole else ExitStatus.SOME_MISSING


def write_summary(run: Run, summary: dict[str, Any]) -> None:
    """Write summary.json."""
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    run.out.write(SUMMARY, lambda file: file.write(text))


def summarize(run: Run, crawler: Crawler, reason: str, exit_status: int) -> dict[str, Any]:
    """Return the contents of summary.json: what was asked, and what came of it."""
    counts = Counter(run.ledger.counts())
    promised = Counter(run.ledger.counts(promised=True))
    unreadable = run.ledger.n_unreadable()
    counts[Outcome.BAD_URL] += unreadable
    promised[Outcome.BAD_URL] += unreadable
    classes = list(run.ledger.classes())
    short = sum(count.short for count in classes)
    arguments = getattr(crawler.spider, "arguments_given", {})
    this_run = run.counts
    summary: dict[str, Any] = {
        "spider": crawler.spidercls.name,
        "arguments": {name: without_secrets(str(value)) for name, value in arguments.items()},
        "versions": _versions(),
        "started_at": run.records.started_at,
        "ended_at": utc_now(),
        "seconds": round(time.monotonic() - run.started, 3),
        "exit_status": exit_status,
        "finish_reason": reason,
        "error": plain_text(run.error) if run.error else run.halted,
        "records": {
            "stored": counts.get(Outcome.STORED, 0),
            "missing": promised.total() - promised[Outcome.STORED] + short,
            "expected": this_run.expected,
        },
        "outdated": run.ledger.n_outdated(),
        "mostly_absent": this_run.mostly_absent,
        "withdrawn": run.ledger.n_with(WITHDRAWN) + run.ledger.n_with(UNMATCHED),
        "bytes": run.ledger.stored_bytes(),
        "missing_by_reason": {
            outcome.value: n
            for outcome, n in sorted(counts.items())
            if outcome != Outcome.STORED and n
        },
        "missing_by_host": _by_host(run),
        "this_run": {
            "outcomes": {o.value: n for o, n in sorted(this_run.outcomes.items()) if n},
            "already_there": this_run.unchanged - this_run.not_retried,
            "not_tried_again": this_run.not_retried,
            "changed": this_run.changed,
            "relabelled": this_run.relabelled,
            "withdrawn": this_run.withdrawn,
            "bytes": this_run.bytes,
        },
    }
    if insecure := crawler.settings.getlist("INSECURE_TLS_HOSTS"):
        summary["insecure_tls_hosts"] = sorted(insecure)
    if this_run.read is not None:
        summary["read"] = asdict(this_run.read)
    if this_run.not_followed:
        summary["not_followed"] = {
            "pages": this_run.not_followed.total(),
            "why": dict(this_run.not_followed.most_common()),
            "first": [without_secrets(url) for url in this_run.first_not_followed],
        }
    if checked := _checked(run):
        summary["checked"] = checked
    if classes:
        n_candidates = counts.total() - promised.total()
        summary["classes"] = _classes(classes, n_candidates)
    return summary


def as_stats(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary as Scrapy's stats have it, for what reads those: spidermon, ScrapydWeb."""
    stats = {f"imgcrawl/{name}": n for name, n in summary["records"].items()}
    for reason, n in summary["missing_by_reason"].items():
        stats[f"imgcrawl/missing/{reason}"] = n
    for outcome, n in summary["this_run"]["outcomes"].items():
        stats[f"imgcrawl/this_run/{outcome}"] = n
    return stats | {f"imgcrawl/{name}": summary[name] for name in ("bytes", "exit_status")}


def _checked(run: Run) -> dict[str, int]:
    """Return how many stored files were proved how far; empty for a crawl of pictures."""
    if "checked" not in run.ledger.columns():
        return {}
    found = run.ledger.count_values("checked")
    return {word: found[word] for word in _CHECKED_WORDS if word in found}


def _classes(classes: list[ClassCount], n_candidates: int) -> dict[str, Any]:
    return {
        "wanted": len(classes),
        "complete": sum(not count.short for count in classes),
        "short": {c.key: c.short for c in classes[:_MAX_CLASSES] if c.short},
        "replaced": n_candidates - sum(c.stored for c in classes),
    }


def _versions() -> dict[str, str]:
    return {
        "imgcrawl": imgcrawl.__version__,
        "scrapy": scrapy.__version__,
        "pillow": PIL.__version__,
        "python": platform.python_version(),
    }


def _by_host(run: Run) -> dict[str, dict[str, int]]:
    """Return the outcomes of the hosts with most failures; memory does not grow with the hosts."""
    worst = nsmallest(
        _MAX_HOSTS, run.ledger.failed_hosts(), key=lambda pair: (-sum(pair[1].values()), pair[0])
    )
    return dict(worst)


def format_summary(summary: dict[str, Any], out: str) -> str:
    """Return the summary for people: what is stored, what is missing and why, what to type next."""
    records, run = summary["records"], summary["this_run"]
    lines = [
        f"{records['stored']:,} stored ({format_size(summary['bytes'])}), "
        f"{records['missing']:,} missing."
        f"  This run: {run['outcomes'].get('stored', 0):,} new ({format_size(run['bytes'])}), "
        f"{run['already_there']:,} already there"
        + (f", {run['not_tried_again']:,} not tried again" if run.get("not_tried_again") else "")
        + f", in {summary['seconds']:,.1f} s."
    ]
    if not (records["stored"] or records["missing"] or summary["error"]):
        lines.append("No record came of the source: nothing was promised, and nothing is stored.")
    if classes := summary.get("classes"):
        lines.append(
            f"{classes['complete']:,} of {classes['wanted']:,} classes are complete; "
            f"{classes['replaced']:,} candidates failed and others took their places. "
            f"{CLASSES} has the figures of each."
        )
    if run.get("changed"):
        lines.append(f"{run['changed']:,} are asked for in another way than before.")
    if run.get("relabelled") or run.get("withdrawn"):
        lines.append(
            f"{run['relabelled']:,} rows are other ones by now ({CHANGES} has what they were), and "
            f"{run['withdrawn']:,} records are no longer listed: their files are kept (columns "
            f"{WITHDRAWN} and {UNMATCHED})."
        )
    if outdated := summary.get("outdated"):
        lines.append(
            f"{outdated:,} have the file of before still: what is asked for by now cannot be had "
            f"(column outdated of {METADATA})."
        )
    if absent := summary.get("mostly_absent"):
        lines.append(
            f"{absent:,} are fill value for the most part: their source does not have the chunks "
            f"(column mostly_absent of {METADATA}). Type -a allow_empty=1 if so it is."
        )
    if unchecked := summary.get("checked", {}).get("unchecked"):
        lines.append(
            f"{unchecked:,} are of no format that is known here: stored as they came "
            f"(column checked of {METADATA})."
        )
    lines += [
        f"  {n:,} {reason}{_hint(reason)}" for reason, n in summary["missing_by_reason"].items()
    ]
    if insecure := summary.get("insecure_tls_hosts"):
        lines.append(f"The certificates of these hosts were not verified: {', '.join(insecure)}.")
    if read := summary.get("read"):
        lines.append(str(Read(**read)))
    if left := summary.get("not_followed"):
        lines.append(
            f"{left['pages']:,} parts of the source were not followed, and may lead to more "
            f"({'; '.join(left['why'])}): {SUMMARY} names them. The first is {left['first'][0]}"
        )
    lines.append(f"Files and {METADATA} are in {out}")
    if records["missing"] or summary.get("outdated"):
        again = any(Outcome(reason).retryable for reason in summary["missing_by_reason"])
        lines.append(
            f"What is missing, and why, is in {out}/{FAILURES}."
            + (" The same command again retries what may still be had." if again else "")
        )
    if summary["error"]:
        lines.insert(0, f"Stopped: {summary['error']}")
    elif summary["exit_status"] > 128:
        lines.insert(0, "Stopped by a signal. The same command goes on from here.")
    elif (reason := summary.get("finish_reason", "")).startswith("closespider_"):
        setting = reason.upper()
        lines.insert(0, f"Stopped: {setting} was reached. The same command goes on from here.")
    return "\n".join(lines)


def _hint(reason: str) -> str:
    return "" if Outcome(reason).retryable else " (not tried again unless -a retry=all)"

"""The jobs of a Scrapyd as its page shows them: what runs, what waits, and the last that ended."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from imgcrawl.records.exit_status import describe_status
from imgcrawl.storage.directory import FAILURES, REPORT, RUNS, SUMMARY, open_plain
from imgcrawl.text.redact import plain_text, printable
from imgcrawl.text.sizes import format_size

PROGRESS = "progress"  # below Scrapyd's folder: a file for each job
_FINISHED = 50  # jobs that are shown
JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
# Of an OUT, what a job's links lead to: the word for it, and its type.
SHOWN = {
    REPORT: ("report", "text/html; charset=utf-8"),
    SUMMARY: ("summary", "application/json"),
    FAILURES: ("missing", "text/plain; charset=utf-8"),
    RUNS: ("runs", "text/plain; charset=utf-8"),
}


def jobs_of(root: Any) -> list[dict[str, Any]]:
    """Return what the page shows of each job: what runs, what waits, and the last that ended."""
    processes = sorted(root.launcher.processes.values(), key=lambda process: process.start_time)
    jobs = [_job(root, _Job(p.project, p.spider, p.job), "running", p.args) for p in processes]
    for project, queue in root.poller.queues.items():
        for message in queue.list():
            words = [f"{name}={value}" for name, value in message.items() if name[0] != "_"]
            words = [word for word in words if not word.startswith(("name=", "settings="))]
            args = [word for pair in words for word in ("-a", pair)]
            jobs.append(
                _job(root, _Job(project, message["name"], message["_job"]), "pending", args)
            )
    ended = [*root.launcher.finished][:_FINISHED]
    jobs += [_job(root, _Job(e.project, e.spider, e.job), "finished", []) for e in ended]
    return jobs


class _Job(NamedTuple):
    project: str
    spider: str
    job: str


def _job(root: Any, named: _Job, state: str, args: list[str]) -> dict[str, Any]:
    project, spider, job = named
    known = progress_of(job)
    out, expected = known.get("out") or "", known.get("expected")
    done, missing = (_number(known.get(name)) for name in ("done", "missing"))
    words = [after for before, after in pairwise(args) if before == "-a" and after[:1] != "_"]
    how = state
    if state == "finished" and (status := known.get("exit_status")) is not None:
        how = describe_status(_number(status))
        how += f": {known['error']}" if known.get("error") else ""
    links = {}
    if (log := root.get_log_url(named)) is not None:
        links["log"] = quote(log.lstrip("/"))
    for name, (title, _) in SHOWN.items() if out and "://" not in out else ():
        if (Path(out) / name).is_file():
            links[title] = f"out/{quote(job)}/{name}"
    records = f"{done:,}" + (f" of {_number(expected):,}" if expected else "")
    return {
        "project": project,
        "spider": printable(spider),
        "job": job,
        "state": state,
        "how": printable(plain_text(how), 300),
        "arguments": printable(plain_text(" ".join(words)), 300) or printable(out, 300),
        "done": done,
        "expected": _number(expected) if expected else 0,
        "records": (records + (f", {missing:,} missing" if missing else "")) if known else "",
        "size": format_size(_number(known.get("bytes"))) if known else "",
        "activity": printable(str(known.get("activity") or "")) if state == "running" else "",
        "links": links,
    }


def progress_of(job: str) -> dict[str, Any]:
    """Return what a job has told of its progress; nothing if it has not, or told no JSON object."""
    if not JOB_NAME.fullmatch(job):
        return {}
    try:
        with open_plain(Path(PROGRESS) / f"{job}.json") as file:
            found = json.loads(file.read(1 << 16))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0

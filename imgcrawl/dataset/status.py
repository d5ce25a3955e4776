"""The status of the last run of each dataset, read from the files in its OUT.

Nothing is written and the ledger is not opened: a run that is under way is not disturbed.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcrawl.records.exit_status import ExitStatus, describe_status
from imgcrawl.storage.directory import LEDGER, LOCK, SUMMARY, holder_of, open_plain
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.storage.base import Storage

RUNNING = "running"
KILLED = "killed"
ENDED = "ended"
UNKNOWN = "unknown"

_LONGEST = 64 << 20  # bytes of a summary.json; those of a hundred thousand classes take four


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of one OUT. Counts and times are those of the last run that ended."""

    out: str
    state: str  # running | killed | ended | unknown
    spider: str | None = None
    process: int | None = None  # the one that runs, or was killed
    ended_at: str | None = None  # UTC, ISO 8601
    seconds: float | None = None
    exit_status: int | None = None
    error: str | None = None
    stored: int | None = None
    missing: int | None = None
    new: int | None = None  # stored in that run
    bytes: int | None = None
    last_write_at: str | None = None  # UTC: of the ledger, which tells when a killed run was alive

    @property
    def severity(self) -> int:
        """Rank among several: 0 for complete or running, then missing, interrupted, failed."""
        return _SEVERITY.index(self._kind())

    @property
    def worst_status(self) -> int:
        """The exit status of ``scrapy status`` if this is the worst."""
        kind = self._kind()
        return (self.exit_status or 0) if kind == "interrupted" else int(_EXIT[kind])

    def describe(self) -> str:
        """Return one line about the last run, for people."""
        match self.state:
            case "running":
                return f"running now (process {self.process or 'unknown'})"
            case "killed":
                return f"killed (process {self.process or 'unknown'}); the same command goes on"
            case "ended" if self.exit_status is not None:
                words = describe_status(self.exit_status)
                return f"{words} ({self.error})" if self.error else words
        return self.error or "no run has ended here"

    def as_json(self) -> dict[str, Any]:
        """Return all fields, and the line for people, for JSON."""
        return asdict(self) | {"in_words": self.describe()}

    def _kind(self) -> str:
        if self.state == RUNNING:
            return "well"
        if self.state != ENDED or self.exit_status is None:
            return "failed"
        if self.exit_status > 128:
            return "interrupted"
        known = {0: "well", 3: "missing"}
        return known.get(self.exit_status, "failed")


_SEVERITY = ("well", "missing", "interrupted", "failed")
_EXIT = {
    "well": ExitStatus.COMPLETE,
    "missing": ExitStatus.SOME_MISSING,
    "failed": ExitStatus.FAILED,
}


def find_outs(root: Path) -> Iterator[Path]:
    """Yield the OUTs at or below a folder, sorted by name. Their files are not read."""
    for folder, below, files in os.walk(root):
        if LEDGER in files or SUMMARY in files:
            below.clear()
            yield Path(folder)
        below[:] = sorted(name for name in below if not name.startswith("."))


def read_status(root: Path) -> RunStatus:
    """Return the status of one OUT; a file that cannot be read is its error, not an exception."""
    shown = str(root)
    try:
        running, process = holder_of(root)
    except OSError as error:
        return RunStatus(shown, UNKNOWN, error=f"cannot be looked into ({error.strerror})")
    state = RUNNING if running else KILLED if process is not None else ENDED
    try:
        known = _parse_summary(json.loads(_read_summary(root)))
    except FileNotFoundError:
        known = {}
        state = UNKNOWN if state == ENDED else state
    except (OSError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        words = printable(f"{type(error).__name__}: {error}")
        known = {"error": f"{SUMMARY} cannot be read ({words})"}
        state = UNKNOWN if state == ENDED else state
    return RunStatus(shown, state, process=process, last_write_at=_last_write(root), **known)


def read_store_status(store: Storage, shown: str, stale: float) -> RunStatus:
    """Return the status of an OUT in an object store; nothing is locked. Raises StoreError.

    stale: seconds without a sign of life after which a run there counts as dead
    """
    lock, kept = store.read(LOCK), store.read(SUMMARY)
    state, seen = ENDED, None
    if lock is not None:
        state = RUNNING if time.time() - lock.changed_at.timestamp() < stale else KILLED
        seen = lock.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        known = {} if kept is None else _parse_summary(json.loads(kept.data))
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        words = printable(f"{type(error).__name__}: {error}")
        known, kept = {"error": f"{SUMMARY} cannot be read ({words})"}, None
    if kept is None and state == ENDED:
        state = UNKNOWN
    return RunStatus(shown, state, last_write_at=seen, **known)


def _read_summary(root: Path) -> bytes:
    """Return the bytes of summary.json. Raises OSError, and ValueError if it is too long."""
    with open_plain(root / SUMMARY) as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise ValueError(f"more than {_LONGEST:,} bytes")
    return text


def _parse_summary(summary: Any) -> dict[str, Any]:
    records, run = summary["records"], summary["this_run"]
    exit_status = summary["exit_status"]
    if not isinstance(exit_status, int):
        raise TypeError("exit_status is no number")
    if not isinstance(run["outcomes"], dict):
        raise TypeError("outcomes is no table")
    return {
        "spider": printable(str(summary["spider"])),
        "ended_at": printable(str(summary["ended_at"])),
        "seconds": float(summary["seconds"]),
        "exit_status": exit_status,
        "error": _printable_error(summary["error"]) if summary["error"] else None,
        "stored": int(records["stored"]),
        "missing": int(records["missing"]),
        "new": int(run["outcomes"].get("stored", 0)),
        "bytes": int(summary["bytes"]),
    }


def _printable_error(error: Any) -> str:
    """Return the error that stopped a run, safe for a terminal: a source may have written it."""
    return printable(str(error), 2000)


def _last_write(root: Path) -> str | None:
    times = []
    for name in (LEDGER, f"{LEDGER}-wal"):
        try:
            times.append((root / name).stat().st_mtime)
        except OSError:
            continue
    if not times:
        return None
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

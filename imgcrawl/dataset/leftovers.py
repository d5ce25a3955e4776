"""What runs leave behind that no dataset needs: unfinished files, archives, old logs, scratch.

Only names that imgcrawl gives are found, each a plain file: a link, and what a user put there, is
nobody's here. Stored files, the ledger and the tables of an OUT are never among them.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.storage.directory import ARCHIVES, LEDGER, OLD_LOG, OWN_FILES, PARTIAL, PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86400.0  # seconds
_PART = re.compile(r"[0-9a-f]{16}\.(?:part|note)", re.ASCII)
_ARCHIVE = re.compile(r"[0-9a-f]{32}\.(?:zip|\d+\.part)", re.ASCII)
_TABLE = re.compile(r"\.[a-z]+\.csv\.partial", re.ASCII)
_LOG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.log\.1", re.ASCII)
_CACHE = re.compile(r"cache\.sqlite(?:-wal|-shm)?", re.ASCII)
# Of each folder of an OUT: which names in it are a run's own, and what they are.
_FOLDERS = (
    (PARTS, _PART, "unfinished downloads: the next run would begin them anew"),
    (ARCHIVES, _ARCHIVE, "downloaded archives: records that lie in them would ask for them anew"),
)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that may go. what: what it is, and what it costs to have it gone."""

    path: Path
    bytes: int
    what: str


def leftovers_of(root: Path, older: float) -> Iterator[Leftover]:
    """Yield what runs left in an OUT. older: seconds that it has not been touched for."""
    yield from _in(root / PARTIAL, None, "half-written files of a run that was killed", 0)
    for name, pattern, what in _FOLDERS:
        yield from _in(root / name, pattern, what, older)
    yield from _in(root, _TABLE, "half-written tables", older)
    yield from _in(
        root, re.compile(re.escape(OLD_LOG)), "the log of the run before the last", older
    )


def old_logs(folder: Path, older: float) -> Iterator[Leftover]:
    """Yield the logs of schedules that others have taken the place of."""
    yield from _in(folder, _LOG, "logs of schedules before the last rotation", older)


def page_cache(folder: Path, older: float) -> Iterator[Leftover]:
    """Yield the files of the page cache, if no crawl has used it for so long."""
    found = [*_in(folder, _CACHE, "cached pages: they would be asked for anew", 0)]
    if found and time.time() - max(each.path.stat().st_mtime for each in found) >= older:
        yield from found


def scratch_files(root: Path, kept: str | None) -> tuple[list[Leftover], str | None]:
    """Return the files of a scratch folder that its store has, too, or why none may go.

    kept: the version of the ledger in the store
    """
    try:
        notes = json.loads((root / ".store.json").read_text("utf-8"))
        is_put = kept is not None and notes["ledger"] == kept and not _is_open(root / LEDGER)
    except (OSError, ValueError, LookupError, TypeError, sqlite3.Error):
        return [], None if not root.exists() else "it has no notes of a run's: it stays as it is"
    own = {*OWN_FILES, f"{LEDGER}-wal", f"{LEDGER}-shm", ".store.json"}
    left = {*own, ".lock", PARTIAL, PARTS, ARCHIVES}
    if waiting := next((path for path in root.iterdir() if _waits(path, left)), None):
        return (
            [],
            f"files wait there to be put into the store ({waiting.name}): run the crawl again",
        )
    if not is_put:
        return [], "its ledger has what the store's has not yet: run the crawl again"
    what = "copies of what the store has: the next run downloads its ledger"
    return [*_in(root, re.compile("|".join(map(re.escape, own))), what, 0)], None


def _waits(path: Path, own: set[str]) -> bool:
    """Return whether an entry of a scratch folder is a record's file, or has one below it."""
    if path.name in own:
        return False
    return not path.is_dir() or any(not below.is_dir() for below in path.rglob("*"))


def remove(found: list[Leftover]) -> int:
    """Remove files, and folders of ours that are empty then; return the bytes that were freed."""
    freed = 0
    for each in found:
        each.path.unlink(missing_ok=True)
        freed += each.bytes
    for folder in {each.path.parent for each in found}:
        if folder.name in {PARTIAL, PARTS, ARCHIVES}:
            with suppress(OSError):  # something else lies there
                folder.rmdir()
    return freed


def remove_empty(root: Path) -> None:
    """Remove a folder, and those below it, as far as there is nothing in them."""
    for folder, _, _ in os.walk(root, topdown=False):
        with suppress(OSError):  # something lies there
            os.rmdir(folder)  # noqa: PTH106 - text, as os.walk has it


def _is_open(ledger: Path) -> bool:
    """Return whether a run has not closed a ledger. Raises sqlite3.Error."""
    address = f"{ledger.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as db:
        row = db.execute("SELECT value FROM state WHERE name = 'open'").fetchone()
    return row is None or row[0] != "0"


def _in(
    folder: Path, pattern: re.Pattern[str] | None, what: str, older: float
) -> Iterator[Leftover]:
    """Yield the plain files of a folder, no link itself, with such names. None: any name."""
    latest = time.time() - older
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return
    except FileNotFoundError:
        return
    for path in sorted(folder.iterdir()):
        found = path.lstat()
        named = pattern is None or pattern.fullmatch(path.name)
        if named and stat.S_ISREG(found.st_mode) and (not older or found.st_mtime <= latest):
            yield Leftover(path, found.st_blocks * 512, what)

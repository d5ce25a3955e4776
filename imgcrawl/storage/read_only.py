"""An OUT that may only be read: on read-only media, or somebody else's, in a folder or a bucket.

Nothing can be locked there, so that a crawl may begin to write while it is read. That is noticed,
and said.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from imgcrawl.records.errors import OutputError, ReadOnlyError
from imgcrawl.storage.directory import (
    FAILURES,
    LEDGER,
    METADATA,
    OutputDirectory,
    holder_of,
    in_use,
    require_plain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class ReadOnlyDirectory(OutputDirectory):
    """An OUT that cannot be written to: on read-only media, or somebody else's. It has no lock.

    why: what the system says of writing there

    Raises OutputError if a run is in it.
    """

    def __init__(self, root: Path, why: str) -> None:
        self.root = root.expanduser().absolute()
        self.partial = self.partial_of(self.root)
        self.why = why
        require_plain(self.root)
        try:
            running, process = holder_of(self.root)
        except OSError:
            running, process = False, None  # a lock that may not be read tells nothing
        if running:
            raise in_use(self.root, str(process or "unknown"))

    def write(self, name: str, write: Callable[[IO[str]], object]) -> None:
        """Write a file into the other folder. Raises ReadOnlyError if none was named."""
        if self.into is None:
            raise ReadOnlyError(f"{self.root} cannot be written to ({self.why}).")
        super().write(name, write)

    def close(self) -> None:
        """Release nothing."""


def open_directory(root: Path) -> OutputDirectory:
    """Return an OUT that is there, to be read, and locked where that can be.

    Raises OutputError as the classes do.
    """
    try:
        if not os.access(root, os.W_OK):
            return ReadOnlyDirectory(root, _why_not(root))
        return OutputDirectory(root)
    except OutputError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        # Others' files are in the way, a disk is full, or a share has no locks.
        return ReadOnlyDirectory(root, str(error.__cause__.strerror or error.__cause__))


def _why_not(root: Path) -> str:
    """Return what the system says of a folder that may not be written to."""
    is_mounted_so = hasattr(os, "statvfs") and os.statvfs(root).f_flag & os.ST_RDONLY
    return os.strerror(errno.EROFS if is_mounted_so else errno.EACCES)


def read_marks(root: Path) -> list[tuple[int, int, int] | None]:
    """Return what changes with every write of a run into an OUT: the ledger, and the tables.

    An empty journal is one that a program has only looked for.
    """
    marks: list[tuple[int, int, int] | None] = []
    for name in (LEDGER, f"{LEDGER}-wal", METADATA, FAILURES):
        try:
            found = (root / name).stat()
        except OSError:
            marks.append(None)
            continue
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        marks.append(None if not found.st_size else mark)
    return marks


def changed_meanwhile(place: str) -> ReadOnlyError:
    """Return what to say of an OUT that was read without its lock, and written to meanwhile."""
    return ReadOnlyError(
        f"{place} was written to while it was read: it may only be read, so it could not be locked "
        "against a crawl that began meanwhile, and what was made of it now may be of two states. "
        f"Type the same command again once that crawl has ended (`scrapy status {place}`)."
    )


@contextmanager
def unchanged(place: str, root: Path) -> Iterator[None]:
    """Raise OutputError at the end if a run has written into a folder meanwhile.

    place: what the user calls it. A ledger that is written to while it is read, without its
    locks, may look damaged: that is not said of it then.
    """
    before = read_marks(root)
    try:
        yield
    except (sqlite3.DatabaseError, OutputError) as error:
        if read_marks(root) != before:
            raise changed_meanwhile(place) from error
        raise
    if read_marks(root) != before:
        raise changed_meanwhile(place)

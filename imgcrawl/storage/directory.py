"""OUT: the directory that a run writes, and the lock that keeps a second run out of it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.records.errors import OutputError
from imgcrawl.storage.file_lock import NO_FOLLOW, NO_WAIT
from imgcrawl.storage.file_lock import lock as take_lock

if TYPE_CHECKING:
    from collections.abc import Callable

METADATA = "metadata.csv"
FAILURES = "failures.csv"
LEDGER = "ledger.sqlite"
SUMMARY = "summary.json"
RUNS = "runs.csv"
ATTRIBUTION = "attribution.txt"
ANNOTATIONS = "annotations.json"
CHANGES = "changes.csv"
CLASSES = "classes.csv"
DUPLICATES = "duplicates.csv"
LINKROT = "linkrot.csv"
MASKS = "masks.csv"
WELLS = "wells.csv"
CITATION = "CITATION.cff"
VERIFY = "verify.csv"
CARD = "README.md"  # for loaders, where the names of files mislead them
LOG = "crawl.log"  # of a crawl of a plan, and OLD_LOG of the one before
OLD_LOG = "crawl.log.1"
SUMS = "SHA256SUMS"
SPLITS = ("train", "validation", "test")  # the folders of a contest, each with a table of its own
SPLIT_TABLE = "metadata.parquet"
# Not under that name in OUT itself: Hugging Face's loader refuses it beside metadata.csv.
TYPED_TABLE = "records.parquet"
SPLITS_TABLE = "splits.csv"
SPLITS_REPORT = "splits.json"
DATASET_LOCK = "dataset.lock.json"
DIFF = "diff.csv"
REPORT = "report.html"
REPORT_PAGES = "report-pages"  # a folder of them
LOCK = ".lock"
PARTIAL = ".partial"
TABLE_PARTS = "metadata.parquet"  # a folder
PARTS = ".parts"
ARCHIVES = ".archives"
STORE_NOTES = ".store.json"  # in the scratch folder of a store: its id, and which ledger it has
STORE_LISTING = ".listing.sqlite"
SCRATCH_FILES = (STORE_NOTES, STORE_LISTING)
# Written in place by a run: under one of these names a link would be followed.
IN_PLACE = (
    *(LOCK, PARTIAL, PARTS, ARCHIVES, METADATA, FAILURES),
    *(LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", f"{LEDGER}-journal"),
)
_FOLDERS = frozenset({PARTIAL, PARTS, ARCHIVES, TABLE_PARTS})
_FILES = {
    METADATA,
    FAILURES,
    LEDGER,
    SUMMARY,
    RUNS,
    ATTRIBUTION,
    CHANGES,
    MASKS,
    CLASSES,
    DUPLICATES,
    LINKROT,
}
_FILES |= {WELLS, CITATION, ANNOTATIONS, CARD}
_MADE_OF_IT = {SPLITS_TABLE, SPLITS_REPORT, DATASET_LOCK, DIFF, REPORT, TYPED_TABLE}
OWN_FILES = frozenset(_FILES | _MADE_OF_IT | {VERIFY, SUMS, LOG, OLD_LOG})


def is_own(name: str) -> bool:
    """Return whether a file below OUT is one that a run writes of itself, and no record's.

    Derived sizes and the manifests of volumes belong to records.
    """
    first, _, rest = name.partition("/")
    if name in IN_PLACE or first in _FOLDERS or name in OWN_FILES:
        return True
    if first in SPLITS and rest == SPLIT_TABLE:
        return True
    if first == REPORT_PAGES:
        return rest.endswith(".html") and "/" not in rest
    return first == "licenses" and rest.endswith(".txt") and "/" not in rest


def holder_of(root: Path) -> tuple[bool, int | None]:
    """Return (whether a run is in an OUT now, the process that has or had it).

    The lock file is removed at the end of a run: a process without a run is one that was killed.
    Raises OSError if the lock cannot be read.
    """
    try:
        with open_plain(root / LOCK) as lock:
            number = lock.read(20).decode("ascii", "replace").strip()
            holder = int(number) if number.isascii() and number.isdigit() else 0
            try:
                take_lock(lock, shared=True)
            except BlockingIOError:
                return True, holder
            return False, holder
    except FileNotFoundError:
        return False, None


def mark_of(path: Path) -> tuple[int, int]:
    """Return what distinguishes a file from another that had its name. Raises OSError."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def open_plain(path: Path) -> IO[bytes]:
    """Open a file of an OUT that anybody may have made, for reading.

    Raises OSError for a link, and for anything but a file: a pipe would be read without end.
    """
    fd = os.open(path, os.O_RDONLY | NO_FOLLOW | NO_WAIT)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
    except OSError:
        os.close(fd)
        raise
    return os.fdopen(fd, "rb")


def require_plain(root: Path) -> None:
    """Raise OutputError if one of a run's own names is a link, or of another kind than it must be.

    An OUT may have come from others: a link under such a name leads out of it.
    """
    for name in IN_PLACE:
        path = root / name
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not (stat.S_ISDIR(mode) if name in _FOLDERS else stat.S_ISREG(mode)):
            what = "a link" if stat.S_ISLNK(mode) else "of another kind than a run makes it"
            raise OutputError(
                f"{path} is {what}, and is not written to. Remove it, or choose another "
                "directory with -a out=DIR."
            )


class OutputDirectory:
    """The paths in one OUT, and its lock.

    into: a folder for what is made of the dataset, in place of OUT itself

    Raises OutputError if the directory cannot be made or written to, is in use, or has links in the
    place of files that a run writes.
    """

    into: Path | None = None

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        # Where files lie until they are complete: a directory of their own on the same disk.
        self.partial = self.partial_of(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            require_plain(self.root)
            self._lock = self._take_lock()
            self.partial.mkdir(exist_ok=True)
            self.sweep()  # a link that lay there would be written to where it leads
        except OSError as error:
            if hasattr(self, "_lock"):
                self._lock.close()
                with suppress(OSError):
                    (self.root / LOCK).unlink()
            raise OutputError(
                f"{self.root} cannot be used as output ({error.strerror or error}). "
                "Choose another directory with -a out=DIR."
            ) from error

    @staticmethod
    def partial_of(root: str | Path) -> Path:
        """Return the folder of an OUT's files that are not complete yet."""
        return Path(root).expanduser().absolute() / PARTIAL

    @property
    def parts(self) -> Path:
        """The folder of incomplete files that the next run continues."""
        return self.root / PARTS

    def free_bytes(self) -> int:
        """Return the free bytes of the disk below OUT."""
        return shutil.disk_usage(self.root).free

    def sweep(self) -> None:
        """Remove the incomplete files of a killed run."""
        for path in self.partial.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def path(self, name: str) -> Path:
        """Return the path of a file that is made of the dataset."""
        return (self.into or self.root) / name

    def write(self, name: str, write: Callable[[IO[str]], object]) -> None:
        """Replace a text file below OUT as a whole (UTF-8), or leave it as it was."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.partial / name.replace("/", "~")
        if self.into is not None:  # which may be another disk
            temporary = path.with_name(f".{path.name}{PARTIAL}")
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            write(file)
        temporary.replace(path)

    def write_file(self, name: str, write: Callable[[Path], object]) -> None:
        """Replace a file below OUT as a whole by what `write` makes at the path it is given."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.partial / name.replace("/", "~")
        write(temporary)
        temporary.replace(path)

    def discard(self, name: str) -> None:
        """Remove a file below OUT, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything but the results, and release the lock."""
        self.sweep()
        self.partial.rmdir()
        with suppress(OSError):  # it holds parts still, or was never made
            self.parts.rmdir()
        (self.root / LOCK).unlink(missing_ok=True)
        self._lock.close()

    def _take_lock(self) -> IO[str]:
        path = self.root / LOCK
        probes = 10
        while True:
            lock = path.open("a+", encoding="ascii")
            try:
                take_lock(lock)
            except BlockingIOError:
                if probes := probes - 1:  # `holder_of` has it for a moment, to see if it is free
                    lock.close()
                    time.sleep(0.01)
                    continue
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                lock.close()
                raise in_use(self.root, holder) from None
            # The run before may have removed the name between our open and our lock.
            if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                break
            lock.close()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock


def in_use(root: Path, holder: str) -> OutputError:
    """Return what to say of an OUT that another run has locked."""
    return OutputError(
        f"{root} is in use by another run (process {holder}). "
        "Wait for it to end, or choose another directory with -a out=DIR."
    )

"""Verification of an OUT: every stored file held against the ledger, byte for byte.

The ledger is read as a stream and files are hashed in threads, so that memory stays flat however
many records there are. Nothing is written but verify.csv and, where it is asked for, SHA256SUMS;
a repair notes in the ledger which records the next crawl has to fetch again.
"""

from __future__ import annotations

import csv
import hashlib
import sqlite3
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.records.items import Stored
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.digests import sums_line
from imgcrawl.storage.directory import LEDGER, SUMS, VERIFY, is_own
from imgcrawl.text.csv_cells import safe_cell, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from imgcrawl.dataset.entries import LedgerEntry
    from imgcrawl.dataset.files import Files
    from imgcrawl.storage.directory import OutputDirectory

COLUMNS = ("record_id", "file_name", "problem")
MANIFESTS = "manifests"  # below OUT: the table of each copied volume
PROVENANCE = ".crop.json"  # behind the name of a crop: what it was cut from
# Documents of Zarr 2 and 3, N5 and precomputed that copies of one container share above them.
_GROUP_DOCUMENTS = (".zgroup", ".zattrs", ".zmetadata", "zarr.json", "attributes.json", "info")
_MOST_KNOWN = 100_000  # rows of an earlier verify.csv that are looked at again
_QUEUED = 8  # files that wait for each thread


class Problem(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    SIZE = "size"
    SHA256 = "sha256"
    UNREADABLE = "unreadable"
    EXTRA = "extra"  # it lies below OUT, and no record has it


# Reads a copied volume's manifest: (key below the volume's folder, bytes, SHA-256) of each object.
ReadManifest: TypeAlias = "Callable[[Path], Iterable[tuple[str, int, str]]]"
Row: TypeAlias = tuple[str, str, Problem]  # of verify.csv


@dataclass(slots=True)
class VerifyFigures:
    """The figures of a verification.

    files:    that were looked at; bytes: their sum
    unhashed: of these, how many were checked by presence and size only
    problems: how many of each kind stand in verify.csv
    """

    files: int = 0
    bytes: int = 0
    unhashed: int = 0
    problems: Counter[Problem] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Promise:
    """A file or folder that a record promises. size, sha256: None where nobody knows.

    files: of a folder without a manifest, all that lie in it; `sha256` is then of their list
    """

    record_id: str
    name: str
    size: int | None
    sha256: str | None
    files: tuple[str, ...] = ()
    of_copy: bool = False  # an object of a copied volume, or its manifest
    again: bool = False  # a record before has the same file


@dataclass(frozen=True, slots=True)
class _Checked:
    """What became of a promise. size: bytes found; sums: (SHA-256, name) as they have to be."""

    size: int
    problem: Problem | None
    sums: list[tuple[str, str]]


class Verification:
    """One verification of one OUT.

    quick:         look at presence and size only
    repair:        have the next crawl fetch the bad ones again
    sums:          write SHA256SUMS too, as ``sha256sum --check`` reads it
    sample:        check so many records drawn by chance, and those that verify.csv has already;
                   None: all, and what else lies below OUT
    threads:       files hashed at once
    read_manifest: reads the manifest of a copied volume
    progress:      is called with the figures after each file
    """

    def __init__(
        self,
        out: OutputDirectory,
        files: Files,
        read_manifest: ReadManifest,
        *,
        quick: bool = False,
        repair: bool = False,
        sums: bool = False,
        sample: int | None = None,
        threads: int = 4,
        progress: Callable[[VerifyFigures], object] | None = None,
    ) -> None:
        self._out, self._files = out, files
        self._read_manifest = read_manifest
        self._quick, self._with_sums, self._threads = quick, sums, threads
        self._progress = progress
        self._repair = repair
        self._sample = sample
        self._doubted: dict[str, Problem] = {}  # by record
        self._before: list[tuple[str, str, str]] = []  # rows of an earlier verify.csv
        self.figures = VerifyFigures()

    def run(self) -> VerifyFigures:
        """Verify every file and write verify.csv. Raises OutputError where there is no ledger."""
        if self._sample is not None and (kept := self._files.local(VERIFY)) is not None:
            self._before = [*read_rows(kept)]
        with closing(Ledger(self._out.root / LEDGER)) as ledger, closing(_Names()) as names:

            def write(sums: IO[str] | None) -> None:
                rows = self._rows(ledger, names, sums)
                self._out.write(VERIFY, lambda file: self._write(file, rows))

            if self._with_sums:
                self._out.write(SUMS, write)
            else:
                write(None)
            for problem in set(self._doubted.values()):
                bad = (record for record, why in self._doubted.items() if why is problem)
                ledger.doubt(bad, f"verify: {problem}")
        return self.figures

    def _write(self, file: IO[str], rows: Iterable[Row]) -> None:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            self.figures.problems[row[2]] += 1
            writer.writerow(map(safe_cell, row))

    def _rows(self, ledger: Ledger, names: _Names, sums: IO[str] | None) -> Iterator[Row]:
        """Yield the rows of what is wrong, in the order of the record ids; extra files last."""
        for promise, checked in self._checked(ledger, names):
            if sums is not None:
                sums.writelines(sums_line(*pair) for pair in checked.sums)
            if checked.problem is not None:
                if self._repair:
                    self._doubt(promise, checked.problem)
                yield promise.record_id, promise.name, checked.problem
        yield from self._known_extras() if self._sample is not None else self._extras(ledger, names)

    def _known_extras(self) -> Iterator[Row]:
        """Yield the extra files that verify.csv has already and that are there still."""
        for _, name, problem in self._before:
            if problem == Problem.EXTRA and self._files.size(name) is not None:
                yield "", name, Problem.EXTRA

    def _extras(self, ledger: Ledger, names: _Names) -> Iterator[Row]:
        for name in self._files.below():
            if not (is_own(name) or names.has(name) or _is_thumbnail(name, ledger)):
                yield "", name, Problem.EXTRA

    def _doubt(self, promise: _Promise, problem: Problem) -> None:
        """Have a record fetched again. Its file stays until then, but for an object of a copy.

        A copy asks for the objects that are not there, and believes its manifest of the others.
        """
        self._doubted[promise.record_id] = problem
        if promise.of_copy and problem is not Problem.MISSING:
            self._files.remove(promise.name)

    def _checked(self, ledger: Ledger, names: _Names) -> Iterator[tuple[_Promise, _Checked]]:
        """Yield each promise with what became of it: several are checked at once, in threads."""
        waiting: deque[tuple[_Promise, Future[_Checked]]] = deque()
        with ThreadPoolExecutor(self._threads, "verify") as pool:
            for promise in self._promises(ledger, names):
                waiting.append((promise, pool.submit(self._check, promise)))
                if len(waiting) > _QUEUED * self._threads:
                    yield self._count(*waiting.popleft())
            while waiting:
                yield self._count(*waiting.popleft())

    def _count(self, promise: _Promise, check: Future[_Checked]) -> tuple[_Promise, _Checked]:
        checked, figures = check.result(), self.figures
        if not promise.again:
            figures.files += len(promise.files) or 1
            figures.bytes += checked.size
            figures.unhashed += self._quick or promise.sha256 is None
        if self._progress is not None:
            self._progress(figures)
        return promise, checked

    def _check(self, promise: _Promise) -> _Checked:
        """Look at one file, or at the files of one folder. Blocks."""
        size = 0
        sums = []
        if promise.sha256 and not promise.files and not promise.again:
            sums = [(promise.sha256, promise.name)]
        try:
            for name in promise.files or (promise.name,):
                found = self._files.size(name)
                if found is None:
                    return _Checked(size, Problem.MISSING, sums)
                size += found
            if promise.size is not None and size != promise.size:
                return _Checked(size, Problem.SIZE, sums)
            if self._quick or promise.sha256 is None:
                return _Checked(size, None, sums)
            if promise.files:
                sums = [(self._files.sha256(name), name) for name in promise.files]
                sha256 = _of_list(promise.name, sums)
            else:
                sha256 = self._files.sha256(promise.name)
        except OSError:
            return _Checked(size, Problem.UNREADABLE, sums)
        return _Checked(size, None if sha256 == promise.sha256 else Problem.SHA256, sums)

    def _promises(self, ledger: Ledger, names: _Names) -> Iterator[_Promise]:
        """Yield every file that the ledger promises, and note what may lie below OUT."""
        for entry in self._entries(ledger):
            names.add(_beside(entry))
            for promise in self._of_entry(entry):
                # Of a file that several records have, the row of the first alone has the size.
                again = promise.size is None and names.has(promise.name)
                names.add(promise.files or (promise.name,))
                yield replace(promise, again=True) if again else promise

    def _entries(self, ledger: Ledger) -> Iterator[LedgerEntry]:
        if self._sample is None:
            yield from ledger.entries([Outcome.STORED])
            return
        # One night's sample does not excuse what another night's has found.
        ids = {*ledger.sample(self._sample), *(record_id for record_id, _, _ in self._before)}
        for record_id in sorted(ids):
            entry = ledger.get(record_id)
            if entry is not None and isinstance(entry.result, Stored):
                yield entry

    def _of_entry(self, entry: LedgerEntry) -> Iterator[_Promise]:
        stored = entry.result
        if not isinstance(stored, Stored) or stored.file_name is None:
            return
        name = stored.file_name
        if not self._files.is_folder(name):
            yield _Promise(entry.record_id, name, stored.bytes, stored.sha256)
        elif (manifest := self._files.local(f"{MANIFESTS}/{name}.tsv")) is not None:
            yield from self._of_manifest(entry.record_id, stored, manifest)
        else:
            files = sorted(self._files.below(name), key=lambda file: _below(name, file))
            yield _Promise(entry.record_id, name, stored.bytes, stored.sha256, tuple(files))

    def _of_manifest(self, record_id: str, stored: Stored, manifest: Path) -> Iterator[_Promise]:
        """Yield the objects of a copied volume; its manifest too where the ledger has another."""
        lines = hashlib.sha256()
        for key, size, sha256 in self._read_manifest(manifest):
            lines.update(f"{sha256}  {key}\n".encode())
            yield _Promise(record_id, f"{stored.file_name}/{key}", size, sha256, of_copy=True)
        if stored.sha256 not in {None, lines.hexdigest()}:
            name = f"{MANIFESTS}/{stored.file_name}.tsv"
            yield _Promise(record_id, name, None, stored.sha256, of_copy=True)


def read_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (record id, file name, problem) of the first rows of a verify.csv. Raises OSError."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in islice(csv.DictReader(file), _MOST_KNOWN):
            yield tuple(unescaped(row.get(name) or "") for name in COLUMNS)  # type: ignore[misc]


class _Names:
    """The names that may lie below OUT: in a database of its own, since there may be millions."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # a temporary file that SQLite itself removes
        self._db.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, names: Iterable[str]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO names VALUES (?)", ((name,) for name in names))

    def has(self, name: str) -> bool:
        text = name.encode("utf-8", "backslashreplace").decode()
        row = self._db.execute("SELECT 1 FROM names WHERE name = ?", (text,)).fetchone()
        return row is not None

    def close(self) -> None:
        self._db.close()


def _of_list(folder: str, sums: list[tuple[str, str]]) -> str:
    """Return the SHA-256 of the list of a folder's files, as the ledger has that of a crop."""
    lines = hashlib.sha256()
    for sha256, name in sums:
        lines.update(f"{sha256}  {_below(folder, name)}\n".encode())
    return lines.hexdigest()


def _beside(entry: LedgerEntry) -> list[str]:
    """Return the names of what may lie beside a record's file: documents, provenance, manifest."""
    names = []
    if '"documents"' in entry.item:
        names = [document.path for document in entry.to_item().documents]
    stored = entry.result
    if isinstance(stored, Stored) and stored.file_name and '"volume"' in entry.item:
        name = stored.file_name
        names += [name + PROVENANCE, f"{MANIFESTS}/{name}.tsv"]
        while folder := name.rpartition("/")[0]:
            names += [f"{folder}/{document}" for document in _GROUP_DOCUMENTS]
            name = folder
    return names


def _is_thumbnail(name: str, ledger: Ledger) -> bool:
    """Return whether a file is a derived size of a record: ``sizes/ID/PATH.EXTENSION``."""
    parts = name.split("/", 2)
    if len(parts) < 3 or parts[0] != "sizes":
        return False
    return ledger.owner(parts[2].rpartition(".")[0]) is not None


def _below(folder: str, name: str) -> str:
    return name.removeprefix(f"{folder}/")

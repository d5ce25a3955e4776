"""An OUT in an object store, and the scratch folder of this machine that stands before it."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sqlite3
import time
import uuid
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.address import BucketAddress
from imgcrawl.storage.base import NO_METADATA, ConflictError
from imgcrawl.storage.directory import (
    CLASSES,
    DUPLICATES,
    FAILURES,
    LEDGER,
    METADATA,
    OWN_FILES,
    STORE_LISTING,
    STORE_NOTES,
    mark_of,
)
from imgcrawl.storage.lease import Lease, require_free
from imgcrawl.storage.listing import Listing
from imgcrawl.storage.local import LocalStorage
from imgcrawl.storage.open_store import open_bucket
from imgcrawl.storage.origin import note_of
from imgcrawl.storage.read_only import changed_meanwhile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from imgcrawl.storage.directory import OutputDirectory

logger = logging.getLogger(__name__)

_TURNS = 3  # of a put that meets another's
_OPTIONAL: Final = (CLASSES, DUPLICATES)  # tables that a run removes if they are empty


class RemoteDirectory:
    """The store behind a scratch folder, from `begin` to `end`.

    The scratch folder is an OUT like any other, except that files leave it for the store.
    Every method blocks, and raises StoreError.
    """

    def __init__(self, out: OutputDirectory, settings: Mapping[str, Any]) -> None:
        self.out = out
        self.address = BucketAddress.of(str(settings["OUT_STORE"]))
        self.store = open_bucket(self.address, settings)
        self._scratch = LocalStorage(out.root, out.partial)
        self._notes = self._read_notes()
        self._stale = float(settings["STORE_LOCK_STALE"])
        self.lease = Lease(self.store, self._notes["scratch"], self._stale)
        self._reads_only = False
        self.listing = Listing(out.root / STORE_LISTING)
        self._writing = Lock()  # one checkpoint at a time, and none after the end
        self._ended = False
        self._versions: dict[str, str | None] = {}  # of what each run writes, as this one knows it
        self._fetched: dict[
            str, tuple[int, int]
        ] = {}  # files that came from the store, and are there

    def begin(self) -> None:
        """Take the lock, and download the ledger unless it is here already.

        Raises OutputError if another run has the lock.
        """
        self.lease.take()
        try:
            there = self._versions[LEDGER] = self.store.version(LEDGER)
            if there is not None and there != self._notes["ledger"]:
                self._bring_ledger(there)
        except BaseException:
            self.lease.release()
            raise

    def begin_reading(self) -> None:
        """Download the ledger unless it is here already; the store's lock is not taken.

        Raises OutputError if a run has that lock, or replaces the ledger all the time.
        """
        self._reads_only = True
        require_free(self.store, self._stale, self._notes["scratch"])
        for _ in range(_TURNS):
            self._versions[LEDGER] = there = self._version(LEDGER)
            try:
                if there is not None and there != self._notes["ledger"]:
                    self._bring_ledger(there)
            except ConflictError:
                continue
            return
        raise StoreError(f"{self.address}: {LEDGER} is written by others all the time")

    def require_unchanged(self) -> None:
        """Raise OutputError if a run has put another ledger since `begin_reading`."""
        if self._version(LEDGER) != self._versions[LEDGER]:
            raise changed_meanwhile(str(self.address))

    def _version(self, name: str) -> str | None:
        """Return the version of a file; None also where an account may only see what is there."""
        try:
            return self.store.version(name)
        except StoreError as error:
            if error.denied:
                return None
            raise

    def _bring_ledger(self, version: str) -> None:
        """Replace the scratch folder by the ledger of a run on another machine."""
        temporary = self.out.partial / LEDGER
        self.store.get(LEDGER, temporary, version)
        for path in self.out.root.iterdir():
            if not path.name.startswith("."):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        temporary.replace(self.out.root / LEDGER)
        self._note(version)

    def list_files(self) -> int:
        """List the objects of the store, and return their number."""
        count = self.listing.fill(self.store.list())
        for name in OWN_FILES - self._versions.keys():
            self._versions[name] = self.store.version(name) if self.listing.has(name) else None
        return count

    def files(self, name: str) -> list[str]:
        """Return the files of that name in the scratch folder: itself, or all below it."""
        path = self.out.root / name
        if not path.is_dir():
            return [name]
        files = (file for file in path.rglob("*") if file.is_file())
        return sorted(file.relative_to(self.out.root).as_posix() for file in files)

    def upload(self, name: str, metadata: Mapping[str, str] = NO_METADATA) -> None:
        """Move a file of the scratch folder into the store."""
        path = self.out.root / name
        try:
            if self._fetched.pop(name, None) != mark_of(path):
                self._put(path, name, metadata)
        except FileNotFoundError:
            if not self.listing.has(name):  # else another record has uploaded the same document
                raise
        path.unlink(missing_ok=True)

    def clear(self, name: str) -> None:
        """Remove a folder of the scratch folder, whose files have been uploaded."""
        if (self.out.root / name).is_dir():
            shutil.rmtree(self.out.root / name)

    def fetch(self, names: Iterable[str]) -> Path | None:
        """Download the first of some files that is in the store, and return its path.

        None without one, and if its bytes are not those that were put there.
        """
        name = next(filter(self.listing.has, names), None)
        if name is None:
            return None
        temporary = self.out.partial / f"{uuid.uuid4()}.back"
        metadata = self.store.get(name, temporary)
        with temporary.open("rb") as source:
            sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        if sha256 != metadata.get("sha256"):
            return None
        self._scratch.move(temporary, name, note_of(metadata))
        path = self.out.root / name
        self._fetched[name] = mark_of(path)
        return path

    def discard(self, name: str, *, copies: bool = True) -> None:
        """Remove a record's file, or folder, from the store; copies: its smaller copies, too."""
        self._fetched.pop(name, None)
        self.lease.require()
        for key in self.listing.of_record(name) if copies else [name]:
            self.store.remove(key)
            self.listing.remove(key)

    def checkpoint(self, tables: Mapping[str, int]) -> float:
        """Put a consistent copy of the ledger and the beginnings of tables; return the seconds.

        tables: by name, how many bytes
        """
        with self._writing:
            if self._ended or self.lease.lost:
                return 0.0
            started = time.monotonic()
            copy = self.out.partial / f"copy.{LEDGER}"
            copy.unlink(missing_ok=True)
            with (
                closing(sqlite3.connect(self.out.root / LEDGER)) as source,
                closing(sqlite3.connect(copy)) as sink,
            ):
                source.backup(sink)
            self._put_ledger(copy)
            copy.unlink()
            for name, size in tables.items():
                self._put_begin(name, size)
            return time.monotonic() - started

    def end(self, *, files: bool = True) -> None:
        """Put everything that is left here, the closed ledger last.

        files: whether to put other files than tables, too
        """
        with self._writing:
            self._ended = True
        if self.lease.lost is not None:
            raise StoreError(self.lease.lost)
        self.lease.require()
        for name in _OPTIONAL:
            if not (self.out.root / name).exists() and self.listing.has(name):
                self.store.remove(name)
        for path in sorted(self.out.root.iterdir()):
            if path.name == LEDGER or path.name.startswith((".", f"{LEDGER}-")):
                continue
            if path.is_dir():
                for name in self.files(path.name) if files else ():
                    self.upload(name)
            else:
                self._put_own(path, path.name)
                if path.name not in {METADATA, FAILURES}:
                    path.unlink()  # another machine may write a newer one meanwhile
        self._put_ledger(self.out.root / LEDGER)

    def close(self) -> None:
        """Release the lock, and close the listing."""
        with self._writing:
            self._ended = True
        self.listing.close()
        (self.out.root / STORE_LISTING).unlink(missing_ok=True)
        if not self._reads_only:
            self.lease.release()

    def _put(self, path: Path, name: str, metadata: Mapping[str, str]) -> None:
        """Put a record's file. A run that wakes in the middle of it puts what it says it is."""
        self.lease.require()
        size = path.stat().st_size
        self.store.put(path, name, metadata)
        self.listing.add(name, size)

    def _put_own(self, path: Path, name: str) -> None:
        """Put a file that every run writes, in the place of the version that this one knows.

        If another has been put since, the lock tells whose it is: a run that has lost it overwrites
        nothing; the one that has it replaces what a run that woke too late had put.
        Raises StoreError.
        """
        if not self.store.is_conditional:
            self.lease.renew()
        self.lease.require()
        size = path.stat().st_size
        for _ in range(_TURNS):
            try:
                self._versions[name] = self.store.write(name, path, self._versions.get(name))
                break
            except ConflictError:
                self.lease.renew()
                self.lease.require()
                self._versions[name] = self.store.version(name)
        else:
            raise StoreError(f"{self.address}: {name} is written by others all the time")
        self.listing.add(name, size)

    def _put_begin(self, name: str, size: int) -> None:
        """Put the first bytes of a table that grows meanwhile."""
        copy = self.out.partial / f"copy.{name}"
        try:
            with (self.out.root / name).open("rb") as source, copy.open("wb") as sink:
                while size > 0 and (piece := source.read(min(size, 1 << 20))):
                    sink.write(piece)
                    size -= len(piece)
        except FileNotFoundError:
            return
        self._put_own(copy, name)
        copy.unlink()

    def _put_ledger(self, file: Path) -> None:
        self._put_own(file, LEDGER)
        self._note(self._versions[LEDGER])

    def _read_notes(self) -> dict[str, str]:
        notes = {"scratch": str(uuid.uuid4()), "ledger": ""}
        try:
            notes |= json.loads((self.out.root / STORE_NOTES).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            self.out.write(STORE_NOTES, lambda file: file.write(json.dumps(notes)))
        return notes

    def _note(self, version: str | None) -> None:
        self._notes["ledger"] = version or ""
        self.out.write(STORE_NOTES, lambda file: file.write(json.dumps(self._notes)))

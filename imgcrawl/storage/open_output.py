"""An OUT of an earlier run, in a folder or a store, for the commands that read one."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import OutputError, ReadOnlyError, StoreError
from imgcrawl.storage.address import BucketAddress, is_address, scratch_of
from imgcrawl.storage.directory import LEDGER, METADATA, OutputDirectory, mark_of
from imgcrawl.storage.local import LocalStorage
from imgcrawl.storage.open_store import open_bucket
from imgcrawl.storage.read_only import ReadOnlyDirectory, open_directory, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scrapy.settings import Settings

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.store_tables import StoreTables


@dataclass(frozen=True, slots=True)
class OutFile:
    """What a command writes into OUT. instead: what to type where that may only be read"""

    name: str
    instead: str

    def refused(self, place: str, why: str) -> ReadOnlyError:
        """Return what to say of a place that it cannot be written to."""
        return ReadOnlyError(f"{self.name} cannot be written into {place} ({why}): {self.instead}")


@contextmanager
def open_output(
    place: str, settings: Settings, written: OutFile | None, *, merged: bool = False
) -> Iterator[tuple[OutputDirectory, Storage]]:
    """Yield an OUT that has a ledger, and where its files lie: in that folder, or in a store.

    Of a store the folder is the scratch folder of its address.
    written: what is written into it, and put into the store at the end; None: it is only read.
    Then a store is not locked, and a folder is where that can be.
    merged: a place with the tables of several OUTs, and no ledger, will do

    Raises OutputError if it is in use, holds no dataset, or was written to by a run while it was
    read without a lock; ReadOnlyError if it has to be written to and may not; and ArgumentError.
    """
    if not is_address(place):
        with _in_folder(place, written, merged=merged) as out:
            yield out, LocalStorage(out.root)
        return
    if merged and (tables := _merged_tables(place, settings)) is not None:
        with closing(tables), closing(OutputDirectory(tables.root)) as out:
            before = {path: mark_of(path) for path in tables.root.iterdir()}
            yield out, tables.storage
            if written is not None:
                _put_made(place, out, tables.storage, before, written)
        return
    with _in_store(place, settings, written) as found:
        yield found


@contextmanager
def _in_folder(place: str, written: OutFile | None, *, merged: bool) -> Iterator[OutputDirectory]:
    needed = (LEDGER, METADATA) if merged else (LEDGER,)
    if not any((Path(place) / name).is_file() for name in needed):
        raise _no_dataset(place, LocalStorage(Path(place)))
    with closing(open_directory(Path(place))) as out:
        if not isinstance(out, ReadOnlyDirectory):
            yield out
            return
        if written is not None:
            raise written.refused(place, out.why)
        with unchanged(place, out.root):
            yield out


@contextmanager
def _in_store(
    place: str, settings: Settings, written: OutFile | None
) -> Iterator[tuple[OutputDirectory, Storage]]:
    # The libraries of the stores take a second and tens of megabytes to load.
    from imgcrawl.storage.remote_directory import RemoteDirectory  # noqa: PLC0415

    address = BucketAddress.of(place)
    with closing(OutputDirectory(scratch_of(address, settings))) as out:
        remote = RemoteDirectory(out, {**settings, "OUT_STORE": str(address)})
        if written is None:
            remote.begin_reading()
        else:
            try:
                remote.begin()
            except StoreError as error:
                if not error.denied:
                    raise
                raise written.refused(place, str(error)) from error
        try:
            if written is not None:
                remote.lease.keep(lambda: None)
            if not (out.root / LEDGER).is_file():
                raise _no_dataset(place, remote.store)
            yield out, remote.store
            if written is not None:
                remote.end()
            else:
                remote.require_unchanged()
        finally:
            remote.close()


def _merged_tables(place: str, settings: Settings) -> StoreTables | None:
    """Return the tables of shards in a store; None if a crawl's own ledger is there, or nothing."""
    from imgcrawl.storage.store_tables import StoreTables, version_of  # noqa: PLC0415 - as above

    store = open_bucket(BucketAddress.of(place), settings)
    if version_of(store, LEDGER) is not None or version_of(store, METADATA) is None:
        return None
    return StoreTables(place, settings)


def _put_made(
    place: str,
    out: OutputDirectory,
    store: Storage,
    before: Mapping[Path, tuple[int, int]],
    written: OutFile,
) -> None:
    """Put what a command has made of merged tables, each file as a whole."""
    for path in sorted(out.root.rglob("*")):
        name = path.relative_to(out.root).as_posix()
        if path.is_file() and not name.startswith(".") and before.get(path) != mark_of(path):
            try:
                store.put(path, name)
            except StoreError as error:
                if error.denied:
                    raise written.refused(place, str(error)) from error
                raise


def _no_dataset(place: str, store: Storage) -> OutputError:
    """Return what to say of a place without a ledger. store: its files"""
    if store.size(METADATA) is None:
        return OutputError(
            f"{place} holds no {LEDGER}: it is no dataset of imgcrawl's. Type the folder that a "
            "crawl wrote: `scrapy status` lists those below data/."
        )
    if store.is_local:
        below = [path.parent.name for path in Path(place).glob(f"*/{LEDGER}")]
    else:  # of any number of objects, those of the first requests
        names = (name for name, _ in islice(store.list(), 5000))
        below = [name.removesuffix(f"/{LEDGER}") for name in names if name.endswith(f"/{LEDGER}")]
    first = min(below, default="NAME")
    return OutputError(
        f"{place} has the tables of several datasets, and no {LEDGER} of its own. Type one of "
        f"them, such as {place.rstrip('/')}/{first}"
    )

"""An OUT of an earlier run, in a folder or a store, for the commands that read one."""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import OutputError
from imgcrawl.storage.address import BucketAddress, is_address, scratch_of
from imgcrawl.storage.directory import (
    LEDGER,
    METADATA,
    OutputDirectory,
    mark_of,
    open_directory,
)
from imgcrawl.storage.local import LocalStorage
from imgcrawl.storage.open_store import open_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scrapy.settings import Settings

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.store_tables import StoreTables


@contextmanager
def open_output(
    place: str, settings: Settings, *, merged: bool = False
) -> Iterator[tuple[OutputDirectory, Storage]]:
    """Yield an OUT that has a ledger, and where its files lie: in that folder, or in a store.

    Of a store the folder is the scratch folder of its address.
    merged: a place with the tables of several OUTs, and no ledger, will do
    A folder that cannot be written to is only read.

    Files that change in it are put into the store at the end.
    Raises OutputError if it is in use or holds no dataset, and ArgumentError.
    """
    if not is_address(place):
        needed = (LEDGER, METADATA) if merged else (LEDGER,)
        if not any((Path(place) / name).is_file() for name in needed):
            raise _no_dataset(place, LocalStorage(Path(place)))
        out = open_directory(Path(place))
        try:
            yield out, LocalStorage(out.root)
        finally:
            out.close()
        return
    # The libraries of the stores take a second and tens of megabytes to load.
    from imgcrawl.storage.remote_directory import RemoteDirectory  # noqa: PLC0415

    address = BucketAddress.of(place)
    if merged and (tables := _merged_tables(place, settings)) is not None:
        with closing(tables), closing(OutputDirectory(tables.root)) as out:
            before = {path: mark_of(path) for path in tables.root.iterdir()}
            yield out, tables.storage
            _put_made(out, tables.storage, before)
        return
    out = OutputDirectory(scratch_of(address, settings))
    try:
        remote = RemoteDirectory(out, {**settings, "OUT_STORE": str(address)})
        remote.begin()
        try:
            remote.lease.keep(lambda: None)
            if not (out.root / LEDGER).is_file():
                raise _no_dataset(place, remote.store)
            yield out, remote.store
            remote.end()
        finally:
            remote.close()
    finally:
        out.close()


def _merged_tables(place: str, settings: Settings) -> StoreTables | None:
    """Return the tables of shards in a store; None if a crawl's own ledger is there, or nothing."""
    from imgcrawl.storage.store_tables import StoreTables  # noqa: PLC0415 - as above

    store = open_bucket(BucketAddress.of(place), settings)
    if store.version(LEDGER) is not None or store.version(METADATA) is None:
        return None
    return StoreTables(place, settings)


def _put_made(out: OutputDirectory, store: Storage, before: Mapping[Path, tuple[int, int]]) -> None:
    """Put what a command has made of merged tables, each file as a whole."""
    for path in sorted(out.root.rglob("*")):
        name = path.relative_to(out.root).as_posix()
        if path.is_file() and not name.startswith(".") and before.get(path) != mark_of(path):
            store.put(path, name)


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

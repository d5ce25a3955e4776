"""An OUT of an earlier run, in a folder or a store, for the commands that read one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import OutputError
from imgcrawl.storage.address import BucketAddress, is_address, scratch_of
from imgcrawl.storage.directory import LEDGER, METADATA, OutputDirectory, open_directory
from imgcrawl.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import Settings

    from imgcrawl.storage.base import Storage


@contextmanager
def open_output(
    place: str, settings: Settings, *, merged: bool = False
) -> Iterator[tuple[OutputDirectory, Storage]]:
    """Yield an OUT that has a ledger, and where its files lie: in that folder, or in a store.

    Of a store the folder is the scratch folder of its address.
    merged: a folder with the tables of several OUTs, and no ledger, will do
    A folder that cannot be written to is only read.

    Files that change in it are put into the store at the end.
    Raises OutputError if it is in use or holds no dataset, and ArgumentError.
    """
    if not is_address(place):
        tables = (LEDGER, METADATA) if merged else (LEDGER,)
        if not any((Path(place) / name).is_file() for name in tables):
            raise _no_dataset(place)
        out = open_directory(Path(place))
        try:
            yield out, LocalStorage(out.root)
        finally:
            out.close()
        return
    # The libraries of the stores take a second and tens of megabytes to load.
    from imgcrawl.storage.remote_directory import RemoteDirectory  # noqa: PLC0415

    address = BucketAddress.of(place)
    out = OutputDirectory(scratch_of(address, settings))
    try:
        remote = RemoteDirectory(out, {**settings, "OUT_STORE": str(address)})
        remote.begin()
        try:
            remote.lease.keep(lambda: None)
            if not (out.root / LEDGER).is_file():
                raise _no_dataset(place)
            yield out, remote.store
            remote.end()
        finally:
            remote.close()
    finally:
        out.close()


def _no_dataset(place: str) -> OutputError:
    return OutputError(
        f"{place} holds no {LEDGER}: it is no dataset of imgcrawl's. Type the folder that a crawl "
        "wrote: `scrapy status` lists those below data/."
    )

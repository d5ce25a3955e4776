"""An OUT of an earlier run, wherever it lies, for the commands that look into one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import OutputError
from imgcrawl.storage.address import BucketAddress, is_address, scratch_of
from imgcrawl.storage.directory import LEDGER, OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import Settings


@contextmanager
def opened(place: str, settings: Settings) -> Iterator[OutputDirectory]:
    """An OUT that has a ledger: a folder, or the scratch folder of a store's address.

    What changes in it is put into the store at the end.
    Raises OutputError where it is in use or holds no dataset, and ArgumentError.
    """
    if not is_address(place):
        if not (Path(place) / LEDGER).is_file():
            raise _no_dataset(place)
        out = OutputDirectory(Path(place))
        try:
            yield out
        finally:
            out.close()
        return
    # The libraries of the stores take a second and tens of megabytes to load.
    from imgcrawl.storage.remote_directory import RemoteDirectory  # noqa: PLC0415

    address = BucketAddress.of(place)
    out = OutputDirectory(scratch_of(address, settings))
    try:
        outlet = RemoteDirectory(out, {**settings, "OUT_STORE": str(address)})
        outlet.begin()
        try:
            outlet.lease.keep(lambda: None)
            if not (out.root / LEDGER).is_file():
                raise _no_dataset(place)
            yield out
            outlet.end()
        finally:
            outlet.close()
    finally:
        out.close()


def _no_dataset(place: str) -> OutputError:
    return OutputError(f"{place} holds no {LEDGER}: it is no dataset of imgcrawl's")

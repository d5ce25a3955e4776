"""The tables of an OUT in an object store, copied to be read: without its lock, and for a while."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from weakref import finalize

from imgcrawl.records.errors import OutputError
from imgcrawl.storage.address import BucketAddress
from imgcrawl.storage.directory import (
    ATTRIBUTION,
    DUPLICATES,
    FAILURES,
    MASKS,
    METADATA,
    RUNS,
    SPLITS_TABLE,
    SUMMARY,
)
from imgcrawl.storage.open_store import open_bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgcrawl.storage.base import Storage

_READ = (METADATA, MASKS, FAILURES, SUMMARY, RUNS, DUPLICATES, SPLITS_TABLE, ATTRIBUTION)


class StoreTables:
    """Copies in a folder of their own, `root`, which goes with this object.

    storage: where the files lie; close: a function that removes the copies

    The tables alone: a run that writes there is not disturbed, and what it has noted since it last
    put its tables is not seen. Raises OutputError where there are none, ArgumentError, StoreError.
    """

    def __init__(self, place: str, settings: Mapping[str, Any]) -> None:
        self.place = place
        self.storage: Storage = open_bucket(BucketAddress.of(place), settings)
        self.root = Path(mkdtemp(prefix="imgcrawl-"))
        self.close = finalize(self, rmtree, self.root, ignore_errors=True)
        self.bring()

    def bring(self) -> None:
        """Copy the tables that are there by now."""
        for name in _READ:
            if self.storage.version(name) is not None:
                self.storage.get(name, self.root / name)
        if not (self.root / METADATA).is_file():
            raise OutputError(
                f"{self.place} holds no {METADATA}: it is no dataset of imgcrawl's. Type the "
                "address that a crawl wrote to."
            )

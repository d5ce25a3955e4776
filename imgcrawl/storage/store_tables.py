"""The tables of an OUT in an object store, copied to be read: without its lock, and for a while."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from weakref import finalize

from imgcrawl.records.errors import OutputError, StoreError
from imgcrawl.storage.address import BucketAddress
from imgcrawl.storage.base import ConflictError
from imgcrawl.storage.directory import (
    ATTRIBUTION,
    DUPLICATES,
    FAILURES,
    LEDGER,
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
# There while the tables of shards are replaced one after the other, by what merges them.
MERGING = ".merging"
_PATIENCE = 30.0  # seconds that are waited for that
_POLL = 0.5  # seconds
_TURNS = 5  # of copying the tables, where one is replaced meanwhile


class StoreTables:
    """Copies in a folder of their own, `root`, which goes with this object.

    storage: where the files lie; close: a function that removes the copies

    The tables alone: a run that writes there is not disturbed, and what it has noted since it last
    put its tables is not seen. They belong together: none of them was replaced while they were
    copied, nor are they of two merges of shards.
    Raises OutputError where there are none, or they are being replaced; ArgumentError, StoreError.
    """

    def __init__(self, place: str, settings: Mapping[str, Any]) -> None:
        self.place = place
        self.storage: Storage = open_bucket(BucketAddress.of(place), settings)
        self.root = Path(mkdtemp(prefix="imgcrawl-"))
        self.close = finalize(self, rmtree, self.root, ignore_errors=True)
        self.bring()

    def bring(self) -> None:
        """Copy the tables that are there by now."""
        until = time.monotonic() + _PATIENCE
        is_crawl = version_of(self.storage, LEDGER) is not None
        for turn in range(_TURNS):
            while version_of(self.storage, MERGING) is not None:
                if time.monotonic() > until:
                    raise OutputError(
                        f"The tables of {self.place} are being merged from its shards, or that was "
                        "killed. Type the same command again in a while; if this stays, merge them "
                        "again by the same `scrapy shards` as before."
                    )
                time.sleep(_POLL)
            # Of a crawl that goes on, each table grows by itself: the latest of each will do.
            if self._copy() or (is_crawl and turn == _TURNS - 1):
                self._show()
                break
        else:
            raise OutputError(
                f"The tables of {self.place} are replaced all the time: type the same command again"
            )
        if not (self.root / METADATA).is_file():
            self.storage.version(METADATA)  # which says so if the account may not even read
            raise OutputError(
                f"{self.place} holds no {METADATA}: it is no dataset of imgcrawl's. Type the "
                "address that a crawl wrote to."
            )

    def _copy(self) -> bool:
        """Copy the tables; return whether all are of the same moment."""
        names = (*_READ, MERGING)
        before = {name: version_of(self.storage, name) for name in names}
        for name, version in before.items():
            if version is None:
                self._new(name).unlink(missing_ok=True)
            elif name != MERGING:
                with suppress(ConflictError):  # which shows below as well
                    self.storage.get(name, self._new(name), version)
        return before == {name: version_of(self.storage, name) for name in names}

    def _show(self) -> None:
        """Put the copies in the place of those of before."""
        for name in _READ:
            if self._new(name).is_file():
                self._new(name).replace(self.root / name)
            else:
                (self.root / name).unlink(missing_ok=True)

    def _new(self, name: str) -> Path:
        return self.root / f".{name}.new"


def version_of(store: Storage, name: str) -> str | None:
    """Return the version of a file, or None if there is none. Raises StoreError.

    An account that may read files and not list them is denied one that is not there.
    """
    try:
        return store.version(name)
    except StoreError as error:
        if error.denied:
            return None
        raise

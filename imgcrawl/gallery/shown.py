"""One dataset of the gallery: its rows, its pictures, and how far its crawl is."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from imgcrawl.dataset.status import read_store_status
from imgcrawl.exports.small_picture import small_picture
from imgcrawl.gallery.index import GalleryIndex
from imgcrawl.gallery.state import state_of, status_for_page
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.base import require_name
from imgcrawl.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.store_tables import StoreTables

LOOK_AGAIN = 15.0  # seconds: a store is asked how its crawl is, at most so often


class Shown:
    """One OUT of the gallery, in a folder. Its index is made when it is first looked at."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root
        self._index: GalleryIndex | None = None
        self._lock = Lock()

    def index(self, *, anew: bool = False) -> GalleryIndex:
        """Return its index. Raises OutputError. anew: of what is there by now"""
        with self._lock:
            if self._index is None or anew:
                if anew:
                    self.refresh()
                before, self._index = self._index, GalleryIndex(self.root)
                if before is not None:
                    before.close()
            return self._index

    def state(self) -> dict[str, Any]:
        """Return how the last run of it is, and its records by outcome."""
        return state_of(self.root)

    def picture(self, row: dict[str, Any], side: int) -> bytes | None:
        """Return a small picture of a record; None if it is none of this dataset's."""
        if not _is_inside(self.root, row.get("file_name")):
            return None
        return small_picture(LocalStorage(self.root), row, side) or b""

    def refresh(self) -> None:
        """Do nothing: the tables are where they are written."""


class ShownInStore(Shown):
    """One OUT of the gallery, in an object store: by copies of the tables that a run put there."""

    def __init__(self, tables: StoreTables, stale: float) -> None:
        """stale: seconds without a sign of life after which a run there counts as dead."""
        super().__init__(tables.place, tables.root)
        self._tables, self._stale = tables, stale
        self._state: dict[str, Any] = {}
        self._asked = -LOOK_AGAIN

    def state(self) -> dict[str, Any]:
        """Return how the last run of it is, as of some seconds ago."""
        if time.monotonic() - self._asked >= LOOK_AGAIN:
            self._asked = time.monotonic()
            try:
                status = read_store_status(self._storage, self.name, self._stale)
                self._state = status_for_page(status, {})
            except StoreError as error:
                self._state = {"state": "unknown", "words": str(error), "outcomes": {}}
        return self._state

    def picture(self, row: dict[str, Any], side: int) -> bytes | None:
        """Return a small picture of a record; None if it is none of this dataset's."""
        name = str(row.get("file_name") or "")
        try:
            require_name(name)
        except ValueError:
            return None
        return small_picture(self._storage, row, side) or b""

    def refresh(self) -> None:
        """Copy the tables that are there by now."""
        self._tables.bring()

    @property
    def _storage(self) -> Storage:
        return self._tables.storage


def _is_inside(root: Path, name: str | None) -> bool:
    """Return whether a file lies in OUT, links followed: one may have come with the dataset."""
    return bool(name) and (root / str(name)).resolve().is_relative_to(root.resolve())

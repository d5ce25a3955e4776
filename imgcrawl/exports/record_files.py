"""The files of a dataset's records for a program, wherever they lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.storage.address import BucketAddress, is_address
from imgcrawl.storage.directory import open_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from imgcrawl.storage.base import Storage

# Formats of which a request less is enough: they are no folders.
_PICTURES = frozenset({"JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"})


class RecordFiles:
    """The files of a dataset's records, in a folder or a store; for any process.

    A store's connection is made anew in each process: that of another, which was forked or sent
    this, would be shared with it.
    """

    def __init__(self, place: str, settings: Mapping[str, Any] | None = None) -> None:
        self.place, self._settings = place, dict(settings or {})
        self.in_store = is_address(place)
        self._root = Path(place).expanduser().absolute()
        self._opened: tuple[int, Storage] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def open(self, name: str, *, plain: bool = False) -> AbstractContextManager[IO[bytes]]:
        """Open a file. plain: refuse a link. Raises OSError, StoreError.

        Of a store, a file that is not there is a FileNotFoundError as well.
        """
        if not self.in_store:
            return open_plain(self._root / name) if plain else (self._root / name).open("rb")
        if self._store.size(name) is None:
            raise FileNotFoundError(f"{self.place}/{name}")
        return self._store.open(name)

    def is_folder(self, row: Mapping[str, Any]) -> bool:
        """Return whether a record is a copied volume, or a cube in chunks: files of their own."""
        name = str(row["file_name"])
        if not self.in_store:
            return (self._root / name).is_dir()
        if row.get("format") in _PICTURES or self._store.size(name) is not None:
            return False
        return next(iter(self._store.list(f"{name}/")), None) is not None

    @property
    def _store(self) -> Storage:
        if self._opened is None or self._opened[0] != os.getpid():
            # As above, the libraries of the stores.
            from imgcrawl.storage.open_store import open_bucket  # noqa: PLC0415

            store = open_bucket(BucketAddress.of(self.place), self._settings)
            self._opened = os.getpid(), store
        return self._opened[1]

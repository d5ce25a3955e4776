"""The files of an OUT, for those who look at them after a crawl. Names: relative to OUT, POSIX."""

from __future__ import annotations

import hashlib
import os
from typing import IO, TYPE_CHECKING, Protocol

from imgcrawl.records.errors import StoreError
from imgcrawl.storage.directory import open_plain
from imgcrawl.storage.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.storage.base import Storage
    from imgcrawl.storage.directory import OutputDirectory

_PIECE = 1 << 20  # bytes read at once


def hash_stream(file: IO[bytes]) -> str:
    """Return the SHA-256 of a stream from here to its end, in hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    while piece := file.read(_PIECE):
        found.update(piece)
    return found.hexdigest()


class Files(Protocol):
    """The files of an OUT, wherever they lie. Any thread may ask."""

    def size(self, name: str) -> int | None:
        """Return the bytes of a plain file, or None where there is none. Raises OSError."""

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file in hexadecimal. Blocks; raises OSError."""

    def is_folder(self, name: str) -> bool:
        """Return whether a name is that of a folder."""

    def below(self, folder: str = "") -> Iterator[str]:
        """Yield the name of every file below a folder, links included. Raises OSError."""

    def local(self, name: str) -> Path | None:
        """Return where a small file can be read on this machine, or None if there is none."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises OSError."""

    def close(self) -> None:
        """Let go of what was opened."""


class LocalFiles:
    """The files of a folder of this machine. A link is no file: it may lead anywhere."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def size(self, name: str) -> int | None:
        """Return the bytes of a plain file, or None where there is none. Raises OSError."""
        try:
            with open_plain(self._root / name) as file:
                return os.fstat(file.fileno()).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file in hexadecimal. Blocks; raises OSError."""
        with open_plain(self._root / name) as file:
            return hash_stream(file)

    def is_folder(self, name: str) -> bool:
        """Return whether a name is that of a folder."""
        path = self._root / name
        return path.is_dir() and not path.is_symlink()

    def below(self, folder: str = "") -> Iterator[str]:
        """Yield the name of every file below a folder, links included. Raises OSError."""
        prefix = f"{folder}/" if folder else ""
        with os.scandir(self._root / folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from self.below(prefix + entry.name)
                else:
                    yield prefix + entry.name

    def local(self, name: str) -> Path | None:
        """Return where a small file can be read on this machine, or None if there is none."""
        path = self._root / name
        return path if path.is_file() and not path.is_symlink() else None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises OSError."""
        (self._root / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of nothing."""


class StoreFiles:
    """The files of an OUT in an object store, listed once.

    storage: where they lie; out: the scratch folder, for what has to be read as a file
    """

    def __init__(self, storage: Storage, out: OutputDirectory) -> None:
        self._storage, self._partial = storage, out.partial
        self._listing = Listing(out.partial / "verify.listing")
        self._listing.fill(storage.list())

    def close(self) -> None:
        """Let go of the listing."""
        self._listing.close()

    def size(self, name: str) -> int | None:
        """Return the bytes of a file as the store lists them, or None where there is none."""
        return self._listing.size(name) if self._listing.has(name) else None

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file in hexadecimal. Blocks; raises OSError."""
        try:
            with self._storage.open(name) as file:
                return hash_stream(file)
        except StoreError as error:
            raise OSError(str(error)) from error

    def is_folder(self, name: str) -> bool:
        """Return whether there are files below a name, and none of that name."""
        return not self._listing.has(name) and self._listing.size(name) is not None

    def below(self, folder: str = "") -> Iterator[str]:
        """Yield the name of every file below a folder."""
        return self._listing.below(folder)

    def local(self, name: str) -> Path | None:
        """Return a copy of a small file on this machine, or None. Raises StoreError."""
        if not self._listing.has(name):
            return None
        copy = self._partial / "verify.manifest"
        self._storage.get(name, copy)
        return copy

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises StoreError."""
        self._storage.remove(name)
        self._listing.remove(name)

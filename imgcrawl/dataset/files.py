"""The files of an OUT, for those who look at them after a crawl. Names: relative to OUT, POSIX."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Protocol

from imgcrawl.storage.directory import open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE = 1 << 20  # bytes read at once


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
        found = hashlib.sha256()
        with open_plain(self._root / name) as file:
            while piece := file.read(_PIECE):
                found.update(piece)
        return found.hexdigest()

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

"""Files in a folder of this machine: each appears under its final name complete or not at all.

Scrapy's own store writes in place, so that a kill leaves a cut file under a final name, and
follows ``..`` out of the folder.
"""

from __future__ import annotations

import builtins
import errno
import os
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.storage.base import (
    NO_METADATA,
    ConflictError,
    Storage,
    StoredObject,
    require_name,
)
from imgcrawl.storage.directory import PARTIAL, open_plain
from imgcrawl.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ATTRIBUTE = "user.imgcrawl."  # before the names of extended attributes that are metadata
_NUMBERS = count()  # of temporary files: several stores of a run share one folder for them


class LocalStorage(Storage):
    """A `Storage` in a folder; metadata are extended attributes, where the disk has those.

    partial: the folder of files that are not complete yet
    """

    is_local = True

    def __init__(self, root: str | os.PathLike[str], partial: Path | None = None) -> None:
        self._root = os.fspath(root)
        self._partial = str(partial or Path(self._root) / PARTIAL)
        self._made: set[str] = set()

    def __str__(self) -> str:
        return self._root

    def put(
        self, source: bytes | Path, name: str, metadata: Mapping[str, str] = NO_METADATA
    ) -> None:
        """Store bytes, or a copy of a file. Raises OSError and ValueError."""
        require_name(name)
        self._publish(self._temporary(source), name, metadata)

    def move(self, file: Path, name: str, metadata: Mapping[str, str] = NO_METADATA) -> None:
        """Rename a file to its final name. Raises OSError and ValueError."""
        self._publish(os.fspath(file), name, metadata)

    def write(self, name: str, source: bytes | Path, expected: str | None) -> str:
        """Store bytes, or a copy of a file, on a condition, and return the new version."""
        require_name(name)
        target, temporary = self._path(name), self._temporary(source)
        try:
            version = _version_of(os.lstat(temporary))
            if expected is None:
                self._make(os.path.dirname(target))  # noqa: PTH120 - a string, as below
                os.link(temporary, target)
            else:
                with open_plain(Path(target)) as found:
                    # Another writer holds this file, or has put a new one in its place by now.
                    lock(found, wait=True)
                    if self.version(name) != expected:
                        raise ConflictError(name)
                    os.replace(temporary, target)  # noqa: PTH105 - likewise
        except (FileExistsError, FileNotFoundError) as error:
            raise ConflictError(name) from error
        finally:
            Path(temporary).unlink(missing_ok=True)
        return version

    def read(self, name: str) -> StoredObject | None:
        """Return a file whole, or None if there is none. Raises OSError for a link."""
        try:
            with open_plain(Path(self._path(name))) as file:
                found = os.fstat(file.fileno())
                changed_at = datetime.fromtimestamp(found.st_mtime, UTC)
                return StoredObject(file.read(), _version_of(found), changed_at)
        except FileNotFoundError:
            return None

    def open(self, name: str) -> IO[bytes]:
        """Open a file to be read. Raises OSError for a link."""
        return open_plain(Path(self._path(name)))

    def get(self, name: str, file: Path, expected: str | None = None) -> dict[str, str]:
        """Copy a stored file into `file`, and return its metadata."""
        metadata = {}
        with self.open(name) as source, file.open("wb") as sink:
            if expected not in {None, _version_of(os.fstat(source.fileno()))}:
                raise ConflictError(name)
            shutil.copyfileobj(source, sink)
            with suppress(OSError):  # a disk without extended attributes
                for key in os.listxattr(source.fileno()):
                    if key.startswith(ATTRIBUTE):
                        value = os.getxattr(source.fileno(), key)
                        metadata[key.removeprefix(ATTRIBUTE)] = value.decode()
        return metadata

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if there is none; a link is none."""
        found = self._stat(name)
        return None if found is None else found.st_size

    def version(self, name: str) -> str | None:
        """Return the version of a file, or None if there is none."""
        found = self._stat(name)
        return None if found is None else _version_of(found)

    def remove(self, name: str, expected: str | None = None) -> None:
        """Remove a file, if there is one. Raises ConflictError if it is not the expected one."""
        path = Path(self._path(name))
        if expected is None:
            path.unlink(missing_ok=True)
            return
        try:
            with open_plain(path) as found:
                lock(found, wait=True)  # as `write` does
                if self.version(name) != expected:
                    raise ConflictError(name)
                path.unlink()
        except FileNotFoundError as error:
            raise ConflictError(name) from error

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield (name, size in bytes) of every complete file; links are not followed."""
        folders = [prefix.rpartition("/")[0]]
        while folders:
            folder = folders.pop()
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(self._path(folder)) as entries,
            ):
                for entry in entries:
                    name = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if self._path(name) != self._partial:
                            folders.append(name)
                    elif entry.is_file(follow_symlinks=False) and name.startswith(prefix):
                        yield name, entry.stat(follow_symlinks=False).st_size

    def _path(self, name: str) -> str:
        if name:
            require_name(name)
        return f"{self._root}/{name}"

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            found = os.lstat(self._path(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _temporary(self, source: bytes | Path) -> str:
        """Write a temporary file, and return its path."""
        self._make(self._partial)
        temporary = f"{self._partial}/{next(_NUMBERS)}.part"
        if isinstance(source, Path):
            shutil.copyfile(source, temporary)
        else:
            with builtins.open(temporary, "wb") as file:  # noqa: PTH123 - half the cost of a Path, once an image
                file.write(source)
        return temporary

    def _publish(self, temporary: str, name: str, metadata: Mapping[str, str]) -> None:
        """Give a complete file its final name."""
        require_name(name)
        for key, value in metadata.items():
            try:
                os.setxattr(temporary, ATTRIBUTE + key, value.encode())
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
        folder, slash, _ = name.rpartition("/")
        self._make(f"{self._root}{slash}{folder}")
        target = f"{self._root}/{name}"
        try:
            os.replace(temporary, target)  # noqa: PTH105 - likewise
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._publish_copy(temporary, target)

    def _publish_copy(self, temporary: str, target: str) -> None:
        """Give a file of another disk its final name, by way of a copy on this one."""
        partial = f"{self._root}/{PARTIAL}"
        self._make(partial)
        copy = Path(f"{partial}/{next(_NUMBERS)}.part")
        shutil.copy2(temporary, copy)  # with its metadata
        copy.replace(target)
        Path(temporary).unlink()

    def _make(self, directory: str) -> None:
        if directory not in self._made:
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - likewise
            if len(self._made) < 10_000:
                self._made.add(directory)


def _version_of(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"

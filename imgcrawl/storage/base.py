"""One protocol for every place that files go to: a local folder, S3, Google Cloud Storage."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

# A longer file is uploaded in parts of this size, so that memory does not grow with it.
PART = 16 << 20  # bytes
LIST_PAGE = 1000  # objects; the most that either store gives at once
NO_METADATA: Mapping[str, str] = MappingProxyType({})


class ConflictError(Exception):
    """A file is not, or no longer, the expected version: another process has written it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A small file that was read whole."""

    data: bytes
    version: str  # changes with every write
    changed_at: datetime  # aware, by the clock of the store


class Storage(Protocol):
    """Files under names: in a folder of this machine, or in a bucket below a prefix.

    A name is a relative POSIX path without empty, ``.`` or ``..`` segments. Under a name there is a
    complete file or none. Every method blocks, and may be called from any thread. A bucket raises
    StoreError, whose text says what to do about it; a folder raises OSError.
    """

    is_local: bool  # whether looking at a file costs no request
    # Whether a condition counts; an S3 store that knows none is found out at the first write.
    is_conditional: bool = True

    def __str__(self) -> str:
        """Return the address, or the path of the folder."""

    def put(
        self, source: bytes | Path, name: str, metadata: Mapping[str, str] = NO_METADATA
    ) -> None:
        """Store bytes, or a copy of a file, replacing the file of that name.

        metadata: kept beside the content; ASCII, at most 2 kB
        Raises ValueError for a name that is not one.
        """

    def move(self, file: Path, name: str, metadata: Mapping[str, str] = NO_METADATA) -> None:
        """Store a file as `put` does, and remove it from where it was."""
        self.put(file, name, metadata)
        file.unlink()

    def write(self, name: str, source: bytes | Path, expected: str | None) -> str:
        """Store bytes, or a copy of a file, on a condition, and return the new version.

        expected: the version that it must have now; None if there must be none
        Raises ConflictError if that is not so (as far as the store can tell), and ValueError.
        """

    def read(self, name: str) -> StoredObject | None:
        """Return a small file whole, or None if there is none."""

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file to be read from its beginning, in constant memory.

        Raises StoreError, or FileNotFoundError in a folder, if there is none.
        """

    def get(self, name: str, file: Path, expected: str | None = None) -> dict[str, str]:
        """Copy a stored file into `file`, and return the metadata that was put with it.

        What is copied is of one version. expected: the version that it must be, if that matters
        Raises StoreError, or FileNotFoundError in a folder, if there is none; ConflictError if it
        has another version.
        """

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if there is none."""

    def version(self, name: str) -> str | None:
        """Return the version of a file, or None if there is none."""

    def remove(self, name: str, expected: str | None = None) -> None:
        """Remove a file, if there is one.

        expected: the version that it must have now, if that matters
        Raises ConflictError if it has another (as far as the store can tell).
        """

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield (name, size in bytes) of every file whose name begins with `prefix`, unsorted."""


def require_name(name: str) -> None:
    """Raise ValueError for a name that leads out of a store, or that a folder could not have."""
    if "\0" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise ValueError(f"{name!r} lies outside the store")

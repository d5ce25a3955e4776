"""What an OUT needs of an object store, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from imgcrawl.storage.address import BucketAddress

# What is longer goes up in parts of this size, so that memory does not grow with it.
PART = 8 << 20  # bytes
LIST_PAGE = 1000  # objects; what both stores give at most


class ConflictError(Exception):
    """An object is not, or no longer, what it was expected to be: somebody else wrote it."""


@dataclass(frozen=True, slots=True)
class SmallObject:
    """A small object that was read whole."""

    data: bytes
    version: str  # another one with every change
    changed_at: datetime  # by the store's clock


class ObjectStore(Protocol):
    """A bucket below a prefix. Keys are relative to it, POSIX, UTF-8.

    Everything blocks, may be called from any thread, and raises StoreError.
    """

    address: BucketAddress

    def list(self) -> Iterator[tuple[str, int]]:
        """(key, bytes) of every object, page by page."""

    def read(self, key: str) -> SmallObject | None:
        """A small object whole; None where there is none."""

    def write(self, key: str, data: bytes, content_type: str, expected: str | None) -> str:
        """Write a small object; its new version.

        expected: the version that it has now, None where there is none.
        Raises ConflictError where that is not so, as far as the store can tell.
        """

    def put(self, file: Path, key: str, content_type: str, facts: Mapping[str, str]) -> None:
        """Put a file, whole or not at all; `facts` (ASCII) stay with the object."""

    def get(self, key: str, file: Path) -> dict[str, str]:
        """Fetch an object into a file; the facts that were put with it."""

    def version(self, key: str) -> str | None:
        """The version of an object; None where there is none."""

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""

"""Where the objects of copies are put: below OUT, or into an object store."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imgcrawl.storage.scrapy_stores import upload

if TYPE_CHECKING:
    from pathlib import Path


class ObjectStorage:
    """Names are relative to OUT, or to the prefix of `store`, one of Scrapy's. All of it blocks."""

    def __init__(self, root: Path, store: Any = None) -> None:
        self._root = root
        self._store = store
        self._made: set[Path] = set()

    @property
    def is_local(self) -> bool:
        """Whether what is there can be looked at."""
        return self._store is None

    def put(self, file: Path, name: str) -> None:
        """Give a complete file its place. Raises OSError, and what the store's client raises."""
        if self._store is not None:
            upload(self._store, file, name)
            file.unlink()
            return
        target = self._root / name
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            if len(self._made) < 10_000:
                self._made.add(target.parent)
        file.replace(target)

    def size(self, name: str) -> int | None:
        """The bytes of a file; None where there is none."""
        with suppress(OSError):
            path = self._root / name
            return path.lstat().st_size if path.is_file() else None
        return None

    def remove(self, name: str) -> None:
        """What the source has no longer goes; a store keeps what it was given."""
        if self._store is None:
            (self._root / name).unlink(missing_ok=True)

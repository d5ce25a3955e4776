"""Where files go on a local disk: Scrapy's FSFilesStore, made atomic.

Scrapy's own writes in place, so that a kill leaves a cut file under a final name, and follows
``..`` out of the store.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.pipelines.files import FSFilesStore

from imgcrawl.storage.directory import PARTIAL

if TYPE_CHECKING:
    from io import BytesIO

    from scrapy.pipelines.media import MediaPipeline

    from imgcrawl.storage.origin import Origin


class LocalFilesStore(FSFilesStore):
    """A file appears under its final name complete or not at all."""

    partial: Path  # on the same disk; set by the pipeline that owns the store

    def __init__(self, basedir: str | os.PathLike[str]) -> None:
        super().__init__(basedir)
        self.partial = Path(self.basedir) / PARTIAL
        self._directories: set[str] = set()
        self._numbers = count()

    def persist_file(
        self,
        path: str | os.PathLike[str],
        buf: BytesIO,
        info: MediaPipeline.SpiderInfo,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Write `buf` below the store (a relative POSIX path), replacing what is there."""
        self.persist_bytes(os.fspath(path), buf.getbuffer())

    def persist_bytes(
        self, path: str, data: bytes | memoryview, origin: Origin | None = None
    ) -> None:
        """Write `data` below the store. May be called from any thread."""
        self._make(str(self.partial))
        temporary = f"{self.partial}/{next(self._numbers)}.part"
        with open(temporary, "wb") as file:  # noqa: PTH123 - half the cost of a Path, once an image
            file.write(data)
        self.publish(temporary, path, origin)

    def publish(
        self, temporary: str | os.PathLike[str], path: str, origin: Origin | None = None
    ) -> None:
        """Give a complete file its final name. Raises ValueError for one outside the store."""
        if origin is not None and not origin.is_plain:
            origin.note(temporary)
        folder, slash, name = path.rpartition("/")
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path} lies outside the store")
        self._make(f"{self.basedir}{slash}{folder}")
        os.replace(temporary, f"{self.basedir}/{folder}{slash}{name}")  # noqa: PTH105 - likewise

    def _make(self, directory: str) -> None:
        if directory not in self._directories:
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - likewise
            self._directories.add(directory)


# What a pipeline has in place of Scrapy's own for folders, by the scheme of the store's address.
LOCAL_STORES: dict[str, type[Any]] = {"": LocalFilesStore, "file": LocalFilesStore}

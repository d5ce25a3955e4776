"""The files of a run's records: below OUT on this machine, in an object store, or elsewhere."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING

from imgcrawl.pictures.thumbnail import EXTENSIONS
from imgcrawl.records.errors import RecordMissing
from imgcrawl.storage.digests import bytes_of, check_digests
from imgcrawl.storage.places import document_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgcrawl.records.items import Document
    from imgcrawl.storage.directory import OutputDirectory
    from imgcrawl.storage.uploader import Uploader

logger = logging.getLogger(__name__)


class RecordFiles:
    """The stored files of a run, in whichever place. File names are relative to OUT.

    local:    whether files are stored below OUT, or by the pipelines elsewhere
    uploader: of an OUT that lies in an object store
    """

    def __init__(self, out: OutputDirectory, *, local: bool, uploader: Uploader | None) -> None:
        self.local = local
        self._out = out
        self._uploader = uploader

    def is_there(self, file_name: str, size: int | None) -> bool:
        """Return whether a stored file still has its size in bytes; IMAGES_STORE is trusted.

        size: None of a file that another record has too, whose row has the size
        """
        if not self.local:
            return True
        if self._uploader is not None:
            found = self._uploader.size(file_name)
            return found is not None and size in {None, found}
        try:
            return size in {None, bytes_of(self._out.root / file_name)}
        except OSError:
            return False

    def on_disk(self, file_name: str) -> Path | None:
        """Return the path of a stored file, or None if it is not on this machine."""
        path = self._out.root / file_name
        return path if self.local and (self._uploader is None or path.exists()) else None

    def has_sizes(self, file_name: str, sizes: Iterable[str]) -> bool:
        """Return whether a stored picture has its smaller copies, for an OUT in a store."""
        return self._uploader is None or self._uploader.has_sizes(file_name, sizes)

    async def download(self, file_name: str) -> Path | None:
        """Download a stored file, which leaves this machine with its record; None without one."""
        return await self._uploader.fetch([file_name]) if self._uploader is not None else None

    async def has_digests(self, file_name: str, promised: dict[str, str]) -> bool:
        """Return whether a stored file has the digests that its source promises."""
        path = self.on_disk(file_name) or await self.download(file_name)
        if path is None:
            return False
        try:
            await asyncio.to_thread(check_digests, path, promised)
        except RecordMissing:
            return False
        return True

    def remove(self, file_name: str) -> None:
        """Remove a stored file and its smaller copies."""
        if not self.local:
            return
        if self._uploader is not None:
            self._uploader.discard_soon(file_name)
        if (path := self._out.root / file_name).is_dir() and not path.is_symlink():
            shutil.rmtree(path)  # a volume, and what tells of it
            (self._out.root / f"{file_name}.crop.json").unlink(missing_ok=True)
            (self._out.root / f"manifests/{file_name}.tsv").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        for copy in self.copies(file_name):
            (self._out.root / copy).unlink(missing_ok=True)

    def copies(self, file_name: str) -> list[str]:
        """Return the names that smaller copies of a stored file have, whether or not they exist.

        A folder of a class may hold ten thousand files: it is not looked through.
        """
        stem = file_name.rpartition(".")[0] or file_name
        sizes = (size.name for size in self._out.root.glob("sizes/*"))
        return [f"sizes/{size}/{stem}{extension}" for size in sizes for extension in EXTENSIONS]

    def replace(self, old: str, new: str) -> None:
        """Remove a stored file whose record has another one by now; copies of the same name stay.

        A folder is left as it is: what else lies in it may be a user's.
        """
        if not self.local or (self._out.root / old).is_dir():
            logger.info("%s is no record's any more; it is left there", old)
        elif old.rpartition(".")[0] == new.rpartition(".")[0]:
            if self._uploader is not None:
                self._uploader.discard_soon(old, copies=False)
            (self._out.root / old).unlink(missing_ok=True)
        else:
            self.remove(old)

    def write_document(self, document: Document) -> None:
        """Write a small text below OUT, whole or not at all."""
        self._out.write(document_path(document.path), lambda file: file.write(document.text))

    def has_document(self, document: Document) -> bool:
        """Return whether a document of that name is there."""
        name = document_path(document.path)
        if self._uploader is not None:
            return self._uploader.size(name) is not None
        return (self._out.root / name).exists()

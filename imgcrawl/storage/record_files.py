"""The files of a run's records: below OUT on this machine, in an object store, or elsewhere."""

from __future__ import annotations

from glob import escape
from typing import TYPE_CHECKING

from imgcrawl.storage.digests import bytes_of
from imgcrawl.text.filenames import safe_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgcrawl.records.items import Document
    from imgcrawl.storage.directory import OutputDirectory
    from imgcrawl.storage.uploader import Uploader


class RecordFiles:
    """Where they are, whichever place has them. File names are relative to OUT.

    local:   whether files are stored below OUT, or by the pipelines elsewhere
    shipper: where OUT itself lies in an object store
    """

    def __init__(self, out: OutputDirectory, *, local: bool, shipper: Uploader | None) -> None:
        self.local = local
        self._out = out
        self._shipper = shipper

    def is_there(self, file_name: str, size: int | None) -> bool:
        """Whether a stored file is still there with its size; IMAGES_STORE is trusted."""
        if not self.local:
            return True
        if self._shipper is not None:
            return self._shipper.size(file_name) == size
        try:
            return bytes_of(self._out.root / file_name) == size
        except OSError:
            return False

    def path(self, file_name: str) -> Path:
        """Return where a file of that name lies, or would lie, below OUT on this machine."""
        return self._out.root / file_name

    def on_disk(self, file_name: str) -> Path | None:
        """A stored file, where it lies on this machine."""
        path = self._out.root / file_name
        return path if self.local and (self._shipper is None or path.exists()) else None

    def has_sizes(self, file_name: str, sizes: Iterable[str]) -> bool:
        """Whether the smaller copies of a stored picture are in the store, if OUT lies in one."""
        return self._shipper is None or self._shipper.has_sizes(file_name, sizes)

    async def bring_back(self, file_name: str) -> Path | None:
        """A stored file, from the store to this machine; it leaves with the record."""
        return await self._shipper.fetch([file_name]) if self._shipper is not None else None

    def remove(self, file_name: str) -> None:
        """Remove a stored file and what was made of it."""
        if not self.local:
            return
        if self._shipper is not None:
            self._shipper.discard_soon(file_name)
        path, _, extension = file_name.rpartition(".")
        (self._out.root / f"{path}.{extension}").unlink(missing_ok=True)
        for size in self._out.root.glob("sizes/*"):
            for copy in (size / path).parent.glob(f"{escape(path.rpartition('/')[2])}.*"):
                copy.unlink()

    def write_document(self, document: Document) -> None:
        """Write a small text below OUT, as a whole."""
        self._out.write(safe_path(document.path), lambda file: file.write(document.text))

    def has_document(self, document: Document) -> bool:
        """Whether a document of that name is there."""
        name = safe_path(document.path)
        if self._shipper is not None:
            return self._shipper.size(name) is not None
        return (self._out.root / name).exists()

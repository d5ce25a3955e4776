"""The members of a record's archives, each a file in the place of its archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.download.archives import member_url
from imgcrawl.records.errors import NoAnswerError
from imgcrawl.records.items import Unreadable
from imgcrawl.sources.repositories.record import RepositoryFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.sources.fetcher import Fetcher


@dataclass(slots=True)
class Unpacked:
    """The files of a record, its ZIP files as what is in them.

    listed, n_bytes: files of the record so far, and their sizes
    """

    fetcher: Fetcher
    files: AsyncIterator[RepositoryFile]
    unpack: bool
    listed: int = 0
    n_bytes: int = 0
    _is_sized: bool = True  # so far, all of them tell their sizes

    async def __aiter__(self) -> AsyncIterator[RepositoryFile | Unreadable]:
        """Yield files, or members; an archive that cannot be read is Unreadable."""
        async for file in self.files:
            self.listed, self.n_bytes = self.listed + 1, self.n_bytes + (file.size or 0)
            self._is_sized = self._is_sized and file.size is not None
            if not self.unpack or file.closed or not file.path.lower().endswith(".zip"):
                yield file
                continue
            try:
                listing = await self.fetcher.fetch(f"zip+{file.urls[0]}")
            except NoAnswerError as error:
                yield Unreadable(file.path, f"an archive that cannot be read: {error}")
                continue
            for name in listing.body.decode("utf-8", "replace").split("\n"):
                if name and not name.endswith("/"):
                    address = member_url(file.urls[0], name)
                    yield RepositoryFile(f"{file.path[:-4]}/{name}", (address,), archive=file.path)

    def shortfall(self, n_files: int | None, n_bytes: int | None) -> str:
        """Return in words what a record says it has and its list has not; "" if that is all."""
        if self.listed < (n_files or 0):
            return f"the record says {n_files:,} files, and {self.listed:,} are listed"
        if n_files is None and self._is_sized and self.n_bytes < (n_bytes or 0):
            return f"the record says {n_bytes:,} bytes, and files of {self.n_bytes:,} are listed"
        return ""

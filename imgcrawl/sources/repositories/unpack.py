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
    """The files of a record, its ZIP files as what is in them. listed: files of the record."""

    fetcher: Fetcher
    files: AsyncIterator[RepositoryFile]
    unpack: bool
    listed: int = 0

    async def __aiter__(self) -> AsyncIterator[RepositoryFile | Unreadable]:
        """Yield files, or members; an archive that cannot be read is Unreadable."""
        async for file in self.files:
            self.listed += 1
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

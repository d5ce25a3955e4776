"""The members of a record's archives, each a file in the place of its archive."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.download.archives import member_url
from imgcrawl.records.errors import NoAnswerError
from imgcrawl.sources.repositories.record import RepositoryFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.sources.fetcher import Fetcher

_PACKED = r"gz|bz2|xz|zst"
_ARCHIVE = re.compile(
    rf"(?P<stem>.+?)\.(?:(?P<zip>zip)|tar(?:\.(?:{_PACKED}))?|tgz|tbz2?|txz|tzst)", re.IGNORECASE
)
# Of these no reader is here that is bounded and free.
_OTHERS = re.compile(r".+\.(?:7z|rar|cab|arj|lzh|ace)(?:\.\d{3})?", re.IGNORECASE)


@dataclass(slots=True)
class Unpacked:
    """The files of a record, its ZIP and TAR files as what is in them.

    listed, n_bytes: files of the record so far, and their sizes
    """

    fetcher: Fetcher
    files: AsyncIterator[RepositoryFile]
    unpack: bool
    listed: int = 0
    n_bytes: int = 0
    _is_sized: bool = True  # so far, all of them tell their sizes

    async def __aiter__(self) -> AsyncIterator[RepositoryFile]:
        """Yield files, or members; an archive that cannot be unpacked stays as it is."""
        async for file in self.files:
            self.listed, self.n_bytes = self.listed + 1, self.n_bytes + (file.size or 0)
            self._is_sized = self._is_sized and file.size is not None
            named = _ARCHIVE.fullmatch(file.path) if self.unpack and not file.closed else None
            if named is None:
                if self.unpack and _OTHERS.fullmatch(file.path):
                    words = "%s cannot be unpacked, only ZIP and TAR can: it is kept as it is"
                    self.fetcher.logger.warning(words, file.path)
                yield file
                continue
            kind = "zip" if named["zip"] else "tar"
            async for member in self._members(file, named["stem"], kind):
                yield member

    async def _members(
        self, file: RepositoryFile, stem: str, kind: str
    ) -> AsyncIterator[RepositoryFile]:
        log, answer, why = self.fetcher.logger, None, ""
        for url in file.urls:
            try:
                asked = f"{kind}+{url}"
                answer = await self.fetcher.fetch(asked, archive_index=True, digests=file.promised)
                break
            except NoAnswerError as error:
                why = why or str(error)
        if answer is None:
            log.warning("%s cannot be unpacked, and is kept as it is: %s", file.path, why)
            yield file
            return
        index = json.loads(answer.body)
        if others := index["others"]:
            log.warning("%s has %s links or devices, which are no files", file.path, f"{others:,}")
        for name, size in index["sizes"].items():
            address = member_url(url, name, kind)
            yield RepositoryFile(f"{stem}/{name}", (address,), size, archive=file.path)

    def shortfall(self, n_files: int | None, n_bytes: int | None) -> str:
        """Return in words what a record says it has and its list has not; "" if that is all."""
        if self.listed < (n_files or 0):
            return f"the record says {n_files:,} files, and {self.listed:,} are listed"
        if n_files is None and self._is_sized and self.n_bytes < (n_bytes or 0):
            return f"the record says {n_bytes:,} bytes, and files of {self.n_bytes:,} are listed"
        return ""

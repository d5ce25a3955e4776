"""Dataverse, at any of its hosts: https://guides.dataverse.org/en/latest/api/native-api.html"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.record import (
    LOGIN,
    RepositoryFile,
    RepositoryRecord,
    ask,
    dig,
    digests_of,
    listed,
    size_of,
    text,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.sources.fetcher import Fetcher

_PAGE = 1000  # files asked for at once
_LAST = ":latest-published"


class Dataverse:
    """A dataset of a Dataverse. root: its address; pid: ``doi:10.7910/DVN/X``, or a handle."""

    def __init__(self, fetcher: Fetcher, root: str, pid: str, version: str) -> None:
        self._fetcher = fetcher
        self._root, self._pid, self._version = root, pid, version
        self.total: int | None = None

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link with ``persistentId=``, or None."""
        parts = urlsplit(url)
        asked = parse_qs(parts.query)
        if not re.search(r"/(?:dataset\.xhtml|citation|api/datasets)", parts.path):
            return None
        pid = (asked.get("persistentId") or [""])[0]
        version = (asked.get("version") or [_LAST])[0]
        return cls(fetcher, f"{parts.scheme}://{parts.netloc}/", pid, version) if pid else None

    def _url(self, version: str, path: str, query: str) -> str:
        api = f"{self._root}api/datasets/:persistentId/versions/{quote(version, safe=':.')}{path}"
        return f"{api}?persistentId={quote(self._pid, safe=':/')}&{query}"

    async def record(self) -> RepositoryRecord:
        """Return what the Dataverse says of the dataset."""
        answer = await ask(self._fetcher, self._url(self._version, "", "excludeFiles=true"))
        data = dig(answer, "data")
        fields = {
            text(each, "typeName"): dig(each, "value")
            for each in listed(data, "metadataBlocks", "citation", "fields")
        }
        names = (text(each, "authorName", "value") for each in listed(fields, "author"))
        version = _version(data)
        newer = ""
        if self._version != _LAST:
            newer = await self._newer(version)
        page = f"{self._root}dataset.xhtml?persistentId={self._pid}"
        return RepositoryRecord(
            repository=urlsplit(self._root).hostname or "",
            page=page,
            number=f"{self._pid} {version}",
            series=self._pid,
            title=text(fields, "title"),
            doi=self._pid.removeprefix("doi:") if self._pid.startswith("doi:") else "",
            version=version,
            authors=tuple(name for name in names if name),
            license=text(data, "license", "name") or text(data, "termsOfUse")[:200],
            license_url=text(data, "license", "uri"),
            date=text(data, "releaseTime") or text(data, "publicationDate"),
            newer=newer,
        )

    async def _newer(self, version: str) -> str:
        try:
            last = await ask(self._fetcher, self._url(_LAST, "", "excludeFiles=true"))
        except SourceError:
            return ""
        is_other = _version(dig(last, "data")) != version
        return f"{self._root}dataset.xhtml?persistentId={self._pid}" if is_other else ""

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files in their folders; tables that were converted as they were uploaded."""
        offset, before = 0, None
        while True:
            query = f"limit={_PAGE}&offset={offset}"
            answer = await ask(self._fetcher, self._url(self._version, "/files", query))
            page = listed(answer, "data")
            self.total = size_of(answer, "totalCount")  # since Dataverse 6
            if not page or page == before:
                return  # a server that knows no pages sends all of them again
            for each in page:
                if file := self._file(each):
                    yield file
            offset, before = offset + len(page), page

    def _file(self, each: Any) -> RepositoryFile | None:
        data = dig(each, "dataFile")
        number = text(data, "id")
        # A table is converted when it is uploaded; its digest stays that of the upload.
        original = text(data, "originalFileName")
        name = original or text(each, "label") or text(data, "filename")
        if not number or not name:
            return None
        folder = text(each, "directoryLabel").strip("/")
        size = size_of(data, "originalFileSize") if original else size_of(data, "filesize")
        kind = text(data, "checksum", "type") or "MD5"
        value = text(data, "checksum", "value") or text(data, "md5")
        query = "?format=original" if original else ""
        return RepositoryFile(
            f"{folder}/{name}" if folder else name,
            (f"{self._root}api/access/datafile/{number}{query}",),
            size,
            digests_of(kind, value),
            LOGIN if dig(each, "restricted") is True else "",
        )


def _version(data: Any) -> str:
    major, minor = text(data, "versionNumber"), text(data, "versionMinorNumber")
    return f"{major}.{minor or 0}" if major else ""

"""Mendeley Data: https://data.mendeley.com/api/docs, and what its own pages ask (public-api)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.record import (
    RepositoryFile,
    RepositoryRecord,
    ask,
    digests_of,
    listed,
    size_of,
    text,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.sources.fetcher import Fetcher

_API = "https://data.mendeley.com/public-api/datasets/"
_DEEPEST = 50  # folders in folders; what lies deeper is in a circle


class Mendeley:
    """A dataset of Mendeley Data. version: its number, None for the last."""

    def __init__(self, fetcher: Fetcher, number: str, version: str | None) -> None:
        self._fetcher = fetcher
        self._number, self._version = number, version
        self.total: int | None = None

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link such as https://data.mendeley.com/datasets/abc123/1."""
        parts = urlsplit(url)
        match = re.search(r"/datasets/([\w-]{6,})(?:/(\d+))?", parts.path)
        is_mendeley = parts.hostname == "data.mendeley.com"
        return cls(fetcher, match[1], match[2]) if is_mendeley and match else None

    async def record(self) -> RepositoryRecord:
        """Return what Mendeley Data says of the dataset."""
        url = _API + self._number + (f"?version={self._version}" if self._version else "")
        answer = await ask(self._fetcher, url)
        last = text(answer, "versions", -1, "version")
        self._version = text(answer, "version") or self._version or "1"
        people = listed(answer, "contributors")
        names = (f"{text(p, 'last_name')}, {text(p, 'first_name')}".strip(", ") for p in people)
        is_newer = last.isdecimal() and self._version.isdecimal() and int(last) > int(self._version)
        page = f"https://data.mendeley.com/datasets/{self._number}"
        return RepositoryRecord(
            repository="Mendeley Data",
            page=f"{page}/{self._version}",
            number=f"{self._number} {self._version}",
            series=self._number,
            title=text(answer, "name"),
            doi=text(answer, "doi", "id"),
            version=self._version,
            authors=tuple(name for name in names if name),
            license=text(answer, "data_licence", "short_name"),
            license_url=text(answer, "data_licence", "url"),
            date=text(answer, "publish_date"),
            newer=f"{page}/{last}" if is_newer else "",
        )

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files, folder by folder. Raises SourceError."""
        folders = await ask(self._fetcher, f"{_API}{self._number}/folders/{self._version}")
        paths = folder_paths(folders if isinstance(folders, list) else [])
        for folder, path in paths.items():
            query = f"folder_id={folder}&version={self._version}"
            answer = await ask(self._fetcher, f"{_API}{self._number}/files?{query}")
            if not isinstance(answer, list):
                raise SourceError(f"{_API}{self._number}/files?{query} is no list of files.")
            for each in answer:
                name, url = text(each, "filename"), text(each, "content_details", "download_url")
                if name and url:
                    yield RepositoryFile(
                        f"{path}{name}",
                        (url,),
                        size_of(each, "size"),
                        digests_of("sha256", text(each, "content_details", "sha256_hash")),
                    )


def folder_paths(folders: list[Any]) -> dict[str, str]:
    """Return the path of each folder by its id, with a slash at its end; that of the root is ""."""
    named = {text(f, "id"): (text(f, "name"), text(f, "parent_id")) for f in folders}
    paths = {"root": ""}
    for number in filter(None, named):
        parts: list[str] = []
        above = number
        while above in named and len(parts) < _DEEPEST:
            name, above = named[above]
            parts.insert(0, name.replace("/", "_"))
        paths[number] = "".join(f"{part}/" for part in parts if part)
    return paths

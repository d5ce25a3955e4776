"""The Open Science Framework: https://developer.osf.io"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.record import (
    ClosedError,
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

_API = "https://api.osf.io/v2/"
_PAGE = 100  # entries asked for at once; by default it sends ten
_OWN = "osfstorage"  # its own store; others are linked to a project


class Osf:
    """A project or a registration of the OSF, with all its stores."""

    def __init__(self, fetcher: Fetcher, guid: str) -> None:
        self._fetcher = fetcher
        self._guid = guid
        self._kind = "nodes"
        self.total: int | None = None  # the number of files alone is told by no answer

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link such as https://osf.io/abcde/, or None."""
        parts = urlsplit(url)
        match = re.match(r"/(?:project/)?([a-z0-9]{5})(?:/|$)", parts.path, re.IGNORECASE)
        is_osf = parts.hostname in {"osf.io", "www.osf.io"}
        return cls(fetcher, match[1].lower()) if is_osf and match else None

    async def record(self) -> RepositoryRecord:
        """Return what the OSF says of the project, whose parts are projects of their own."""
        query = "?embed=license&embed=contributors"
        try:
            answer = await ask(self._fetcher, f"{_API}nodes/{self._guid}/{query}")
        except ClosedError:
            raise
        except SourceError:
            self._kind = "registrations"
            answer = await ask(self._fetcher, f"{_API}registrations/{self._guid}/{query}")
        data = answer.get("data") if isinstance(answer, dict) else None
        about, embeds = ("attributes",), ("embeds",)
        people = listed(data, *embeds, "contributors", "data")
        names = (text(p, "embeds", "users", "data", "attributes", "full_name") for p in people)
        return RepositoryRecord(
            repository="OSF",
            page=f"https://osf.io/{self._guid}/",
            number=f"{self._guid} {text(data, *about, 'date_modified')}".strip(),
            series=self._guid,
            title=text(data, *about, "title"),
            doi=text(data, *about, "article_doi"),
            version=text(data, *about, "date_modified"),
            authors=tuple(name for name in names if name),
            license=text(data, *embeds, "license", "data", "attributes", "name"),
            license_url=text(data, *embeds, "license", "data", "attributes", "url"),
            date=text(data, *about, "date_created"),
            parts=tuple([part async for part in self._parts()]),
        )

    async def _parts(self) -> AsyncIterator[str]:
        async for child in self._pages(f"{_API}{self._kind}/{self._guid}/children/"):
            if guid := text(child, "id"):
                yield f"https://osf.io/{guid}/"

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files of all stores, folder by folder."""
        stores = [each async for each in self._pages(f"{_API}{self._kind}/{self._guid}/files/")]
        folders = deque((_below(each), text(each, "attributes", "provider")) for each in stores)
        known = set()
        while folders:
            url, store = folders.popleft()
            if not url or url in known:
                continue
            known.add(url)
            async for each in self._pages(url):
                if text(each, "attributes", "kind") == "folder":
                    folders.append((_below(each), store))
                elif file := _file(each, store):
                    yield file

    async def _pages(self, url: str) -> AsyncIterator[Any]:
        asked: set[str] = set()
        url = url if "?" in url or not url else f"{url}?page%5Bsize%5D={_PAGE}"
        while url and url not in asked:
            asked.add(url)
            answer = await ask(self._fetcher, url)
            for each in listed(answer, "data"):
                yield each
            url = text(answer, "links", "next")


def _below(each: Any) -> str:
    return text(each, "relationships", "files", "links", "related", "href")


def _file(each: Any, store: str) -> RepositoryFile | None:
    about = "attributes"
    path = text(each, about, "materialized_path").strip("/") or text(each, about, "name")
    url = text(each, "links", "download")
    if not path or not url:
        return None
    digests: dict[str, str] = {}
    for algorithm in ("md5", "sha256"):
        digests |= digests_of(algorithm, text(each, about, "extra", "hashes", algorithm))
    path = path if store == _OWN else f"{store}/{path}"
    return RepositoryFile(path, (url,), size_of(each, about, "size"), digests)

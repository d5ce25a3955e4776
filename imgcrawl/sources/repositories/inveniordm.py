"""Zenodo, and every other repository that runs InvenioRDM.

https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/ and Zenodo's older form of the
same, https://developers.zenodo.org
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urljoin, urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.record import (
    LOGIN,
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


class InvenioRdm:
    """A record of a server with InvenioRDM. root: its address; number: the record's id."""

    def __init__(self, fetcher: Fetcher, root: str, number: str) -> None:
        self._fetcher = fetcher
        self._root, self._number = root, number
        self._answer: Any = None
        self.total: int | None = None

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link such as https://zenodo.org/records/1234567, or None."""
        parts = urlsplit(url)
        match = re.search(r"/records?/([\w-]+)", parts.path)
        if not match:
            return None
        return cls(fetcher, f"{parts.scheme}://{parts.netloc}/", match[1])

    async def record(self) -> RepositoryRecord:
        """Return what the server says of the record, in its own form or in Zenodo's."""
        api = f"{self._root}api/records/{quote(self._number)}"
        self._answer = answer = await ask(self._fetcher, api)
        self._number = text(answer, "id") or self._number
        self.total = size_of(answer, "files", "count")
        about = answer.get("metadata") if isinstance(answer, dict) else None
        people = listed(about, "creators")
        names = (text(each, "person_or_org", "name") or text(each, "name") for each in people)
        rights = text(about, "rights", 0, "title", "en") or text(about, "rights", 0, "id")
        host = urlsplit(self._root).hostname or ""
        return RepositoryRecord(
            repository="Zenodo" if host == "zenodo.org" else host,
            page=text(answer, "links", "self_html") or f"{self._root}records/{self._number}",
            number=self._number,
            series=text(answer, "parent", "id") or text(answer, "conceptrecid") or self._number,
            title=text(about, "title"),
            doi=text(answer, "pids", "doi", "identifier") or text(answer, "doi"),
            version=text(about, "version"),
            authors=tuple(name for name in names if name),
            license=rights or text(about, "license", "id"),
            license_url=text(about, "rights", 0, "props", "url"),
            date=text(about, "publication_date"),
            newer=await self._newer(),
            n_bytes=size_of(answer, "files", "total_bytes"),
        )

    async def _newer(self) -> str:
        """Return the page of the last version, if that is another one."""
        try:
            last = await ask(
                self._fetcher, f"{self._root}api/records/{self._number}/versions/latest"
            )
        except SourceError:
            return ""
        number = text(last, "id")
        return f"{self._root}records/{number}" if number not in {"", self._number} else ""

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files; those of a restricted record are closed."""
        url = f"{self._root}api/records/{self._number}/files"
        asked: set[str] = set()
        while url and url not in asked:
            asked.add(url)
            try:
                answer = await ask(self._fetcher, url)
            except ClosedError:
                for closed in self._named():
                    yield closed
                return
            for entry in listed(answer, "entries"):
                if file := self._file(entry):
                    yield file
            following = text(answer, "links", "next")
            url = urljoin(url, following) if following else ""

    def _file(self, entry: Any) -> RepositoryFile | None:
        name = text(entry, "key")
        if not name:
            return None
        algorithm, _, value = text(entry, "checksum").partition(":")
        plain = f"{self._root}api/records/{self._number}/files/{quote(name, safe='')}/content"
        return RepositoryFile(
            name,
            (text(entry, "links", "content") or plain,),
            size_of(entry, "size"),
            digests_of(algorithm, value),
        )

    def _named(self) -> list[RepositoryFile]:
        """Return the files of a record whose list is closed, by what the record itself names."""
        page = f"{self._root}records/{self._number}"
        names = [text(each, "key") for each in listed(self._answer, "files")]
        found = [RepositoryFile(name, (page,), closed=LOGIN) for name in names if name]
        return found or [RepositoryFile(self._number, (page,), closed=LOGIN)]

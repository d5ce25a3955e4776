"""Figshare, and the repositories of institutions that it runs: https://docs.figshare.com"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

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

_API = "https://api.figshare.com/v2/articles/"
_PAGE = 500  # files asked for at once; by default it sends ten


class Figshare:
    """An article of Figshare. version: the number of one, None for the last."""

    def __init__(self, fetcher: Fetcher, number: str, version: str | None) -> None:
        self._fetcher = fetcher
        self._number, self._version = number, version
        self._answer: Any = None
        self.total: int | None = None

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link such as https://figshare.com/articles/dataset/x/123/1.

        Institutions have it under hosts of their own; the numbers of articles are of one series.
        """
        parts = urlsplit(url)
        host = f".{parts.hostname or ''}"
        between = r"(?:.*/)?" if host.endswith(".figshare.com") else r"[a-z_]+/[^/]+/"
        match = re.search(rf"^/(?:\w+/)?articles/{between}(\d{{4,}})(?:/(\d+))?/?$", parts.path)
        return cls(fetcher, match[1], match[2]) if match else None

    @property
    def _url(self) -> str:
        return _API + self._number + (f"/versions/{self._version}" if self._version else "")

    async def record(self) -> RepositoryRecord:
        """Return what Figshare says of the article."""
        self._answer = answer = await ask(self._fetcher, self._url)
        page = text(answer, "url_public_html") or f"https://figshare.com/articles/{self._number}"
        names = (text(each, "full_name") for each in listed(answer, "authors"))
        return RepositoryRecord(
            repository="Figshare",
            page=page,
            number=f"{self._number}.v{text(answer, 'version') or self._version or 1}",
            series=self._number,
            title=text(answer, "title"),
            doi=text(answer, "doi"),
            version=text(answer, "version"),
            authors=tuple(name for name in names if name),
            license=text(answer, "license", "name"),
            license_url=text(answer, "license", "url"),
            date=text(answer, "published_date"),
            newer=await self._newer(),
            n_bytes=size_of(answer, "size"),
        )

    async def _newer(self) -> str:
        if not self._version:
            return ""
        try:
            last = text(await ask(self._fetcher, _API + self._number), "version")
        except SourceError:
            return ""
        is_newer = last.isdecimal() and int(last) > int(self._version)
        return f"https://figshare.com/articles/{self._number}/{last}" if is_newer else ""

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files, in the folders of the article; under an embargo they are closed."""
        folders = dig(self._answer, "folder_structure")
        kind = text(self._answer, "embargo_type")
        embargo = dig(self._answer, "is_embargoed") is True and kind in {"file", "article", ""}
        page, before = 1, None
        while True:
            answer = await ask(self._fetcher, f"{self._url}/files?page={page}&page_size={_PAGE}")
            if not isinstance(answer, list) or not answer or answer == before:
                break
            for each in answer:
                if file := self._file(each, folders, closed=embargo):
                    yield file
            page, before = page + 1, answer
        if page == 1 and embargo:
            yield RepositoryFile(self._number, (self._url,), closed=LOGIN)

    @staticmethod
    def _file(each: Any, folders: Any, *, closed: bool) -> RepositoryFile | None:
        name, url = text(each, "name"), text(each, "download_url")
        if not name:
            return None
        folder = text(folders, text(each, "id")).strip("/")
        why = LOGIN if closed else ""
        if dig(each, "is_link_only") is True:
            why = f"the record has a link in its place, and no file: {url}"
        return RepositoryFile(
            f"{folder}/{name}" if folder else name,
            (url,),
            size_of(each, "size"),
            digests_of("md5", text(each, "computed_md5") or text(each, "supplied_md5")),
            why,
        )

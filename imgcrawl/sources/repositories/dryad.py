"""Dryad: https://datadryad.org/api"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote, urljoin, urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.sources.repositories.record import (
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

_ROOT = "https://datadryad.org/"
_PAGE = 100  # files asked for at once, which is the most; by default it sends twenty


class Dryad:
    """A dataset of Dryad: its last version. doi: without ``doi:``."""

    def __init__(self, fetcher: Fetcher, doi: str) -> None:
        self._fetcher = fetcher
        self._doi = doi
        self._version = ""
        self.total: int | None = None

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link such as https://datadryad.org/dataset/doi:10.5061/dryad.x."""
        parts = urlsplit(url)
        match = re.search(r"doi:(10\.\d{4,9}/[^/?#]+)", unquote(parts.path))
        is_dryad = parts.hostname in {"datadryad.org", "www.datadryad.org"}
        return cls(fetcher, match[1]) if is_dryad and match else None

    async def record(self) -> RepositoryRecord:
        """Return what Dryad says of the dataset."""
        url = f"{_ROOT}api/v2/datasets/{quote(f'doi:{self._doi}', safe='')}"
        answer = await ask(self._fetcher, url)
        version = text(answer, "_links", "stash:version", "href")
        if not version:
            raise SourceError(f"{url} names no version of the dataset.")
        self._version = urljoin(_ROOT, version)
        people = listed(answer, "authors")
        names = (f"{text(p, 'lastName')}, {text(p, 'firstName')}".strip(", ") for p in people)
        terms = text(answer, "license")
        return RepositoryRecord(
            repository="Dryad",
            page=f"{_ROOT}dataset/doi:{self._doi}",
            number=f"{self._doi} {text(answer, 'versionNumber')}",
            series=self._doi,
            title=text(answer, "title"),
            doi=self._doi,
            version=text(answer, "versionNumber"),
            authors=tuple(name for name in names if name),
            license="CC0-1.0" if "publicdomain/zero" in terms or "CC0" in terms else terms,
            license_url=terms if terms.startswith("http") else "",
            date=text(answer, "publicationDate"),
        )

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files, page by page."""
        url, asked = f"{self._version}/files?per_page={_PAGE}", set()
        while url and url not in asked:
            asked.add(url)
            answer = await ask(self._fetcher, url)
            self.total = size_of(answer, "total")
            for each in listed(answer, "_embedded", "stash:files"):
                if file := _file(each):
                    yield file
            following = text(answer, "_links", "next", "href")
            url = urljoin(_ROOT, following) if following else ""


def _file(each: Any) -> RepositoryFile | None:
    path = text(each, "path").strip("/")
    own = text(each, "_links", "self", "href")
    link = text(each, "_links", "stash:download", "href") or (f"{own}/download" if own else "")
    if not path or not link or dig(each, "status") == "deleted":
        return None
    urls = [urljoin(_ROOT, link)]
    if match := re.search(r"/files/(\d+)/download", link):
        # The API gives files to accounts alone, the page's own link to everybody.
        urls.insert(0, f"{_ROOT}downloads/file_stream/{match[1]}")
    digests = digests_of(text(each, "digestType"), text(each, "digest"))
    return RepositoryFile(path, tuple(urls), size_of(each, "size"), digests)

"""BioStudies and the BioImage Archive: https://www.ebi.ac.uk/biostudies/help

Their files have sizes and no digests.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from imgcrawl.sources.repositories.record import (
    RepositoryFile,
    RepositoryRecord,
    ask,
    listed,
    size_of,
    text,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imgcrawl.sources.fetcher import Fetcher

_ROOT = "https://www.ebi.ac.uk/biostudies/"
_PAGE = 1000  # files asked for at once
_FOLDER = "the archive lists a folder in its place, and not what lies in it"


class BioStudies:
    """A study. accession: such as S-BIAD634."""

    def __init__(self, fetcher: Fetcher, accession: str) -> None:
        self._fetcher = fetcher
        self._accession = accession
        self._mirror = ""
        self.total: int | None = None

    @classmethod
    def of(cls, fetcher: Fetcher, url: str) -> Self | None:
        """Return the client of a link to a study, or None."""
        parts = urlsplit(url)
        match = re.search(r"/((?:S-[A-Z]{3,8}|E-[A-Z]{4}-)\d+)(?:\.html)?(?:/|$)", parts.path)
        host = f".{parts.hostname or ''}"
        is_ebi = host.endswith(".ebi.ac.uk") and "bio" in parts.path
        is_ebi = is_ebi or host.endswith(".bioimagearchive.org")
        return cls(fetcher, match[1]) if is_ebi and match else None

    async def record(self) -> RepositoryRecord:
        """Return what the archive says of the study."""
        answer = await ask(self._fetcher, f"{_ROOT}api/v1/studies/{self._accession}")
        info = await ask(self._fetcher, f"{_ROOT}api/v1/studies/{self._accession}/info")
        link = text(info, "httpLink") or text(info, "ftpLink")
        self._mirror = re.sub(r"^ftp://", "https://", link).rstrip("/")
        told = _attributes(answer.get("section") if isinstance(answer, dict) else None)
        told |= _attributes(answer)
        sections = listed(answer, "section", "subsections")
        return RepositoryRecord(
            repository="BioStudies",
            page=f"{_ROOT}studies/{self._accession}",
            number=f"{self._accession} {_day(info, 'modified')}".strip(),
            series=self._accession,
            title=told.get("Title", ""),
            doi=told.get("DOI", ""),
            version=_day(info, "modified"),
            authors=tuple(_authors(sections)),
            license=told.get("License", ""),
            date=told.get("ReleaseDate", ""),
        )

    async def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield the files; a folder that is listed as one is closed. Raises SourceError."""
        start = 0
        before: list[Any] | None = None
        while True:
            query = f"start={start}&length={_PAGE}"
            answer = await ask(self._fetcher, f"{_ROOT}api/v1/files/{self._accession}?{query}")
            page = listed(answer, "data")
            self.total = size_of(answer, "recordsTotal") or self.total
            if not page or page == before:
                return
            for each in page:
                if file := self._file(each):
                    yield file
            start, before = start + len(page), page

    def _file(self, each: Any) -> RepositoryFile | None:
        # Columns are those of the study's own file list; their case differs.
        row = {str(k).lower(): v for k, v in each.items()} if isinstance(each, dict) else {}
        path = text(row, "path").strip("/") or text(row, "name")
        if not path:
            return None
        urls = [f"{_ROOT}files/{self._accession}/{quote(path)}"]
        if self._mirror:
            urls.append(f"{self._mirror}/Files/{quote(path)}")
        closed = _FOLDER if text(row, "type") == "directory" else ""
        return RepositoryFile(path, tuple(urls), size_of(row, "size"), closed=closed)


def _attributes(section: Any) -> dict[str, str]:
    found = listed(section, "attributes")
    return {text(each, "name"): text(each, "value") for each in found if text(each, "value")}


def _authors(sections: list[Any]) -> Iterator[str]:
    for each in sections:
        if text(each, "type").lower() == "author" and (name := _attributes(each).get("Name")):
            yield name


def _day(info: Any, name: str) -> str:
    """Return the day of a time in milliseconds since 1970, or ""."""
    milliseconds = size_of(info, name)
    if not milliseconds:
        return ""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return ""

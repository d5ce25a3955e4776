"""What any repository says of a record and of its files, and how an answer is read safely."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from imgcrawl.records.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.sources.fetcher import Fetcher

_HEX = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
LOGIN = "this file is restricted: its repository gives it to those alone who may log in"


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """A file of a record.

    path:     below the record, its folders kept
    urls:     where it may be fetched, best first
    size:     bytes
    digests:  by algorithm, in hexadecimal
    closed:   why it cannot be had, LOGIN or in other words; empty if it can
    archive:  the path of the archive that it is a member of; empty for none
    """

    path: str
    urls: tuple[str, ...]
    size: int | None = None
    digests: dict[str, str] = field(default_factory=dict)
    closed: str = ""
    archive: str = ""

    @property
    def promised(self) -> dict[str, str]:
        """What its bytes must come to: its digests, or its size where there is none."""
        return self.digests or ({} if self.size is None else {"size": str(self.size)})


@dataclass(frozen=True, slots=True)
class RepositoryRecord:
    """A record as its repository describes it.

    number:  of this version; series: of all versions, the same in each
    version: as people call it
    newer:   the address of a later version; empty if this is the last
    parts:   records that are parts of this one, and are not read with it
    """

    repository: str
    page: str
    number: str
    series: str
    title: str = ""
    doi: str = ""
    version: str = ""
    authors: tuple[str, ...] = ()
    license: str = ""
    license_url: str = ""
    date: str = ""
    newer: str = ""
    parts: tuple[str, ...] = ()
    n_bytes: int | None = None

    def __str__(self) -> str:
        version = f", version {self.version}" if self.version else ""
        return (
            f"{self.title} ({self.doi or self.page}) at {self.repository}{version}: "
            f"the licence is {self.license or 'not told'}."
        )

    @property
    def bookmark(self) -> str:
        """The key under which a run notes which version it has read."""
        return f"version:{self.series}"

    def news(self, before: str | None) -> list[str]:
        """Return what is to be said of its versions. before: the number that a run had noted."""
        words = []
        if before not in {None, self.number}:
            changed = f"{self.page} has changed: it was {before}, and is {self.number}."
            words.append(f"{changed} Files that differ are fetched anew.")
        if self.newer:
            words.append(f"There is a later version of this record: {self.newer}")
        return words

    def columns(self) -> dict[str, Any]:
        """Return the columns that each file of the record has."""
        columns = {
            "record": self.series,
            "version": self.version or self.number,
            "title": self.title,
            "doi": self.doi,
            "authors": "; ".join(self.authors),
            "copyright_license": self.license,
            "license_url": self.license_url,
            "attribution": self.attribution,
            "published": self.date,
            "page": self.page,
        }
        return {name: value for name, value in columns.items() if value}

    @property
    def attribution(self) -> str:
        """Who is to be named where a file is shown."""
        who = "; ".join(self.authors) or self.repository
        where = f"https://doi.org/{self.doi}" if self.doi else self.page
        terms = f", {self.license}" if self.license else ""
        return f"{who}: {self.title}. {where}{terms}"

    def citation(self) -> str:
        """Return the record as a CITATION.cff (Citation File Format 1.2.0)."""
        lines = [
            "cff-version: 1.2.0",
            'message: "If you use these files, please cite the record that they are from."',
            "type: dataset",
            f"title: {json.dumps(self.title or self.number)}",
            "authors:",
            *(f"  - name: {json.dumps(name)}" for name in self.authors or (self.repository,)),
            f"url: {json.dumps(self.page)}",
        ]
        told = {"doi": self.doi, "version": self.version, "date-released": self.date[:10]}
        told |= {"license-url": self.license_url}
        lines += [f"{name}: {json.dumps(value)}" for name, value in told.items() if value]
        return "\n".join(lines) + "\n"


class RepositoryClient(Protocol):
    """Reads one record of one repository. Raises SourceError where that cannot be read.

    total: how many files the repository says there are, once they have been listed; None where it
           does not say
    """

    total: int | None

    async def record(self) -> RepositoryRecord:
        """Return what the repository says of the record."""

    def files(self) -> AsyncIterator[RepositoryFile]:
        """Yield all its files, page by page; the record has been read before."""


class ClosedError(SourceError):
    """A repository answers 401 or 403: not everybody may have this."""


async def ask(fetcher: Fetcher, url: str) -> Any:
    """Return the JSON at an address. Raises SourceError, ClosedError for 401 and 403.

    Never from a cache: which version there is today, only the repository knows.
    """
    response = await fetcher.fetch(url)
    if response.status in {401, 403}:
        raise ClosedError(f"{url} answers HTTP {response.status}: not everybody may have this.")
    if response.status in {404, 410}:
        raise SourceError(f"{url} answers HTTP {response.status}: there is no such public record.")
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return await fetcher.fetch_json(url, dont_cache=True)


def dig(answer: Any, *path: str | int) -> Any:
    """Return what lies at a path of keys in JSON, or None where there is nothing of the kind."""
    for key in path:
        if isinstance(key, int):
            has = isinstance(answer, list) and -len(answer) <= key < len(answer)
            answer = answer[key] if has else None
        else:
            answer = answer.get(key) if isinstance(answer, dict) else None
    return answer


def text(answer: Any, *path: str | int) -> str:
    """Return the text or number at a path, or ""."""
    found = dig(answer, *path)
    return str(found).strip() if isinstance(found, (str, int, float)) else ""


def listed(answer: Any, *path: str | int) -> list[Any]:
    """Return the list at a path, or an empty one."""
    found = dig(answer, *path)
    return found if isinstance(found, list) else []


def size_of(answer: Any, *path: str | int) -> int | None:
    """Return the bytes at a path, or None."""
    found = text(answer, *path)
    return int(found) if re.fullmatch(r"[0-9]{1,18}", found) else None


def digests_of(algorithm: str, value: str) -> dict[str, str]:
    """Return a promised digest; {} if it is none that can be checked."""
    name = re.sub(r"[^a-z0-9]", "", algorithm.lower())
    value = value.strip().lower()
    right = re.fullmatch(r"[0-9a-f]+", value) and len(value) == _HEX.get(name)
    return {name: value} if right else {}

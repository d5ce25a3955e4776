"""Descriptions of files, folders and URLs, one after the other."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from imgcrawl.download.address_guard import AddressGuard
from imgcrawl.download.aiohttp_errors import fetch_error
from imgcrawl.download.limits import TransferLimits
from imgcrawl.download.schemes import require_http
from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.ranges import CachedRanges, CallableRanges, FileRanges
from imgcrawl.microscopy.zarr_documents import MAX_DOCUMENT, document_at
from imgcrawl.microscopy.zarr_facts import ZARR
from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from scrapy.settings import BaseSettings

FIRST = 64 << 10  # bytes that are asked for at first


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """A row of the table: the facts of a file, or why it could not be read."""

    name: str
    size: int | None
    facts: FileFacts | None
    problem: str | None = None

    def columns(self) -> list[str]:
        """Return the names of the columns of the table."""
        own = (*FileFacts("").columns(), "conflicts", "checked", "suspect", "more", "problem")
        return ["file_name", "bytes", *own]

    def cells(self) -> dict[str, object]:
        """Return the cells of this row by column."""
        facts = self.facts
        own: dict[str, object] = {}
        if facts is not None:
            proof = facts.proof
            own = facts.columns() | {
                "conflicts": facts.conflicts,
                "checked": proof.checked.value,
                "suspect": proof.suspect,
            }
            own["more"] = facts.extra or None
        return own | {"file_name": self.name, "bytes": self.size, "problem": self.problem}


def describe_all(
    names: Iterable[str], settings: BaseSettings, *, private: bool = False
) -> Iterator[DescribedFile]:
    """Describe files, folders (all files below, a Zarr as one) and URLs.

    Below a folder, links to other folders are not followed, and pipes and devices are left out.
    """
    remote = _RemoteFiles(settings)
    for name in names:
        if re.match(r"https?://", name):
            yield _describe_one(name, partial(remote.describe, name, private=private))
            continue
        path = Path(name).expanduser()
        if not (path.is_file() or path.is_dir()):
            problem = (
                "it is neither a file nor a folder" if path.exists() else "there is no such file"
            )
            yield DescribedFile(name, None, None, problem)
            continue
        for file in _files(path):
            yield _describe_one(str(file), partial(_describe_local, file, private=private))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file() or any((path / name).is_file() for name in ZARR.documents):
        yield path
        return
    for below in sorted(path.iterdir()):
        if below.name.startswith("."):
            continue
        if below.is_file() or (below.is_dir() and not below.is_symlink()):
            yield from _files(below)


def _describe_local(path: Path, *, private: bool) -> tuple[int | None, FileFacts]:
    if path.is_dir():
        return None, ZARR.describe(lambda name: document_at(path / name))
    with FileRanges(path) as ranges:
        return ranges.size, describe(ranges, name=path.name, private=private)


def _describe_one(name: str, read: Callable[[], tuple[int | None, FileFacts]]) -> DescribedFile:
    try:
        size, facts = read()
    except (RecordMissing, OSError, ValueError) as error:
        return DescribedFile(name, None, None, f"{error}" or type(error).__name__)
    return DescribedFile(name, size, facts)


class _RemoteFiles:
    """Files at URLs, read by byte ranges, from public addresses only."""

    def __init__(self, settings: BaseSettings) -> None:
        self._guard = AddressGuard.from_setting(settings["ALLOWED_PRIVATE_NETWORKS"])
        self._headers = {"User-Agent": settings["USER_AGENT"], "Accept-Encoding": "identity"}
        self._limits = TransferLimits.from_settings(settings)
        self._timeout = aiohttp.ClientTimeout(total=settings.getfloat("DOWNLOAD_TIMEOUT"))

    def describe(self, url: str, *, private: bool) -> tuple[int | None, FileFacts]:
        """Describe a file, or a Zarr where the URL ends in a slash, in .zarr or in .n5."""
        with asyncio.Runner() as runner:
            if urlsplit(url).path.endswith(("/", *ZARR.extensions)):
                base = url.rstrip("/")
                return None, ZARR.describe(lambda n: runner.run(self._document(f"{base}/{n}")))
            first, total = runner.run(self._get(url, 0, FIRST))

            def fetch(offset: int, length: int) -> bytes:
                if offset + length <= len(first):
                    return first[offset : offset + length]
                return runner.run(self._get(url, offset, length))[0]

            ranges = CachedRanges(CallableRanges(fetch, total))
            return total, describe(ranges, name=url, walk=False, private=private)

    async def _document(self, url: str) -> bytes | None:
        status, body, _ = await self._request(url, {}, MAX_DOCUMENT)
        return body if status == 200 else None  # S3 answers 403 for what is not there

    async def _get(self, url: str, offset: int, length: int) -> tuple[bytes, int | None]:
        """Fetch bytes of a file; return them and the length of the file. Raises OSError."""
        asked = {"Range": f"bytes={offset}-{offset + length - 1}"}
        status, body, headers = await self._request(url, asked, length)
        if status == 206:
            total = headers.get("Content-Range", "").rpartition("/")[2]
            return body, int(total) if total.isdigit() else None
        if status != 200:
            raise OSError(f"HTTP {status}")
        if offset:
            raise OSError("the server gives no byte ranges: download the file first")
        size = headers.get("Content-Length", "")
        return body, int(size) if size.isdigit() else None

    async def _request(
        self, url: str, headers: dict[str, str], length: int
    ) -> tuple[int, bytes, Mapping[str, str]]:
        require_http(url)
        self._guard.check_host(urlsplit(url).hostname or "")
        connector = aiohttp.TCPConnector(socket_factory=self._guard.socket_factory)
        session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, timeout=self._timeout
        )
        try:
            async with session, session.get(url, headers=headers, max_redirects=5) as answer:
                body = bytearray()
                while len(body) < length and (chunk := await answer.content.read(1 << 16)):
                    body += chunk
                return answer.status, bytes(body[:length]), answer.headers
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise fetch_error(error, urlsplit(url).hostname or "", self._limits) from error

"""Members of archives, as if each had an address: ``zip+https://host/a.zip#member.png``.

The archive is downloaded once, through all that any request goes through, kept, and its members
are answered from it. Without a fragment the answer is the list of the members' names, one a line.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag

from scrapy import Request
from scrapy.http import Response, TextResponse
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.errors import FetchError
from imgcrawl.outcomes import Outcome, of_status

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

_PREFIX = "zip+"
_MAX_MEMBERS = 1_000_000


class ArchiveMiddleware:
    """Answers requests for ``zip+http`` and ``zip+https`` addresses, before any other middleware.

    Settings: OUT (archives are kept in OUT/.archives), ARCHIVE_MAXSIZE (bytes of an archive),
    DOWNLOAD_MAXSIZE (bytes of a member).
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._folder = Path(settings["OUT"], ".archives")
        self._maxsize = settings.getint("ARCHIVE_MAXSIZE")
        self._member_maxsize = settings.getint("DOWNLOAD_MAXSIZE")
        self._archives: dict[str, asyncio.Future[_Archive]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        return cls(crawler)

    async def process_request(self, request: Request) -> Response | None:
        """The member as a response (404 where there is none), or None for other addresses.

        Raises FetchError where the archive cannot be had or read.
        """
        if not request.url.startswith(_PREFIX):
            return None
        address, fragment = urldefrag(request.url.removeprefix(_PREFIX))
        archive = await self._archive(address)
        if not fragment:
            names = "\n".join(archive.names()).encode("utf-8", "replace")
            return TextResponse(request.url, body=names, encoding="utf-8", request=request)
        body = await asyncio.to_thread(archive.read, unquote(fragment), self._member_maxsize)
        status = 404 if body is None else 200
        return Response(request.url, status, body=body or b"", request=request)

    async def _archive(self, address: str) -> _Archive:
        """The archive, downloaded at most once a run; its failure is remembered too."""
        if address not in self._archives:
            task = asyncio.ensure_future(self._obtain(address))
            self._archives[address] = task
        return await asyncio.shield(self._archives[address])

    async def _obtain(self, address: str) -> _Archive:
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        name = PurePosixPath(urldefrag(address)[0].partition("?")[0]).name[-80:]
        path = self._folder / f"{digest}-{name}"
        if path.exists():
            return await asyncio.to_thread(_Archive, path)
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        logger.info("Downloading the archive %s", address)
        spool = path.with_suffix(".part")
        meta = {
            "spool": str(spool),
            "spool_threshold": 0,
            "download_maxsize": self._maxsize,
            "download_deadline": None,
            "dont_cache": True,
        }
        request = Request(address, meta=meta, callback=NO_CALLBACK)
        response = await self._crawler.engine.download_async(request)
        if response.status != 200:
            words = f"the archive {address} answered HTTP {response.status}"
            raise FetchError(of_status(response.status), words, response.status)
        if "spooled" not in response.flags:
            raise FetchError(Outcome.EMPTY, f"the archive {address} is empty", 200)
        archive = await asyncio.to_thread(_Archive, spool)
        await asyncio.to_thread(spool.replace, path)
        logger.info("The archive is there: %s MB", f"{path.stat().st_size / 1e6:,.1f}")
        return archive


class _Archive:
    """An open zip file. Raises FetchError where it is none. `read` may be called from threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
            path.unlink(missing_ok=True)
            raise FetchError(Outcome.CORRUPT, f"no zip archive: {error}") from error
        members = [info for info in self._zip.infolist() if not info.is_dir()][:_MAX_MEMBERS]
        self._exact = {info.filename: info for info in members}
        self._by_name: dict[str, zipfile.ZipInfo | None] = {}
        for info in members:
            name = PurePosixPath(info.filename).name
            self._by_name[name] = None if name in self._by_name else info

    def names(self) -> list[str]:
        """The members' names."""
        return list(self._exact)

    def read(self, name: str, maxsize: int) -> bytes | None:
        """A member by its name, or by the last part of it where that is unique; None if none is."""
        info = self._exact.get(name) or self._by_name.get(PurePosixPath(name).name)
        if info is None:
            return None
        try:
            # The size in the directory may lie: no more than allowed is unpacked, whatever it says.
            with self._lock, self._zip.open(info) as member:
                body = member.read(maxsize + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
        ) as error:
            raise FetchError(Outcome.CORRUPT, f"{name} in its archive: {error}", 200) from error
        if len(body) > maxsize:
            raise FetchError(
                Outcome.TOO_LARGE, f"{name} unpacks to more than {maxsize:,} bytes", 200
            )
        return body

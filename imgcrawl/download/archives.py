"""Records that are members of a ZIP archive: the archive is downloaded once, and kept.

``zip+https://host/a.zip#folder/name.png`` is that member of ``https://host/a.zip``. Without a
fragment the answer is the list of the members' names, one a line.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urldefrag, urlsplit

from scrapy import Request, signals
from scrapy.http import Response, TextResponse
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.limits import TransferLimits
from imgcrawl.download.schemes import ARCHIVE_SCHEMES
from imgcrawl.download.zip_reader import ZipArchive
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.storage.directory import ARCHIVES

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

MAXSIZE = 16 << 30  # bytes of an archive
_STALE = 3600.0  # seconds that a download which nobody continues has not been touched for


def member_url(archive_url: str, member: str) -> str:
    """Return the address of a member of the archive at an http or https address."""
    return f"zip+{urldefrag(archive_url).url}#{quote(member)}"


class ArchiveMiddleware:
    """Answers requests for members, before any other middleware sees them.

    An archive is asked for as any file is (robots.txt, retries, limits of the host); it lies in
    ARCHIVES_DIR, by default ``.archives`` below OUT, and one that lies there is not asked for. A
    member is named in full, or by the last part of its name where that is unique; one that is not
    there is a 404. If an archive cannot be fetched, each member fails as it did.
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        folder = settings["ARCHIVES_DIR"] or Path(settings["OUT"] or ".") / ARCHIVES
        self._folder = Path(folder).expanduser().absolute()
        self._maxsize = settings.getint("ARCHIVE_MAXSIZE", MAXSIZE)
        self._limits = TransferLimits.from_settings(settings)
        self._archives: dict[str, asyncio.Task[ZipArchive]] = {}
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware of a crawler: Scrapy's constructor."""
        return cls(crawler)

    async def process_request(self, request: Request) -> Response | None:
        """Return the bytes of a member as a response. Raises the archive's RecordMissing.

        Meta ``spool`` and the limits of size mean what they mean for any request.
        """
        scheme, _, rest = request.url.partition(":")
        if scheme not in ARCHIVE_SCHEMES:
            return None
        url, fragment = urldefrag(f"{ARCHIVE_SCHEMES[scheme]}:{rest}")
        archive = await self._archive(url)
        if not fragment:
            names = "\n".join(archive.names()).encode("utf-8", "replace")
            return TextResponse(request.url, body=names, encoding="utf-8", request=request)
        limits = self._limits.of(request)
        async with archive.lock:
            read = await asyncio.to_thread(archive.read, unquote(fragment), limits)
        if read is None:
            headers = {"X-Archive": "no such member"}
            return Response(request.url, 404, headers, request=request)
        flags = ["spooled"] if read.spooled else None
        return Response(request.url, 200, None, read.body, flags=flags, request=request)

    async def _archive(self, url: str) -> ZipArchive:
        task = self._archives.get(url)
        if task is None:
            task = self._archives[url] = asyncio.create_task(self._obtain(url))
        try:
            return await asyncio.shield(task)
        except RecordMissing as error:
            raise error.again() from None

    async def _obtain(self, url: str) -> ZipArchive:
        path = self._folder / f"{sha256(url.encode()).hexdigest()[:32]}.zip"
        if path.exists():
            try:
                return await asyncio.to_thread(ZipArchive, path, _name(url))
            except RecordMissing:
                logger.info("The archive %s of %s is damaged", path, _name(url))
        part = path.with_suffix(f".{os.getpid()}.part")
        await asyncio.to_thread(_make_room, path)
        try:
            await self._download(url, part)
            archive = await asyncio.to_thread(ZipArchive, part, _name(url))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return archive

    async def _download(self, url: str, part: Path) -> None:
        logger.info("Downloading the archive %s", _name(url))
        start = time.monotonic()
        request = Request(
            url,
            headers={"Accept-Encoding": "identity"},
            callback=NO_CALLBACK,
            meta={
                "media": True,
                "spool": str(part),
                "spool_threshold": 0,
                "download_maxsize": self._maxsize,
                "download_deadline": 0,
                "stoppable": True,
            },
        )
        response = await self._crawler.engine.download_async(request)
        if response.status != 200:
            message = f"the archive {_name(url)} answers HTTP {response.status}"
            raise RecordMissing(of_status(response.status), message, response.status)
        if "spooled" not in response.flags:
            raise RecordMissing(Outcome.EMPTY, f"the archive {_name(url)} is empty", 200)
        size = await asyncio.to_thread(os.path.getsize, part)
        seconds = time.monotonic() - start
        logger.info("The archive %s is here: %.1f MB in %.0f s", _name(url), size / 1e6, seconds)

    def _closed(self) -> None:
        for task in self._archives.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and task.exception() is None:
                task.result().close()
        self._archives.clear()


def _make_room(path: Path) -> None:
    """Make the folder, and remove what killed runs left of this archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for part in path.parent.glob(f"{path.stem}.*.part"):
        if part.stat().st_mtime < time.time() - _STALE:
            part.unlink(missing_ok=True)


def _name(url: str) -> str:
    """Return an archive's host and path, for messages. A query may carry a signature."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"

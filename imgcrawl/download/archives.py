"""Records that are members of a ZIP or TAR archive: the archive is downloaded once, and kept.

``zip+https://host/a.zip#folder/name.png`` is that member of ``https://host/a.zip``, and
``tar+https://host/a.tgz#name`` one of a TAR, packed or not. Without a fragment the answer is the
list of the members' names, one a line; with meta ``archive_index`` as JSON, with their sizes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, unquote, urldefrag, urlsplit

from scrapy import Request, signals
from scrapy.http import Response, TextResponse
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.limits import TransferLimits
from imgcrawl.download.schemes import ARCHIVE_SCHEMES
from imgcrawl.download.tar_reader import TarArchive, unpack_pieces
from imgcrawl.download.zip_reader import ZipArchive
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.storage.digests import check_digests
from imgcrawl.storage.directory import ARCHIVES

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

MAXSIZE = 16 << 30  # bytes of an archive
_STALE = 3600.0  # seconds that a download which nobody continues has not been touched for


Archive: TypeAlias = ZipArchive | TarArchive


def member_url(archive_url: str, member: str, kind: str = "zip") -> str:
    """Return the address of a member of the archive at an http or https address.

    kind: ``zip`` or ``tar``
    """
    return f"{kind}+{urldefrag(archive_url).url}#{quote(member)}"


class ArchiveMiddleware:
    """Answers requests for members, before any other middleware sees them.

    An archive is asked for as any file is (robots.txt, retries, limits of the host); it lies in
    ARCHIVES_DIR, by default ``.archives`` below OUT, and one that lies there is not asked for. A
    member is named in full, or, of a ZIP, by the last part of its name where that is unique; one
    that is not there is a 404. If an archive cannot be fetched, each member fails as it did. Meta
    ``digests`` of a request for the list is what the archive must come to.
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        folder = settings["ARCHIVES_DIR"] or Path(settings["OUT"] or ".") / ARCHIVES
        self._folder = Path(folder).expanduser().absolute()
        self._maxsize = settings.getint("ARCHIVE_MAXSIZE", MAXSIZE)
        self._limits = TransferLimits.from_settings(settings)
        self._archives: dict[tuple[str, str], asyncio.Task[Archive]] = {}
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
        kind = scheme.partition("+")[0]
        # Those in a request for a member are the member's own.
        digests = {} if fragment else request.meta.get("digests") or {}
        archive = await self._archive(kind, url, digests)
        if not fragment and request.meta.get("archive_index"):
            index = {"sizes": archive.sizes(), "others": archive.others}
            body = json.dumps(index).encode()
            return TextResponse(request.url, body=body, encoding="utf-8", request=request)
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

    async def _archive(self, kind: str, url: str, digests: dict[str, str]) -> Archive:
        task = self._archives.get((kind, url))
        if task is None:
            task = asyncio.create_task(self._obtain(kind, url, digests))
            self._archives[kind, url] = task
        try:
            return await asyncio.shield(task)
        except RecordMissing as error:
            raise error.again() from None

    async def _obtain(self, kind: str, url: str, digests: dict[str, str]) -> Archive:
        opener: Callable[[Path, str], Archive] = TarArchive if kind == "tar" else ZipArchive
        path = self._folder / f"{sha256(url.encode()).hexdigest()[:32]}.{kind}"
        if path.exists() and await asyncio.to_thread(_had, path, digests):
            try:
                return await asyncio.to_thread(opener, path, _name(url))
            except RecordMissing:
                logger.info("The archive %s of %s is damaged", path, _name(url))
        part = path.with_suffix(f".{os.getpid()}.part")
        await asyncio.to_thread(_make_room, path)
        try:
            await self._download(url, part)
            await asyncio.to_thread(check_digests, part, digests)
            if kind == "tar":
                await self._unpack(part)
            archive = await asyncio.to_thread(opener, part, _name(url))
            part.replace(path)
            await asyncio.to_thread(_note, path, digests)
        finally:
            part.unlink(missing_ok=True)
        return archive

    async def _unpack(self, part: Path) -> None:
        """Put the TAR that a packed one holds in its place, and stop where the run does."""
        pieces, end = unpack_pieces(part, self._maxsize), object()
        try:
            while await asyncio.to_thread(next, pieces, end) is not end:
                if Downloader.of(self._crawler).stopping:
                    raise RecordMissing(Outcome.INTERRUPTED, "the run was stopped")
        finally:
            pieces.close()

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
        response = await Downloader.of(self._crawler).download(request)
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


def _note(path: Path, digests: dict[str, str]) -> None:
    """Note beside an archive what it was promised to come to, and did."""
    if digests:
        path.with_suffix(".json").write_text(json.dumps(digests, sort_keys=True))


def _had(path: Path, digests: dict[str, str]) -> bool:
    """Return whether an archive came to these digests when it was downloaded."""
    note = path.with_suffix(".json")
    noted = note.read_text() if note.exists() else ""
    return not digests or noted == json.dumps(digests, sort_keys=True)


def _make_room(path: Path) -> None:
    """Make the folder, and remove what killed runs left of this archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = (*path.parent.glob(f"{path.stem}.*.part"), *path.parent.glob(f"{path.stem}.*.plain"))
    for part in left:
        if part.stat().st_mtime < time.time() - _STALE:
            part.unlink(missing_ok=True)


def _name(url: str) -> str:
    """Return an archive's host and path, for messages. A query may carry a signature."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"

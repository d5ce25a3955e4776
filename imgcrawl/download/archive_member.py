"""One member of an archive on its way into a `PartialFile`, as `LargeFile` brings whole files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.downloader import Downloader
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.storage.digests import digest

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.download.partial_file import PartialFile


class ArchiveMember:
    """A member, of any size; the archive itself is downloaded once, and kept."""

    coding = ""  # a member has no headers

    def __init__(self, crawler: Crawler, part: PartialFile) -> None:
        self._crawler = crawler
        self._part = part
        self.tries = 0
        self.final_url = part.url

    async def fetch(self) -> str:
        """Unpack the member into the part; return its SHA-256. Raises RecordMissing."""
        meta: dict[str, Any] = {"media": True, "dont_cache": True, "download_maxsize": 0}
        meta |= {"spool": str(self._part.path), "spool_threshold": 0}
        request = Request(self._part.url, meta=meta, callback=NO_CALLBACK)
        response = await Downloader.of(self._crawler).download(request)
        self.tries = 1
        if response.status != 200:
            words = "the archive has no such member"
            raise RecordMissing(of_status(response.status), words, response.status)
        if "spooled" not in response.flags:
            await asyncio.to_thread(self._part.path.write_bytes, response.body)
        sha256, size = await asyncio.to_thread(digest, self._part.path)
        if not size:
            raise RecordMissing(Outcome.EMPTY, "it has no bytes", 200)
        return sha256

"""The reason of a failed read: the server is asked once more, by the crawl's own downloader.

tensorstore reports little of the reason, ignores Retry-After and follows no redirect. The
downloader does all that, and its retries, pauses and breaker are the ones that count.
"""

from __future__ import annotations

import logging
import re
from time import monotonic
from typing import TYPE_CHECKING

from scrapy import Request
from scrapy.http.request import NO_CALLBACK

from imgcrawl.download.bodies import BodySink
from imgcrawl.download.downloader import Downloader
from imgcrawl.pictures.sniff import HEAD_BYTES, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.extras import is_installed
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.volumes.crop.open_arrays import DOCUMENTS, is_unknown_encoding

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Headers, Response

    from imgcrawl.records.volume import Level
    from imgcrawl.volumes.crop.endpoint import StoreEndpoint

logger = logging.getLogger(__name__)

ROUNDS = 4  # of reading what the downloader finds nothing wrong with
DAMAGED_ROUNDS = 2  # of reading what does not decode
LOOK = 4 << 20  # bytes of an object that are fetched to see how it does; a shard has gigabytes
# Seconds of silence. With RETRY_TIMES as it is, a server that hangs is given up within a minute:
# tensorstore's limit once, then five tries of these, and the pauses between them.
PATIENCE = 7.0
NOWHERE = "imgcrawl-is-there-anything-here"  # a key that no store has
_RANGE = re.compile(r"range .* was ignored by server", re.IGNORECASE)
_CUT = re.compile(r"not enough data|truncated|unexpected end|premature|too short", re.IGNORECASE)
_STRANGE_ENCODING = "curl_code='61'"  # a Content-Encoding that libcurl does not know
_DAMAGED = ("FAILED_PRECONDITION", "DATA_LOSS", "INVALID_ARGUMENT", "OUT_OF_RANGE")


class UnknownEncodingError(RecordMissing):
    """Chunks that are encoded in a way that is not known here, however whole they are."""


def is_absent(error: ValueError) -> bool:
    """Return whether tensorstore says that there is no such object."""
    return str(error).startswith("NOT_FOUND")


def is_strangely_encoded(error: ValueError) -> bool:
    """Return whether an object came with a Content-Encoding that tensorstore does not know.

    boto3 leaves "aws-chunked" on objects: it says nothing of their bytes.
    """
    return _STRANGE_ENCODING in str(error)


def is_forbidden(error: ValueError) -> bool:
    """Return whether tensorstore says that an object may not be read."""
    return str(error).startswith(("PERMISSION_DENIED", "UNAUTHENTICATED"))


class ReadErrors:
    """Classifies the failed reads of one store."""

    def __init__(self, crawler: Crawler, level: Level, endpoint: StoreEndpoint) -> None:
        self._crawler = crawler
        self._level = level
        self._endpoint = endpoint

    async def wait_for_host(self) -> None:
        """Wait until the host may be asked. Raises RecordMissing: interrupted, host_down."""
        downloader = Downloader.of(self._crawler)
        if downloader.stopping:
            words = "the run was stopped before all of the box was read"
            raise RecordMissing(Outcome.INTERRUPTED, words, tries=0)
        if self._endpoint.is_local:
            return
        key = downloader.get_slot_key(Request(self._endpoint.url))
        while (host := downloader.hosts.get(key)) is not None:
            if error := downloader.hosts.given_up(key):
                raise error
            wait = host.wait(monotonic())
            if wait <= 0:
                return
            await downloader.sleep(wait)

    async def classify(self, error: ValueError, tried: int) -> None:
        """Return if trying again may help, after `tried` tries; raise RecordMissing if not."""
        words = self._describe(error)
        logger.debug("Reading %s failed, for the %d. time: %s", self._level.name, tried, words)
        if beyond := is_unknown_encoding(words):
            why = f"its chunks are encoded in a way that is not known here ({beyond})"
            help_ = "copy it as it is, without box, size and format"
            if '"jxl"' in beyond and not is_installed("jxl"):
                help_ += "; or type: pip install 'imgcrawl[jxl]'"
            raise UnknownEncodingError(Outcome.CORRUPT, f"{why}: {help_}", tries=tried)
        url = self._endpoint.failed_url(str(error))
        if is_strangely_encoded(error):
            words = "its objects come with a Content-Encoding that is not known here"
            raise RecordMissing(Outcome.CORRUPT, f"{words}: copy it as it is", 200, tried)
        if not self._endpoint.is_local:
            await self._require_readable(
                url or f"{self._endpoint.url}{DOCUMENTS[self._level.driver]}"
            )
        if _RANGE.search(words):
            host = self._endpoint.url.split("/")[2]
            raise RecordMissing(
                Outcome.HTTP_ERROR, f"{host} does not honour ranges, which a sharded volume needs"
            )
        if str(error).startswith(_DAMAGED):
            if tried >= DAMAGED_ROUNDS or self._endpoint.is_local:
                outcome = Outcome.TRUNCATED if _CUT.search(words) else Outcome.CORRUPT
                raise RecordMissing(outcome, words, tries=tried)
        elif tried >= ROUNDS or self._endpoint.is_local:
            raise RecordMissing(Outcome.SERVER_ERROR, words, tries=tried)

    async def absence_is_forbidden(self) -> bool:
        """Return whether the store answers 403 for what is not there, as some buckets do."""
        if self._endpoint.is_local:
            return False
        response = await self._get(f"{self._endpoint.url}{NOWHERE}", _HeadSink())
        return response.status in {401, 403}

    async def _require_readable(self, url: str) -> None:
        """Raise RecordMissing unless `url` can be had, and is no page in place of an object."""
        sink = _HeadSink()
        response = await self._get(url, sink)
        status = response.status
        where = _short(url)
        if "redirect_urls" in response.request.meta if response.request else False:
            words = f"{where} redirects to {response.url}: type the address it redirects to"
            raise RecordMissing(Outcome.REDIRECTS, words)
        # 416: an empty object has no first byte.
        if not 200 <= status < 300 and status not in {404, 410, 416}:
            tries = 1 + int(response.meta.get("retry_times", 0))
            raise RecordMissing(of_status(status), f"HTTP {status} for {where}", status, tries)
        if status == 200 and (what := sniff(sink.head).what).startswith(("an HTML", "HTML")):
            words = f"no object but {what} at {where}: nobody knows whether one is there"
            raise RecordMissing(Outcome.NOT_IMAGE, words, status)

    async def fetch(self, url: str, limit: int) -> bytes:
        """Return an object as the crawl's own downloader gets it. Raises RecordMissing."""
        meta = {"dont_cache": True, "media": True, "download_maxsize": limit}
        request = Request(url, callback=NO_CALLBACK, dont_filter=True, meta=meta)
        response: Response = await Downloader.of(self._crawler).download(request)
        if response.status != 200:
            raise RecordMissing(
                of_status(response.status), f"HTTP {response.status} for {url}", response.status
            )
        return response.body

    async def _get(self, url: str, sink: _HeadSink) -> Response:
        silence = self._crawler.settings.getfloat("DOWNLOAD_TIMEOUT") or PATIENCE
        request = Request(
            url,
            headers={"Range": f"bytes=0-{LOOK - 1}"},
            callback=NO_CALLBACK,
            dont_filter=True,
            meta={
                "dont_cache": True,
                "media": True,
                "sink": sink,
                "download_timeout": min(silence, PATIENCE),
            },
        )
        response: Response = await Downloader.of(self._crawler).download(request)
        return response

    def _describe(self, error: ValueError) -> str:
        """Return the error in one line, with the host's own name and without the spec."""
        words = self._endpoint.named(str(error)).partition(" [tensorstore_spec=")[0]
        words = words.partition(" [source locations")[0]
        return "".join(c if c.isprintable() else "?" for c in words)[:500]


class _HeadSink(BodySink):
    """Takes a body of any length and keeps what it begins with."""

    head = b""

    def begin(self, status: int, headers: Headers, url: str) -> None:
        self.head = b""

    def write(self, data: bytes | bytearray) -> None:
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(data[: HEAD_BYTES - len(self.head)])

    def end(self) -> None:
        """Do nothing."""


def _short(url: str) -> str:
    """Return a URL without its query, which may carry a signature."""
    return url.partition("?")[0]

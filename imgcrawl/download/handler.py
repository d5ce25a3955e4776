"""The one HTTP handler: http and https on aiohttp, lean, guarded, whole bodies or none."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import aiohttp
import yarl
from aiohttp.http_exceptions import HttpProcessingError
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from scrapy.utils.httpobj import urlparse_cached

from imgcrawl.download.address_guard import AddressGuard
from imgcrawl.download.aiohttp_errors import fetch_error
from imgcrawl.download.bodies import BodySpool
from imgcrawl.download.downloader import Downloader
from imgcrawl.download.file_headers import is_file
from imgcrawl.download.lenient_headers import LenientConnector
from imgcrawl.download.limits import TransferLimits
from imgcrawl.download.resolver import Resolver
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy import Request
    from scrapy.crawler import Crawler

    from imgcrawl.download.bodies import BodySink

CHUNK = 1 << 20  # bytes read and written at a time; more is slower
ERROR_BODY = 1 << 20  # bytes kept of the body of an answer other than 2xx
HEADER_SIZE = 64 << 10  # bytes of one header; content security policies outgrow aiohttp's 8 KiB
HEADERS = 1000  # of one answer; some set hundreds of cookies
DNS_CACHE = 300  # seconds; what a name leads to is checked at each connection
KEEP_ALIVE = 15.0  # seconds that an idle connection is kept
OPEN_FILES = 8192  # idle connections to many hosts outnumber the usual 1,024


class HttpHandler(BaseDownloadHandler):
    """Fetches a URL as Scrapy has it. Raises RecordMissing for everything that is no answer.

    What it is told by the meta of a request stands in `imgcrawl.download.meta`, and ``proxy``.
    Bodies are not decompressed, redirects not followed, cookies not kept, TLS verified but with
    INSECURE_TLS_HOSTS.
    The body of an answer other than 2xx may be cut: its status is what counts.

    A proxy is the user's choice and may have any address. It looks the names up, so that only
    addresses spelt out in a URL are guarded behind it.
    """

    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        settings = crawler.settings
        self._guard = AddressGuard.from_setting(settings["ALLOWED_PRIVATE_NETWORKS"])
        self._limits = TransferLimits.from_settings(settings)
        self._direct = _session(self._guard)
        self._web: str | None = settings["WEB_REPLICA_URL"]
        self._insecure = {host.lower() for host in settings.getlist("INSECURE_TLS_HOSTS")}
        self._proxied: aiohttp.ClientSession | None = None
        _allow_many_files()

    async def close(self) -> None:
        """Close the connections at the end of the crawl."""
        await self._direct.close()
        if self._proxied is not None:
            await self._proxied.close()

    async def download_request(self, request: Request) -> Response:
        """Return the answer to a request, whatever its status. Raises RecordMissing."""
        limits = self._limits.of(request)
        host = urlparse_cached(request).hostname or ""
        self._guard.check_host(host)
        request.meta.pop("download_latency", None)
        start = monotonic()
        try:
            async with self._send(request, limits, host) as answer:
                request.meta["download_latency"] = monotonic() - start
                if not 200 <= answer.status < 300:
                    return _response(request, answer, await _start_of_body(answer, limits))
                if request.meta.get("page_only") and is_file(answer.headers):
                    answer.close()
                    return _response(request, answer, b"", flags=("file",))
                if "sink" in request.meta:
                    return await self._pour(request, answer, limits, host)
                return await self._receive(request, answer, limits, host)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            raise fetch_error(error, host, limits) from error

    def _send(
        self, request: Request, limits: TransferLimits, host: str
    ) -> aiohttp.client._RequestContextManager:
        session, proxy = self._direct, request.meta.get("proxy")
        headers = request.headers
        proxy_headers = None
        if proxy:
            if self._proxied is None:
                self._proxied = _session(None)
            session, headers = self._proxied, headers.copy()
            if credentials := headers.get("Proxy-Authorization"):
                proxy_headers = {"Proxy-Authorization": credentials.decode("latin-1")}
                if request.url.startswith("https:"):
                    del headers["Proxy-Authorization"]  # for the proxy, not for what is behind it
        return session.request(
            request.method,
            yarl.URL(stand_in(request.url, self._web), encoded=True),
            data=request.body or None,
            headers=_as_text(headers),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=limits.deadline or None,
                connect=limits.silence or None,
                sock_read=limits.silence or None,
            ),
            ssl=host not in self._insecure,
            proxy=proxy or None,
            proxy_headers=proxy_headers,
        )

    async def _receive(
        self, request: Request, answer: aiohttp.ClientResponse, limits: TransferLimits, host: str
    ) -> Response:
        announced = None if request.method == "HEAD" else answer.content_length
        if announced is None or (limits.spool and announced > limits.spool_threshold):
            if announced is not None:
                _require_room(announced, limits, host)
            return await self._receive_long(request, answer, limits, host)
        _require_room(announced, limits, host)
        return _response(request, answer, await answer.read())

    async def _pour(
        self, request: Request, answer: aiohttp.ClientResponse, limits: TransferLimits, host: str
    ) -> Response:
        """Pass the body on as it arrives; the response itself has none."""
        sink: BodySink = request.meta["sink"]
        sink.begin(answer.status, _headers(answer), request.url)
        while chunk := await _read(answer, limits):
            sink.write(chunk)
            if Downloader.of(self.crawler).stopping:
                message = f"the run was stopped in the middle of a file of {host}"
                raise RecordMissing(Outcome.INTERRUPTED, message)
        sink.end()
        return _response(request, answer, b"", flags=("spooled",))

    async def _receive_long(
        self, request: Request, answer: aiohttp.ClientResponse, limits: TransferLimits, host: str
    ) -> Response:
        """Receive what may be long: to memory up to the threshold, then to the spool."""
        stoppable = bool(request.meta.get("stoppable"))
        spool = BodySpool(Path(limits.spool)) if limits.spool else None
        body, received = bytearray(), 0
        try:
            while chunk := await _read(answer, limits):
                received += len(chunk)
                _require_room(received, limits, host)
                body += chunk
                if spool and received > limits.spool_threshold and len(body) >= CHUNK:
                    await spool.write(body)
                    body = bytearray()
                if stoppable and Downloader.of(self.crawler).stopping:
                    message = f"the run was stopped in the middle of a file of {host}"
                    raise RecordMissing(Outcome.INTERRUPTED, message)
            if spool is None or received <= limits.spool_threshold:
                return _response(request, answer, bytes(body))
            await spool.write(body)
            await spool.close()
        except BaseException:
            if spool:
                spool.discard()
            raise
        return _response(request, answer, b"", flags=("spooled",))


def _as_text(headers: Headers) -> list[tuple[str, str]]:
    """Return names and values, past Scrapy's costly look-up of each name."""
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in dict.items(headers)
        for value in values
    ]


def _headers(answer: aiohttp.ClientResponse) -> Headers:
    """Return the headers of an answer, past Scrapy's costly look at the type of each part."""
    headers = Headers()
    for name, value in answer.raw_headers:
        dict.setdefault(headers, name.title(), []).append(value)
    return headers


def stand_in(url: str, web: str | None) -> str:
    """Return where to ask for a URL: its host, unless a replica stands in for the web."""
    if not web:
        return url
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#]", rest)[0]
    if re.fullmatch(r"[\d.]+(:\d+)?|\[.*|localhost(:\d+)?|.*\.invalid", host):
        return url
    rest = rest.removeprefix(host)
    return f"{web}{scheme}/{host}{rest if rest.startswith('/') else '/' + rest}"


def _session(guard: AddressGuard | None) -> aiohttp.ClientSession:
    connector = LenientConnector(
        limit=0,  # the downloader's slots limit
        keepalive_timeout=KEEP_ALIVE,
        resolver=Resolver(),
        ttl_dns_cache=DNS_CACHE,
        socket_factory=guard.socket_factory if guard else None,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        read_bufsize=CHUNK,
        max_line_size=HEADER_SIZE,
        max_field_size=HEADER_SIZE,
        max_headers=HEADERS,
    )


def _allow_many_files() -> None:
    try:
        import resource  # noqa: PLC0415 - Windows has none, and no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _require_room(size: int, limits: TransferLimits, host: str) -> None:
    if not limits.allows(size):
        message = f"more than {limits.maxsize:,} bytes from {host}"
        raise RecordMissing(Outcome.TOO_LARGE, message)


async def _start_of_body(answer: aiohttp.ClientResponse, limits: TransferLimits) -> bytes:
    """Return as much of a body as came, for an answer whose status alone counts."""
    body = bytearray()
    with suppress(aiohttp.ClientError, HttpProcessingError, OSError):
        while len(body) < ERROR_BODY and (chunk := await _read(answer, limits)):
            body += chunk
    return bytes(body[:ERROR_BODY])


async def _read(answer: aiohttp.ClientResponse, limits: TransferLimits) -> bytes:
    """Return the next piece of a body, empty at its end.

    Where a chunk is malformed, aiohttp (3.14) closes the connection and wakes no reader.
    """
    connection = answer.connection
    try:
        async with asyncio.timeout(limits.silence or None) as silence:
            return await answer.content.read(CHUNK)
    except TimeoutError:
        if not silence.expired():
            raise
        protocol = connection.protocol if connection else None
        if protocol is not None and protocol.is_connected():
            raise aiohttp.SocketTimeoutError from None
        raise aiohttp.ClientConnectionError("malformed chunk") from None


def _response(
    request: Request, answer: aiohttp.ClientResponse, body: bytes, *, flags: Sequence[str] = ()
) -> Response:
    headers = _headers(answer)
    if "spooled" in flags:
        # There is nothing in memory that anyone could decode.
        headers.pop("Content-Encoding", None)
    kind: type[Response] = Response
    if not request.meta.get("media"):
        kind = responsetypes.from_args(headers=headers, url=request.url, body=body)
    arguments: dict[str, Any] = {"flags": list(flags)} if flags else {}
    return kind(request.url, answer.status, headers, body, request=request, **arguments)

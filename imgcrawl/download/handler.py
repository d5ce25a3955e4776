"""The HTTP handler: how every byte arrives.

On aiohttp, which Scrapy depends on already. Small bodies stay in memory, longer ones of requests
that name a file in meta ``spool`` go there with constant memory. TLS is verified, addresses are
guarded, a body is held to the length that was announced and to the limits.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import yarl
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes

from imgcrawl.download.errors import FetchError
from imgcrawl.download.guard import BLOCKED, AddressGuard
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy import Request
    from scrapy.crawler import Crawler

_CHUNK = 1 << 20  # bytes written at once


class HttpHandler(BaseDownloadHandler):
    """Answers http and https requests; every failure is a FetchError.

    Settings: DOWNLOAD_TIMEOUT (seconds of silence; meta download_timeout), DOWNLOAD_DEADLINE
    (seconds in all; meta download_deadline, None for no limit), DOWNLOAD_MAXSIZE (bytes; meta
    download_maxsize), SPOOL_THRESHOLD (bytes; meta spool_threshold), ALLOWED_PRIVATE_NETWORKS.
    A proxy (meta proxy) is the user's own choice: the guard sees it, not what is behind it.
    """

    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        settings = crawler.settings
        self._timeout = settings.getfloat("DOWNLOAD_TIMEOUT")
        self._deadline = settings.getfloat("DOWNLOAD_DEADLINE")
        self._maxsize = settings.getint("DOWNLOAD_MAXSIZE")
        self._spool_threshold = settings.getint("SPOOL_THRESHOLD")
        guard = AddressGuard.from_setting(settings["ALLOWED_PRIVATE_NETWORKS"])
        self._session = _session(guard)
        self._proxied: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
        if self._proxied is not None:
            await self._proxied.close()

    async def download_request(self, request: Request) -> Response:
        """The response, whatever its status. Raises FetchError where none came, or not whole."""
        silence = request.meta.get("download_timeout", self._timeout)
        timeout = aiohttp.ClientTimeout(
            total=request.meta.get("download_deadline", self._deadline),
            sock_connect=silence,
            sock_read=silence,
        )
        proxy = request.meta.get("proxy")
        if proxy and self._proxied is None:
            self._proxied = _session(None)
        session = self._proxied if proxy and self._proxied else self._session
        with _as_fetch_error(request.url, timeout):
            url = yarl.URL(request.url, encoded=True)
            started = time.monotonic()
            async with session.request(
                request.method,
                url,
                data=request.body or None,
                headers=request.headers.to_tuple_list(),
                timeout=timeout,
                allow_redirects=False,
                proxy=proxy,
                ssl=_tls() if request.url.startswith("https:") or proxy else True,
            ) as answer:
                request.meta["download_latency"] = time.monotonic() - started
                return await self._response(request, answer)

    async def _response(self, request: Request, answer: aiohttp.ClientResponse) -> Response:
        maxsize = request.meta.get("download_maxsize", self._maxsize)
        length = answer.content_length
        if maxsize and length and length > maxsize:
            raise FetchError(
                Outcome.TOO_LARGE, f"{length:,} bytes announced, {maxsize:,} allowed", answer.status
            )
        spool = request.meta.get("spool") if answer.status == 200 else None
        threshold = request.meta.get("spool_threshold", self._spool_threshold)
        body: bytes | None
        if length is not None and (spool is None or length <= threshold):
            body = await answer.read()
        else:
            body = await _read(answer, Path(spool) if spool else None, threshold, maxsize)
        headers = Headers(answer.raw_headers)
        cls = Response
        if not request.meta.get("media"):
            cls = responsetypes.from_args(headers=headers, url=request.url, body=body)
        return cls(
            request.url,
            answer.status,
            headers=headers,
            body=body or b"",
            flags=["spooled"] if body is None else [],
            request=request,
        )


async def _read(
    answer: aiohttp.ClientResponse, spool: Path | None, threshold: int, maxsize: int
) -> bytes | None:
    """The body; or None where it was longer than `threshold` bytes and went to the file `spool`.

    Raises FetchError for more than `maxsize` bytes; no file is left then.
    """
    received, buffer, whole = 0, bytearray(), False
    try:
        async for chunk in answer.content.iter_any():
            received += len(chunk)
            if maxsize and received > maxsize:
                raise FetchError(
                    Outcome.TOO_LARGE, f"more than the {maxsize:,} bytes allowed", answer.status
                )
            buffer += chunk
            if spool is not None and received > threshold and len(buffer) >= _CHUNK:
                await asyncio.to_thread(_append, spool, buffer, received == len(buffer))
                buffer = bytearray()
        if received == len(buffer) and (spool is None or received <= threshold):
            whole = True
            return bytes(buffer)
        assert spool is not None
        await asyncio.to_thread(_append, spool, buffer, received == len(buffer))
        whole = True
        return None
    finally:
        if spool is not None and not whole:
            await asyncio.to_thread(spool.unlink, missing_ok=True)


def _append(path: Path, data: bytearray, first: bool) -> None:
    with path.open("wb" if first else "ab") as file:
        file.write(data)


@cache
def _tls() -> ssl.SSLContext:
    """Verifies certificates; the system's list of them is large, and read when it is needed."""
    return ssl.create_default_context()


def _session(guard: AddressGuard | None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,  # the slots of the downloader are the limit
        socket_factory=guard.socket_factory if guard else None,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )


# What aiohttp says, first match first, and what it comes to.
_FAILURES: tuple[tuple[type[Exception], Outcome, str], ...] = (
    (ValueError, Outcome.BAD_URL, "no address: {reason}"),  # aiohttp.InvalidURL among them
    (aiohttp.ServerTimeoutError, Outcome.TIMEOUT, "{host} was silent for {silence:g} s"),
    (TimeoutError, Outcome.TIMEOUT, "{host} took longer than {total:g} s"),
    (aiohttp.ClientConnectorDNSError, Outcome.DNS, "{host} has no address"),
    (aiohttp.ClientSSLError, Outcome.TLS, "no secure connection to {host}: {reason}"),
    (ssl.SSLError, Outcome.TLS, "no secure connection to {host}: {reason}"),
    (aiohttp.ClientConnectorError, Outcome.REFUSED, "{host} does not let us connect: {reason}"),
    (aiohttp.ClientPayloadError, Outcome.TRUNCATED, "the body ended before its time: {reason}"),
    (OSError, Outcome.CONNECTION_LOST, "{host} broke the connection off: {reason}"),
    (aiohttp.ClientError, Outcome.CONNECTION_LOST, "{host} gave no proper answer: {reason}"),
)
_BY_ERRNO = {
    errno.ETIMEDOUT: Outcome.TIMEOUT,
    errno.ENOSPC: Outcome.DISK_FULL,
    errno.EDQUOT: Outcome.DISK_FULL,
    errno.EFBIG: Outcome.DISK_FULL,
}


@contextmanager
def _as_fetch_error(url: str, timeout: aiohttp.ClientTimeout) -> Iterator[None]:
    """Say in our words what aiohttp says in its own; never with the query, which may be a key."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        host = urlsplit(url).hostname or "the host"
        outcome, words = next((o, w) for kind, o, w in _FAILURES if isinstance(error, kind))
        reason = _reason(error)
        if BLOCKED in reason:
            outcome, words = Outcome.BLOCKED_ADDRESS, "{host}: {reason}"
        elif isinstance(error, OSError):
            outcome = _BY_ERRNO.get(error.errno or 0, outcome)
        message = words.format(
            host=host, reason=reason, silence=timeout.sock_read, total=timeout.total
        )
        raise FetchError(outcome, message) from error


def _reason(error: Exception) -> str:
    """An error's first line, short."""
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return str(text or type(error).__name__).splitlines()[0][:200]

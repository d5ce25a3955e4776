"""Faults of a transfer: aiohttp's exceptions as RecordMissing, with a readable message.

The messages name the host, never the path or the query of a URL: those may carry signatures.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import ContentLengthError, TransferEncodingError

from imgcrawl.download.address_guard import BlockedAddressError
from imgcrawl.download.errors import UnknownHost
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.download.limits import TransferLimits

# The answers of getaddrinfo() that are final: no such name, and a name without an address.
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_UNREACHABLE = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES}


def fetch_error(error: Exception, host: str, limits: TransferLimits) -> RecordMissing:
    """Return the RecordMissing for an error of aiohttp or of building a request.

    host: as in the URL; limits: that the transfer was under
    """
    match error:
        case RecordMissing():
            return error
        case aiohttp.ConnectionTimeoutError():
            return _timeout(f"{host} took no connection within {limits.silence:g} s")
        case aiohttp.SocketTimeoutError():
            return _timeout(f"{host} was silent for {limits.silence:g} s")
        case TimeoutError():
            return _timeout(f"{host} had not sent all of it after {limits.deadline:g} s")
        case aiohttp.ClientConnectorError():
            return _not_connected(error, host)
        case aiohttp.ClientPayloadError():
            return _not_whole(error, host)
        case aiohttp.ClientHttpProxyError():
            message = f"the proxy answered HTTP {error.status} for {host}"
            return RecordMissing(Outcome.REFUSED, message)
        case aiohttp.ClientResponseError():
            words = _first_words(error.message)
            return RecordMissing(Outcome.CONNECTION_LOST, f"{host} sent malformed HTTP ({words})")
        case aiohttp.ServerDisconnectedError():
            words = f"{host} closed the connection without an answer"
            return RecordMissing(Outcome.CONNECTION_LOST, words)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return RecordMissing(Outcome.BAD_URL, f"no address of {host} (malformed URL)", tries=0)
        case OSError():
            words = error.strerror or type(error).__name__
            return RecordMissing(
                Outcome.CONNECTION_LOST, f"the connection to {host} broke ({words})"
            )
        case ValueError():
            # yarl, idna and aiohttp refuse hosts, ports and headers that way.
            words = _first_words(str(error))
            return RecordMissing(
                Outcome.BAD_URL, f"no request to {host} can be made ({words})", tries=0
            )
        case _:
            words = _first_words(str(error)) or type(error).__name__
            return RecordMissing(
                Outcome.CONNECTION_LOST, f"the transfer from {host} broke ({words})"
            )


def _timeout(words: str) -> RecordMissing:
    return RecordMissing(Outcome.TIMEOUT, words)


def _not_connected(error: aiohttp.ClientConnectorError, host: str) -> RecordMissing:
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        host = f"the proxy {error.host}"
    cause = error.os_error
    match error:
        case aiohttp.ClientConnectorCertificateError():
            words = getattr(error.certificate_error, "verify_message", "") or "not valid"
            return RecordMissing(Outcome.TLS, f"the certificate of {host} does not hold: {words}")
        case aiohttp.ClientSSLError():
            words = getattr(cause, "reason", None) or cause.strerror or "failed"
            return RecordMissing(Outcome.TLS, f"no TLS with {host}: {words}")
        case aiohttp.ClientConnectorDNSError():
            return _not_found(cause, host)
    if isinstance(cause, BlockedAddressError):
        message = f"{host} leads to {cause.address}, which is not a public address"
        return RecordMissing(Outcome.BLOCKED_ADDRESS, message, tries=0)
    words = cause.strerror or str(cause)
    if cause.errno == errno.ETIMEDOUT:
        return _timeout(f"{host} took no connection ({words})")
    if cause.errno in _UNREACHABLE:
        return RecordMissing(Outcome.REFUSED, f"{host} refused the connection ({words})")
    return RecordMissing(Outcome.CONNECTION_LOST, f"no connection to {host} ({words})")


def _not_found(cause: OSError, host: str) -> RecordMissing:
    if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME:
        return UnknownHost(Outcome.DNS, f"there is no host {host}")
    words = cause.strerror or str(cause) or "no answer"
    return RecordMissing(Outcome.DNS, f"{host} cannot be looked up ({words})")


def _not_whole(error: aiohttp.ClientPayloadError, host: str) -> RecordMissing:
    cause = error.__cause__
    if not str(error).endswith(repr(cause)):
        # aiohttp tells only in the text that the connection was not closed but lost.
        message = f"the connection to {host} was lost in the middle of the body"
        return RecordMissing(Outcome.CONNECTION_LOST, message)
    match cause:
        case ContentLengthError():
            return RecordMissing(
                Outcome.TRUNCATED, f"{host} ended the body early: {_numbers(cause)}"
            )
        case TransferEncodingError() if "Not enough data" in cause.message:
            return RecordMissing(
                Outcome.TRUNCATED, f"{host} ended the body in the middle of a chunk"
            )
    words = _first_words(getattr(cause, "message", str(error)))
    return RecordMissing(Outcome.CONNECTION_LOST, f"{host} sent malformed HTTP ({words})")


def _numbers(cause: ContentLengthError) -> str:
    """Return ``received 3 of 100 bytes``, parsed from aiohttp's message."""
    return cause.message.partition("(")[2].partition(")")[0] or "fewer bytes than announced"


def _first_words(text: str) -> str:
    """Return the start of the first line, printable: the rest quotes bytes of the server."""
    line = text.strip().partition("\n")[0][:80].rstrip(": ")
    return "".join(c if c.isprintable() else "?" for c in line)

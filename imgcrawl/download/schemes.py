"""Which addresses a request may be made of: http and https, and members of archives over these."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.bucket_urls import web_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAX_URL_LENGTH = 8_000  # characters; RFC 9110 asks for that much to be supported, and few do more
ARCHIVE_SCHEMES = {
    f"{kind}+{scheme}": scheme for kind in ("zip", "tar") for scheme in ("http", "https")
}
SCHEMES = frozenset({"http", "https", *ARCHIVE_SCHEMES})

# What no host name holds. Whether one exists is for DNS to say.
_NO_HOST = re.compile(r"[\x00-\x20\x7f<>\"{}|^`%]")
_MAX_LABEL, _MAX_NAME = 63, 253  # RFC 1035
# An address that leaves nothing to ask, as most are: a host of plain letters, printable ASCII.
_PLAIN = re.compile(r"https?://([a-z0-9.-]+)(?::[1-5]?\d{1,4})?/[!-~]*")


def require_http(url: str) -> None:
    """Raise RecordMissing (bad_url) for an address of which no request can be made here."""
    if len(url) > MAX_URL_LENGTH:
        raise _bad(f"an address of {len(url):,} characters")
    if (plain := _PLAIN.fullmatch(url)) and _is_name(plain[1]):
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises where it is no number, or too large a one
        url.encode()
    except ValueError as error:
        raise _bad(f"no address: {error}") from None
    if parts.scheme not in SCHEMES:
        what = f"{parts.scheme}: addresses are" if parts.scheme else "what has no scheme is"
        raise _bad(f"{what} not fetched, only http and https")
    if not host:
        raise _bad("an address without a host")
    if _NO_HOST.search(host.partition("%")[0] if ":" in host else host) or not _is_name(host):
        raise _bad(f"{host[:_MAX_NAME]!r} cannot be the name of a host")


def asked_address(url: str, settings: Mapping[str, Any]) -> str:
    """Return where to ask for an address, that of an object in a bucket by S3_URL or GCS_URL.

    Raises RecordMissing (bad_url) for what cannot be the name of an object.
    """
    try:
        return web_address(url, settings)
    except ValueError as error:
        raise _bad(str(error)) from None


@lru_cache(maxsize=1024)
def _is_name(host: str) -> bool:
    """Return whether the labels of a host have lengths that DNS allows."""
    labels = host.removesuffix(".").split(".")
    return len(host) <= _MAX_NAME and all(0 < len(label) <= _MAX_LABEL for label in labels)


def _bad(message: str) -> RecordMissing:
    return RecordMissing(Outcome.BAD_URL, message, tries=0)

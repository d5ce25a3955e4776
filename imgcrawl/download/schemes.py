"""Which addresses are asked at all."""

from __future__ import annotations

from urllib.parse import urlsplit

from imgcrawl.download.errors import FetchError
from imgcrawl.outcomes import Outcome

SCHEMES = frozenset({"http", "https", "zip+http", "zip+https"})
MAX_URL = 8000  # characters; servers take about 8,190 bytes of request line


def require_http(url: str) -> None:
    """Raise FetchError (bad_url) for what is not an absolute HTTP address of sane length."""
    if len(url) > MAX_URL:
        raise FetchError(Outcome.BAD_URL, f"an address of {len(url):,} characters")
    try:
        url.encode("utf-8")
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise FetchError(Outcome.BAD_URL, f"no address: {error}") from error
    if parts.scheme.lower() not in SCHEMES:
        raise FetchError(Outcome.BAD_URL, f"{parts.scheme or 'no scheme'}: is not followed")
    if not host or any(character.isspace() for character in host):
        raise FetchError(Outcome.BAD_URL, "an address without a host")

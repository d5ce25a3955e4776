"""Spellings of addresses: which ask for the same, and which can be taken for the same picture."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from imgcrawl.text.signed_urls import stable_address
from imgcrawl.text.spelling import decode_unreserved, without_default_port

_TRACKING = re.compile(
    r"utm_.*|(fb|g|d|ms|y|tw)cli[dk]|msclkid|igshid|mc_[ce]id|_ga|_gl"  # of campaigns
)
# Of a file's address they say which version or rendition of it; elsewhere they may name a picture.
_VERSION = re.compile(r"_|v|ver|version|rev|revision|cb|cache(bust(er)?)?|nocache|t|ts|timestamp")
_NUMBERED = re.compile(r"v?[\d.:TZ_-]*|[\da-f]{6,}", re.IGNORECASE)
_RENDITION = re.compile(
    r"w|h|width|height|size|dpr|q|quality|fit|crop|format|fm|auto|resize|dl|download"
)
_FILE = re.compile(r"\.(jpe?g|jfif|png|gif|webp|avif|bmp|tiff?|heic|jp2|svg)$", re.IGNORECASE)

# Nothing in these could be spelt otherwise: they need not be taken apart.
_AS_MOST_ARE = re.compile(r"https?://[a-z0-9.-]+(:(?!80/|443/)\d+)?/[^%?\s]*(\?[^%\s]+)?")


def without_fragment(url: str) -> str:
    """Return what is sent of an http or https address: all but its fragment (RFC 9110, 4.2.5)."""
    return url.partition("#")[0] if url[:4].lower() == "http" else url


def canonical(url: str) -> str:
    """Return an http or https address in the one spelling that all its equivalents have.

    Those are equivalent by the rules of RFC 3986, 6.2.2 and 6.2.3, whatever the server: the case of
    scheme, host and percent-encoding, an unreserved character that is encoded, a default port, an
    empty path, and a fragment, which is not sent.
    """
    url = without_fragment(url)
    if _AS_MOST_ARE.fullmatch(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return url
    user, at, host = parts.netloc.rpartition("@")
    host = without_default_port(host.lower(), parts.scheme)
    if not host:
        return url
    path, query = (decode_unreserved(p, upper=True) for p in (parts.path or "/", parts.query))
    return urlunsplit((parts.scheme, f"{user}{at}{host}", path, query, ""))


def sends_same(urls: list[str], others: list[str]) -> bool:
    """Return whether two lists of addresses ask for the same."""
    return [*map(canonical, urls)] == [*map(canonical, others)]


def host_of(url: str | None) -> str:
    """Return the host of an address in lower case, or an empty text if it has none."""
    try:
        return (urlsplit(url).hostname or "") if url else ""
    except ValueError:
        return ""


def same_picture_key(url: str) -> str:
    """Return a text that addresses share if they can be taken for spellings of one.

    What `stable_address` leaves out makes no difference, nor do ``www.``, an empty query and marks
    of campaigns, nor version and size where the path names a picture's file. Any other parameter
    may be all that names a picture.
    """
    address = stable_address(url)
    if not address.startswith("//"):
        return address
    place, _, query = address.partition("?")
    of_file = _FILE.search(place) is not None
    given = (each for each in query.split("&") if each)
    query = "&".join(each for each in given if not _is_mark(each, of_file=of_file))
    place = place[2:].removeprefix("www.")
    return f"//{place}?{query}" if query else f"//{place}"


def _is_mark(parameter: str, *, of_file: bool) -> bool:
    """Return whether a parameter of a query says nothing of which picture is asked for."""
    name, _, value = parameter.partition("=")
    name = unquote_plus(name).lower()
    if _TRACKING.fullmatch(name):
        return True
    if not of_file:
        return False
    numbered = _VERSION.fullmatch(name) and _NUMBERED.fullmatch(unquote_plus(value))
    return bool(numbered or _RENDITION.fullmatch(name))

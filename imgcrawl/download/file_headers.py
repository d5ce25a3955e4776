"""What headers say of a file: whether it is one and no page, and the name that it is to have."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXTENDED = re.compile(r"(?:^|;)\s*filename\*\s*=\s*\"?([\w-]*)'[^']*'([^;\"]+)", re.IGNORECASE)
_PLAIN = re.compile(r'(?:^|;)\s*filename\s*=\s*(?:"((?:\\["\\]|[^"])*)"|([^;]+))', re.IGNORECASE)
_PAGES = re.compile(r"text/(?:html|plain|xml)|application/(?:xml|json|xhtml\+xml)|.*\+(?:xml|json)")


def is_file(headers: Mapping[str, str]) -> bool:
    """Return whether an answer is a file by its headers, and neither a page nor a listing.

    Text, XML and JSON may be either; so may an answer that does not say its type.
    """
    if re.match(r"\s*attachment\b", headers.get("Content-Disposition", ""), re.IGNORECASE):
        return True
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return bool(kind) and not _PAGES.fullmatch(kind)


def is_html(headers: Mapping[Any, Any]) -> bool:
    """Return whether an answer says that it is a web page."""
    kind = (headers.get("Content-Type") or b"").partition(b";")[0].strip().lower()
    return kind in {b"text/html", b"application/xhtml+xml"}


def header_text(headers: Mapping[Any, Any], name: str) -> str:
    """Return a header as text: UTF-8 or, as HTTP had it first, Latin-1; "" for none."""
    value = headers.get(name) or b""
    raw = value.encode("latin-1", "replace") if isinstance(value, str) else value
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        return str(raw, "latin-1")


def file_name(disposition: str) -> str:
    """Return the name of the file in a Content-Disposition header (RFC 6266), or "".

    As browsers read it: with a charset (RFC 8187), quoted with escapes, or as a word of an e-mail.
    """
    if match := _EXTENDED.search(disposition):
        try:
            return _last_part(unquote(match[2], encoding=match[1] or "utf-8"))
        except LookupError:  # a charset that nobody knows
            return _last_part(unquote(match[2]))
    match = _PLAIN.search(disposition)
    if not match:
        return ""
    name = re.sub(r'\\(["\\])', r"\1", match[1]) if match[1] is not None else match[2]
    if re.fullmatch(r"=\?[\w-]+\?[bq]\?[^?]*\?=", name.strip(), re.IGNORECASE):
        try:
            name = str(make_header(decode_header(name.strip())))
        except (HeaderParseError, LookupError, ValueError):
            return _last_part(name)
    return _last_part(name)


def _last_part(name: str) -> str:
    """Return a name without the folders that some servers send with it."""
    return re.split(r"[/\\]", name.strip().strip('"'))[-1].strip()

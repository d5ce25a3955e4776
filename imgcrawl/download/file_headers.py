"""What headers say of a file: whether it is one and no page, and the name that it is to have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def file_name(disposition: str) -> str:
    """Return the name of the file in a Content-Disposition header (RFC 6266), or ""."""
    if match := re.search(r"filename\*\s*=\s*[\w-]*'[^']*'([^;]+)", disposition, re.IGNORECASE):
        return _last_part(unquote(match[1]))
    match = re.search(r'filename\s*=\s*(?:"([^"]*)"|([^;]+))', disposition, re.IGNORECASE)
    return _last_part(match[1] or match[2] or "") if match else ""


def _last_part(name: str) -> str:
    """Return a name without the folders that some servers send with it."""
    return re.split(r"[/\\]", name.strip().strip('"'))[-1].strip()

"""URLs in what the scripts of a page are answered: JSON, or any text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin

from w3lib.url import safe_url_string

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABSOLUTE = re.compile(r"https?://[^\s\"'<>\\`]+")
_RELATIVE = re.compile(r"(?://[^/]|\.{0,2}/)[^\n\r\t<>\"\\]*")


def normal_url(url: str) -> str:
    """Return one spelling of a URL, without its fragment."""
    return safe_url_string(urldefrag(url).url)


def urls_in(text: str, base: str) -> Iterator[str]:
    """Yield the URLs in a text; relative to `base` only if a string of JSON is nothing else.

    A bare name ("stack.tif") is none: what folder it lies in, only the script knows.
    """
    try:
        strings = _strings(json.loads(text))
    except (ValueError, RecursionError):
        yield from _ABSOLUTE.findall(text)
        return
    for string in strings:
        if _RELATIVE.fullmatch(string):
            yield urljoin(base, string)
        elif string.startswith(("http://", "https://")) and not re.search(r"[<>\n]", string):
            yield string.strip()  # spaces are part of it
        else:
            yield from _ABSOLUTE.findall(string)


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value, in order, however deep."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as string:
                yield string
            case list() as values:
                waiting.extend(reversed(values))
            case dict() as fields:
                waiting.extend(reversed(fields.values()))

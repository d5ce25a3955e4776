"""XML of microscopes, searched for tags without a parser, to which a file could be a bomb."""

from __future__ import annotations

import html
import re
from functools import cache

_ATTRIBUTE = re.compile(r"\b(\w{1,64})\s?=\s?[\"']([^\"'<]{0,200})[\"']")


def attributes(inner: str) -> dict[str, str]:
    """Return the attributes of a start tag; inner: what stands behind its name."""
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(inner)}


def elements(text: str, name: str) -> list[dict[str, str]]:
    """Return the attributes of each start tag of this name, in order."""
    return [attributes(inner) for inner in _start(name).findall(text)]


def content(text: str, name: str) -> str | None:
    """Return the text within the first element of this name that holds only text, or None."""
    found = _leaf(name).search(text)
    return html.unescape(found[1]).strip() if found else None


def section(text: str, name: str) -> str:
    """Return what stands between the first start tag and the next end tag of this name, or ""."""
    start = _start(name).search(text)
    if start is None:
        return ""
    end = text.find(f"</{name}>", start.end())
    return text[start.end() : end] if end >= 0 else ""


@cache
def _start(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(?:\w{{1,20}}:)?{name}((?:\s[^<>]{{0,4000}})?)>")


@cache
def _leaf(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(?:\w{{1,20}}:)?{name}(?:\s[^<>]{{0,4000}})?>([^<]{{0,4000}})</")

"""Addresses in the cells of a list: what is one, what it may be of, and several in one cell."""

from __future__ import annotations

import re
from typing import Any

_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # of word processors and of the web
_QUOTES = {*('""', "''", "<>"), *("\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb")}
_OPENING = re.escape("".join(sorted({pair[0] for pair in _QUOTES})))
_START = re.compile(
    rf"[\s{_INVISIBLE}]*([\[{{]\s*)?[{_OPENING}]?"
    r"((https?|s3|gs)://[^\s/]|//[\w-]+(\.[\w-]+)+[/:?]|www\.[\w-]+\.\w)",
    re.IGNORECASE,
)
# Where one address ends and the next begins in a cell such as "u1|u2" (associatedMedia of the
# Darwin Core) or "u1; u2"; a comma parts them only outside of a query, which may hold commas.
_BETWEEN = re.compile(
    r"\s*[|;]\s*(?=(?:https?|s3|gs)://)|,?\s+(?=(?:https?|s3|gs)://)", re.IGNORECASE
)
_COMMA = re.compile(r"\s*,\s*(?=(?:https?|s3|gs)://)", re.IGNORECASE)
# The text of an array of addresses, as of Postgres too, and each of its elements, quoted or not.
_ARRAY = re.compile(
    r"\s*[\[{](\s*[\"']?(?:https?:|s3:|gs:|//|www\.).*)[\]}]\s*", re.IGNORECASE | re.DOTALL
)
_ELEMENT = re.compile(r"\"[^\"]*\"|'[^']*'")
# Markdown's ![](address), an array of Python's or JavaScript's, src="address".
_WITHIN = re.compile(
    r"(?<=[\"'(<\[])(?:https?|s3|gs)://[^\s\"'<>()\[\]]+(?=[\"')>\] ])", re.IGNORECASE
)
_PARTED = re.compile(r"[\s,;|]")
_EXTENSION = r"(jpe?g|jfif|png|gif|webp|avif|bmp|tiff?|heic|heif|jp2|jxl|dng)"
_PICTURE = re.compile(
    rf"\.{_EXTENSION}(?![a-z0-9])|[?&](fm|format|type)=(image/)?{_EXTENSION}\b", re.IGNORECASE
)
_FILE_NAME = re.compile(rf"(?P<stem>.*[^./])\.({_EXTENSION}|svg)", re.IGNORECASE | re.DOTALL)


def looks_like_url(value: Any) -> bool:
    """Return True if a cell, or the first value in it, begins as a web address does."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return isinstance(value, str) and _START.match(value) is not None


def looks_like_picture(url: str) -> bool:
    """Return True if an address names a picture's file or format: not every picture's does."""
    return _PICTURE.search(url) is not None


def as_address(text: str) -> str:
    """Return a cell as an address: without quotes or brackets around it, and with a scheme.

    ``//host/x`` and ``www.host/x`` are asked over https; ``&amp;`` of HTML is ``&``.
    """
    text = text.strip() if text.isascii() else text.strip().strip(_INVISIBLE).strip()
    if "&amp;" in text and "&" not in text.replace("&amp;", ""):
        text = text.replace("&amp;", "&")  # copied out of HTML
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    if text.startswith("//"):
        return f"https:{text}"
    return f"https://{text}" if text[:4].lower() == "www." else text


def split_addresses(text: str) -> list[str]:
    """Return the addresses in a cell: as a rule one, several where each begins as one does.

    A cell may be the text of an array, as pandas writes one: ``['u1', 'u2']``, or JSON's.
    """
    if (array := _ARRAY.fullmatch(text)) is not None:
        if not (elements := _ELEMENT.findall(array[1])):
            return split_addresses(array[1])
        bare = [element.strip(" \"'") for element in elements]
        return [address for each in bare if (address := as_address(each))]
    if _PARTED.search(text.strip()) is None:
        return [address] if (address := as_address(text)) else []
    found: list[str] = []
    for part in _BETWEEN.split(text):
        rest = part
        while (comma := _COMMA.search(rest)) and "?" not in rest[: comma.start()]:
            found.append(rest[: comma.start()])
            rest = rest[comma.end() :]
        found.append(rest)
    return [address for part in found if (address := as_address(part))]


def within_text(text: str) -> str:
    """Return the addresses in quotes or brackets within a text, blanks between; else the text.

    A text that begins with an address, in quotes or not, is returned as it is.
    """
    is_one = looks_like_url(text) and (text[0] not in "\"'" or text[0] == text[-1])
    return text if is_one else " ".join(_WITHIN.findall(text)) or text


def without_extension(name: str) -> str:
    """Return a picture's file name without its extension; any other text as it is."""
    match = _FILE_NAME.fullmatch(name)
    return match["stem"] if match else name

"""Find the columns of a list: the URL, the id, the label, the caption, the digest."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# Names in datasets, likeliest first; case, "_", "-" and blanks are ignored.
NAMES = {
    "url": (
        *("url", "imageurl", "imgurl", "originalurl", "cocourl", "flickrurl", "photourl"),
        *("fileurl", "downloadurl", "imagelink", "link", "imagesrc", "src", "uri", "href", "image"),
    ),
    "id": ("id", "imageid", "recordid", "key", "uid", "asin", "photoid", "filename", "name"),
    "label": ("label", "labelid", "class", "classid", "category", "categoryid", "landmarkid"),
    "caption": ("caption", "text", "description", "title", "alttext"),
    "md5": ("md5", "originalmd5", "md5sum", "md5hash"),
    "sha256": ("sha256", "sha256sum", "sha256hash"),
}
MIRRORS = ("cocourl", "flickrurl", "originalurl", "thumbnail300kurl")
_BITS = {"md5": 128, "sha256": 256}


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns by role; None for a role that no column has."""

    url: str
    id: str | None = None
    label: str | None = None
    caption: str | None = None
    md5: str | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        named = {role: name for role in self.__slots__ if (name := getattr(self, role))}
        return ", ".join(f"{role} is {name!r}" for role, name in named.items())


def guess_columns(
    names: Iterable[str], first: dict[str, Any], given: dict[str, str]
) -> Columns | None:
    """Return the columns of a list by their names and the cells of a row, or None without a URL.

    first: a row, to see which columns hold URLs
    given: the columns that the user names, by role
    Raises KeyError for a given name that is not a column.
    """
    names = list(names)
    by_name = {_normalized(name): name for name in reversed(names)}
    found: dict[str, str | None] = {}
    for role, known in NAMES.items():
        if role in given:
            if given[role] not in names:
                raise KeyError(given[role])
            found[role] = given[role]
        else:
            found[role] = next((by_name[name] for name in known if name in by_name), None)
    urls = [name for name in names if looks_like_url(first.get(name))]
    if "url" not in given and urls and found["url"] not in urls:
        found["url"] = urls[0]
    url = found.pop("url")
    if url is None:
        return None
    others = {role: name for role, name in found.items() if name != url}
    return Columns(url, **others)


def urls_of(fields: dict[str, Any], columns: Columns) -> list[str]:
    """Return the URL of a row and those of its mirrors, best first."""
    first = fields.get(columns.url)
    found = [*first] if isinstance(first, (list, tuple)) else [first]
    if not any(found):
        return []
    bare = {name.replace("_", "").lower(): value for name, value in fields.items()}
    found += [bare[name] for name in MIRRORS[:2] if name in bare]
    return list(dict.fromkeys(str(url).strip() for url in found if url and str(url).strip()))


def digests_of(fields: dict[str, Any], columns: Columns) -> dict[str, str]:
    """Return the digests that a row gives for its file, in hexadecimal; Open Images has base64."""
    digests = {}
    for algorithm, bits in _BITS.items():
        name = getattr(columns, algorithm)
        text = str(fields.get(name) or "").strip() if name else ""
        if re.fullmatch(rf"[0-9A-Fa-f]{{{bits // 4}}}", text):
            digests[algorithm] = text.lower()
        elif re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text):
            try:
                raw = base64.b64decode(text, validate=True)
            except ValueError:
                continue
            if len(raw) * 8 == bits:
                digests[algorithm] = raw.hex()
    return digests


def other_columns(fields: dict[str, Any], columns: Columns) -> dict[str, Any]:
    """Return the columns of a row but for the URL, each value as JSON has it.

    Dates, decimals and bytes of Parquet become text.
    """
    return {
        name: _plain(value)
        for name, value in fields.items()
        if name != columns.url and value is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool)):
        return value
    return json.loads(json.dumps(value, default=str))


def is_header(cells: list[str]) -> bool:
    """Return True if the first line of a table names its columns: no cell is a URL."""
    return not any(map(looks_like_url, cells))


def looks_like_url(value: Any) -> bool:
    """Return True if a cell, or the first value in it, begins as a web address does."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return isinstance(value, str) and bool(re.match(r"\s*https?://\S", value, re.IGNORECASE))


def _normalized(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()

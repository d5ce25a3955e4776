"""Find the columns of a list: the URL, the id, the label, the caption, the digest."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns by role; None for a role that no column has."""

    url: str
    id: str | None = None
    label: str | None = None
    caption: str | None = None
    md5: str | None = None
    sha256: str | None = None


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

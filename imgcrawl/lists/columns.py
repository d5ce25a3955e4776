"""Find the columns of a list: the URL, the id, the label, the caption, the digest."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.json_shapes import SPLITS
from imgcrawl.lists.names import NAMES, normalized
from imgcrawl.lists.nested import value_at
from imgcrawl.lists.template import is_template
from imgcrawl.lists.url_columns import rank_url_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIRRORS = ("cocourl", "flickrurl")  # COCO's two addresses of one picture
_NUMBER = re.compile(r"\d+")
_SIZE = 50  # a number from here on is of pixels
_BITS = {"md5": 128, "sha256": 256}


@dataclass(frozen=True, slots=True)
class Columns:
    """The names or paths of the columns by role; None for a role that no column has."""

    url: str
    id: str | None = None
    label: str | None = None
    caption: str | None = None
    md5: str | None = None
    sha256: str | None = None
    mirrors: tuple[str, ...] = field(default=(), compare=False)  # other addresses of the picture
    others: tuple[str, ...] = field(default=(), compare=False)  # image_2, image_3 of image_1

    def __str__(self) -> str:
        named = {role: name for role in NAMES if (name := getattr(self, role))}
        return ", ".join(f"{role} is {name!r}" for role, name in named.items())


def guess_columns(
    paths: Iterable[str], rows: Sequence[dict[str, Any]], given: dict[str, str]
) -> Columns | None:
    """Return the columns of a list by their names and some rows, or None without a URL.

    paths: of the columns, and of what is inside of them
    given: the columns or paths that the user names, by role; the url may be a template
    Raises KeyError for a given name that is not a column.
    """
    paths = list(dict.fromkeys(paths))
    for name in given.values():
        is_there = name in paths or is_template(name)
        if not is_there and all(value_at(row, name) in (None, []) for row in rows):
            raise KeyError(name)
    url = given.get("url")
    if url is None:
        ranked = rank_url_columns(paths, rows)
        if not ranked:
            return None
        url = ranked[0].path
    others = {role: given.get(role) or _find(role, paths, url) for role in NAMES if role != "url"}
    if not others["id"] and all(re.fullmatch(r"column_\d+", name) for name in paths):
        others["id"] = _unnamed_id(paths, rows, url)
    elif others["id"] and "id" not in given and _is_shared(others["id"], rows):
        others["id"] = None
    mirrors = tuple(path for path in paths if path != url and normalized(path) in MIRRORS)
    found = {role: name for role, name in others.items() if name != url}
    return Columns(url, **found, mirrors=mirrors, others=_numbered(url, paths, rows))


def _numbered(url: str, paths: list[str], rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the columns that are called as one of addresses is but for a number, and hold some.

    Large numbers are sizes of one picture; columns without a header have numbers anyway.
    """
    stem = _NUMBER.sub("#", url)
    if "#" not in stem or "[]" in url or re.fullmatch(r"column_\d+", url):
        return ()
    alike = (path for path in paths if path != url and _NUMBER.sub("#", path) == stem)
    return tuple(
        path
        for path in dict.fromkeys(alike)
        if all(int(number) < _SIZE for number in _NUMBER.findall(f"{path} {url}"))
        and any(looks_like_url(value_at(row, path)) for row in rows)
    )


def _find(role: str, paths: list[str], url: str) -> str | None:
    """Return the path of a role by its name: beside the address, at the top, or anywhere."""
    beside = url.rpartition(".")[0]
    groups = (
        [p for p in paths if beside and p != url and p.rpartition(".")[0] == beside],
        [path for path in paths if "." not in path],
    )
    for group in groups:
        named = {normalized(path.rpartition(".")[2]): path for path in reversed(group)}
        found = next((named[name] for name in NAMES[role] if name in named), None)
        # Of an array there is one for each address only beside these.
        if found is not None and ("[]" not in found or (role == "id" and group is groups[0])):
            return found
    return None


def _is_shared(path: str, rows: Sequence[dict[str, Any]]) -> bool:
    """Return True if what is called an id is that of many rows, as the name of a class is."""
    values = Counter(str(value_at(row, path)) for row in rows)
    return len(rows) > 3 and 2 * len(values) < len(rows)


def _unnamed_id(names: list[str], rows: Sequence[dict[str, Any]], url: str) -> str | None:
    """Return the first column before the address that has another id in every row.

    Numbers of lines are none: they would be another row's once a line is added.
    """
    for name in names[: names.index(url)] if url in names else ():
        values = [str(row.get(name, "")).strip() for row in rows]
        are_ids = all(re.fullmatch(r"[\w.@/-]{1,100}", value) for value in values)
        are_ids = are_ids and not {value.lower() for value in values} & SPLITS  # Vertex AI's
        is_counted = values[0] in {"0", "1"} and values[-1] == str(len(values) - (values[0] == "0"))
        if len(values) > 2 and are_ids and not is_counted and len({*values}) == len(values):
            return name
    return None


def digests_of(fields: dict[str, Any], columns: Columns) -> dict[str, str]:
    """Return the digests that a row gives for its file, in hexadecimal; Open Images has base64."""
    if columns.md5 is None and columns.sha256 is None:
        return {}
    digests = {}
    for algorithm, bits in _BITS.items():
        name = getattr(columns, algorithm)
        text = str(value_at(fields, name) or "").strip() if name else ""
        if not text.strip("0"):
            continue  # the place of one that is not known
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

"""Safe file names, made of text that others chose.

A path is relative, POSIX, free of tricks, and the same on every file system: nothing in it is
hidden, reserved on Windows, invisible, or longer than a directory entry may be. A part that had to
be changed carries a hash of what it was, so that two different names stay different; names that
are ordinary to begin with stay as they are, and so do the hidden ones that a Zarr is read by.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PARTS = 16
MAX_PART_BYTES = 120  # UTF-8; leaves room for extensions below the 255 of most file systems
UNKNOWN = "unknown"  # stands for a column without a value

_HASH_BYTES = 9  # "~" and eight hexadecimal digits
_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*/\\', "_"))  # on Windows, or in any part
# Controls, invisible and bidi formatting, surrogates, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])", re.IGNORECASE)
# Zarr 2: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
_OF_ZARR = frozenset({".zgroup", ".zarray", ".zattrs", ".zmetadata"})
_PLAIN = re.compile(r"[\w-]{1,100}", re.ASCII)


def safe_path(path: str) -> str:
    """Return a safe relative POSIX path: at most 16 parts of at most 120 bytes each.

    Parts of which nothing is left ("..", "", ".") are dropped. If parts were dropped, or the last
    one was changed, the last one ends in a hash ("~1a2b3c4d"); a folder that was changed ends in a
    hash of its own, so that all its files stay together. Idempotent.
    Raises ValueError if nothing at all is left.
    """
    named = [(part, name) for part in _SEPARATORS.split(path) if (name := _cleaned(part))]
    if not named:
        raise ValueError(f"no usable name is left of {path[:100]!r}")
    if len(named) > MAX_PARTS:
        named = [*named[: MAX_PARTS - 1], named[-1]]
    *folders, (last, name) = named
    rebuilt = "/".join(part for part, _ in named)
    safe = [_marked(name, part) for part, name in folders]
    safe.append(_marked(name, last) if rebuilt == path else with_hash(name, path))
    return "/".join(safe)


def renamed(path: str) -> str:
    """Return a safe path whose first part has a hash added, as one has that was changed."""
    first, slash, rest = path.partition("/")
    return f"{with_hash(first, first)}{slash}{rest}"


def layout_fields(layout: str) -> list[str]:
    """Return the columns of a layout such as ``{diagnosis_1}/{isic_id}``, in order, each once.

    Raises ValueError, with a message for the user, for anything but plain ``{column}`` fields in a
    plain relative path.
    """
    return list(dict.fromkeys(field for _, field in _parsed(layout) if field is not None))


def format_layout(layout: str, columns: Mapping[str, object]) -> str:
    """Return the path of one record by a layout, as safe as `safe_path` makes one.

    A column that is missing or empty becomes "unknown". A value is one part or less: slashes in it
    make no folders. Raises ValueError for a layout that `layout_fields` refuses.
    """
    parts: list[str] = []
    for literal, field in _parsed(layout):
        parts.append(literal)
        if field is not None:
            value = columns.get(field)
            text = "" if value is None else str(value)
            parts.append(_marked(_cleaned(text), text) or UNKNOWN)
    return safe_path("".join(parts))


@lru_cache(maxsize=64)
def _parsed(layout: str) -> tuple[tuple[str, str | None], ...]:
    """Return pairs of literal text and the field that follows it, or None.

    Raises ValueError.
    """
    parsed: list[tuple[str, str | None]] = []
    try:
        for literal, field, spec, conversion in string.Formatter().parse(layout):
            if field is not None and (spec or conversion or not re.fullmatch(r"[^.\[\]]+", field)):
                raise ValueError("only plain {column} fields may stand in it")
            parsed.append((literal, field))
    except ValueError as error:
        raise ValueError(f"the layout {layout!r} cannot be used: {error}") from None
    # What the layout itself brings must be safe already, or every name would carry a hash.
    example = "".join(literal + ("x" if field else "") for literal, field in parsed)
    if not _cleaned(example) or safe_path(example) != example:
        raise ValueError(
            f"the layout {layout!r} cannot be used: it must be a plain relative path,"
            " such as {class}/{id}"
        )
    return tuple(parsed)


def _cleaned(part: str) -> str:
    """Return a part without unsafe characters; it may be empty, or longer than allowed."""
    if part.isascii() and _PLAIN.fullmatch(part) and not _RESERVED.fullmatch(part):
        return part  # as ids nearly always are
    if part in _OF_ZARR:
        return part
    # No honest name is longer, and normalisation costs.
    normal = unicodedata.normalize("NFC", part.strip(" .")[: 10 * MAX_PART_BYTES])
    name = normal.translate(_FORBIDDEN)
    if not name.isprintable():
        name = "".join("_" if unicodedata.category(c) in _UNSEEN else c for c in name)
    return f"_{name}" if _RESERVED.fullmatch(name.partition(".")[0].rstrip()) else name


def _marked(name: str, original: str) -> str:
    """Return `name`, with a hash of the original if that differs or is too long."""
    if name == original and len(name.encode()) <= MAX_PART_BYTES:
        return name
    return name and with_hash(name, original)


def with_hash(name: str, original: str) -> str:
    """Return a name, cut where it is too long, with a hash of what it was: ``~1a2b3c4d``."""
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    room = name.encode()[: MAX_PART_BYTES - _HASH_BYTES].decode("utf-8", "ignore")
    return f"{room}~{digest}"

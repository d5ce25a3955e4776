"""Where the files of records go below OUT: under no name that is OUT's own, and no other record's.

Labels, layouts, class names and splits become folders: their source chooses them, and may be
hostile.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from zlib import crc32

from imgcrawl.storage.directory import (
    CITATION,
    IN_PLACE,
    OWN_FILES,
    SCRATCH_FILES,
    SPLIT_TABLE,
    SPLITS,
)
from imgcrawl.text.filenames import renamed, safe_path
from imgcrawl.text.split_words import without_split_words

if TYPE_CHECKING:
    from imgcrawl.records.items import Item

# Names that no file and no folder of a dataset may have, in whatever form.
_RESERVED = {name.casefold() for name in (*OWN_FILES, *IN_PLACE, *SCRATCH_FILES, SPLIT_TABLE)}
_RESERVED |= {"licenses", "sizes", "manifests"}
# Unicode's default ignorable code points (DerivedCoreProperties.txt), and controls.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_EXTENSION = re.compile(r"(.*?[^/])(\.\w{1,10})")

# What storing raises where a file has the name of a folder, or a folder that of a file.
NAME_TAKEN = (FileExistsError, IsADirectoryError, NotADirectoryError)


def plain_folder(name: str) -> str:
    """Return the name of a folder below OUT as it was given, without a slash at its end.

    Raises ValueError if it leads out of OUT, or has the name of something that OUT holds.
    """
    plain = name.removesuffix("/")
    try:
        is_plain = safe_path(plain) == plain
    except ValueError:
        is_plain = False
    if not is_plain:
        raise ValueError("it must be a plain relative path below out, such as pictures/skin")
    if is_reserved(plain):
        raise ValueError(f"{plain} has its own meaning in out: type another name")
    return plain


def is_reserved(path: str) -> bool:
    """Return whether a path below OUT begins with a name that is OUT's own, in whatever form.

    Other disks than this one fold case and width, and drop what cannot be seen, and dots and blanks
    at an end: an OUT is copied there.
    """
    first = path.partition("/")[0]
    if first.isascii() and first.isalnum() and first.islower():
        return first in _RESERVED
    seen = "".join(
        c for c in first if unicodedata.category(c) not in {"Cf", "Cc"} and not _UNSEEN.fullmatch(c)
    )
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    folded = folded.rstrip(" .")
    return folded in _RESERVED


def document_path(path: str) -> str:
    """Return a safe path below OUT for a document; licences have their own folder. Idempotent.

    Raises ValueError if nothing usable is left of it.
    """
    safe = safe_path(path)
    is_taken = is_reserved(safe) and not (safe.startswith("licenses/") or safe == CITATION)
    return renamed(safe) if is_taken else safe


def place_of(item: Item) -> str:
    """Return the path of a record's file below OUT, as its spider wants it if that is possible.

    Of pictures without an extension. Raises ValueError if nothing usable is left of it.
    """
    stem, extension = _split(item)
    path = _without_splits(safe_path(stem), item)
    return (renamed(path) if is_reserved(path + extension) else path) + extension


def _without_splits(path: str, item: Item) -> str:
    """Return a path in which a loader finds no split, but for that of a contest.

    The records of a contest lie in a folder for each split, which begins their ids, too. What has a
    name of its own keeps it: files that belong together know each other by name.
    """
    if item.named:
        return path
    split, slash, rest = path.partition("/")
    if split in SPLITS and item.metadata.get("split") == split == item.record_id.split("/")[0]:
        return f"{split}{slash}{without_split_words(rest)}"
    return without_split_words(path)


def place_beside(item: Item, mark: str) -> str:
    """Return another path for a record, as the one it has is taken. mark: tells it from others."""
    stem, extension = _split(item)
    return f"{stem}~{crc32(mark.encode('utf-8', 'replace')):08x}{extension}"


def place_aside(item: Item) -> str:
    """Return a path in no folder of others, for a record whose folder is a file, or whose file is.

    So it is with a page that links to ``/data`` and to ``/data/x.tif``.
    """
    stem, extension = _split(item)
    flat = _without_splits(safe_path(stem.replace("/", "_")), item)
    return f"{flat}~{crc32(item.record_id.encode('utf-8', 'replace')):08x}{extension}"


def _split(item: Item) -> tuple[str, str]:
    """Return the stem and the extension of a path: what is added to a name comes before the dot."""
    if item.named and (match := _EXTENSION.fullmatch(item.path)):
        return match[1], match[2]
    return item.path, ""

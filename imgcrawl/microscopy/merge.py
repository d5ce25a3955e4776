"""What a file says of itself, merged with what its source says: one table over all formats."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.facts import FileFacts, conflicts
from imgcrawl.microscopy.ranges import FileRanges
from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.items import Metadata

# Files that must be what their names say: one that is not is no record.
READ = {".dm3", ".dm4", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}


def examine(file: Path, name: str) -> FileFacts | None:
    """What a file says of itself; None for a kind that is not read here. Blocks.

    name: what it is to be called. Raises RecordMissing for a file with the name of a format that it
    cannot be read as.
    """
    try:
        with FileRanges(file) as ranges:
            return describe(ranges, name=name)
    except RecordMissing:
        if PurePosixPath(name).suffix.lower() in READ:
            raise
        return None


def merged(facts: FileFacts, said: Metadata) -> Metadata:
    """The columns of a file: its own, and those of its source where it says nothing."""
    own = facts.columns()
    own.pop("format")
    record = {name: value for name, value in said.items() if name in own}
    columns, quarrels = conflicts([("file", own), ("record", record)])
    columns |= {name: value for name, value in facts.extra.items() if name not in said}
    found = {name: value for name, value in columns.items() if value not in (None, "")}
    return said | found | {"conflicts": quarrels}


def misnamed(name: str, facts: FileFacts) -> str | None:
    """What is odd about a file's name, given what it is."""
    extension = PurePosixPath(name).suffix.lower()
    kinds = {".dm3": "DM", ".dm4": "DM", ".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG",
             ".jpg": "JPEG", ".jpeg": "JPEG"}  # fmt: skip
    wanted = kinds.get(extension)
    if wanted is None or wanted in facts.format:
        return None
    return f"named {extension}, and is {facts.format}"

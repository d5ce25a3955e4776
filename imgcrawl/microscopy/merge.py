"""The facts of a file, merged with those of its source: one table for all formats."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.microscopy.describe import FORMATS, describe
from imgcrawl.microscopy.facts import FileFacts, merge_sources
from imgcrawl.microscopy.ranges import FileRanges
from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.items import Metadata

# A file with such an extension must be readable: it is refused otherwise.
READABLE = {extension for each in FORMATS for extension in each.extensions}
READABLE |= {".gif", ".bmp", ".webp"}


def describe_file(file: Path, name: str) -> FileFacts | None:
    """Return what a file says of itself, or None if no format here is its. Blocks.

    name: what the file is to be called
    Raises RecordMissing for a file with an extension of READABLE that cannot be read.
    """
    try:
        with FileRanges(file) as ranges:
            return describe(ranges, name=name)
    except RecordMissing:
        if PurePosixPath(name).suffix.lower() in READABLE:
            raise
        return None


def merge_record(facts: FileFacts, record: Metadata) -> Metadata:
    """Return the columns of a record: the file's own facts first, then what its source says."""
    own = facts.columns()
    own.pop("format")
    common = {name: value for name, value in record.items() if name in own}
    columns, conflicts = merge_sources([("file", own), ("record", common)])
    columns |= {name: value for name, value in facts.extra.items() if name not in record}
    found = {name: value for name, value in columns.items() if value not in (None, "")}
    return record | found | {"conflicts": conflicts}


def misnamed(name: str, facts: FileFacts) -> str | None:
    """Return a remark on a file whose extension is another format's, or None."""
    extension = PurePosixPath(name).suffix.lower()
    wanted = next((each.name for each in FORMATS if extension in each.extensions), None)
    if wanted is None or wanted in facts.format:
        return None
    return f"named {extension}, and is {facts.format}"

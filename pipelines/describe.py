"""What each file says of itself, merged with what its source says: one table over all formats."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.formats.describe import describe
from imgcrawl.formats.errors import BadImage
from imgcrawl.formats.facts import FileFacts, conflicts
from imgcrawl.formats.ranges import FileRanges
from imgcrawl.items import FileItem, Item, Metadata, Missing, Stored
from pipelines.base import RunPipeline

if TYPE_CHECKING:
    from pathlib import Path

# Files that must be what their names say: one that is not is no record.
READ = {".dm3", ".dm4", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}


class DescribePipeline(RunPipeline):
    """Reads the headers of a file that was stored just now, and proves that they can be read.

    The file's own word counts before the source's; where they disagree, the column ``conflicts``
    says so. A file with the name of a format that it cannot be read as is not kept. Files of other
    kinds stay as they are, with nothing said of them.
    """

    async def process_item(self, item: Item) -> Item:
        """Add the columns."""
        result = item.result
        if not isinstance(item, FileItem) or not isinstance(result, Stored):
            return item
        if item.held:
            known = self._run.known(item)
            if known is not None and "conflicts" in known.metadata:
                item.metadata = item.metadata | known.metadata  # read once, kept
            return item
        if not self._run.local or result.file_name is None:
            return item
        file = self._run.out.root / result.file_name
        try:
            facts = await asyncio.to_thread(_read, file)
        except BadImage as error:
            if file.suffix.lower() in READ:
                self._run.remove(result.file_name)
                item.result = Missing(
                    error.outcome, str(error), result.url, 200, result.tries, result.sha256
                )
            return item
        item.metadata = merged(facts, item.metadata)
        suspect = _misnamed(result.file_name, facts)
        width, height = facts.size_x, facts.size_y
        item.result = replace(
            result, format=facts.format, width=width, height=height, suspect=suspect
        )
        return item


def merged(facts: FileFacts, said: Metadata) -> Metadata:
    """The columns of a file: its own, and those of its source where it says nothing."""
    own = facts.columns()
    own.pop("format")
    record = {name: value for name, value in said.items() if name in own}
    columns, quarrels = conflicts([("file", own), ("record", record)])
    columns |= {name: value for name, value in facts.extra.items() if name not in said}
    found = {name: value for name, value in columns.items() if value not in (None, "")}
    return said | found | {"conflicts": quarrels}


def _read(file: Path) -> FileFacts:
    with FileRanges(file) as ranges:
        return describe(ranges, name=file.name)


def _misnamed(name: str, facts: FileFacts) -> str | None:
    extension = PurePosixPath(name).suffix.lower()
    kinds = {".dm3": "DM", ".dm4": "DM", ".tif": "TIFF", ".tiff": "TIFF", ".png": "PNG",
             ".jpg": "JPEG", ".jpeg": "JPEG"}  # fmt: skip
    wanted = kinds.get(extension)
    if wanted is None or wanted in facts.format:
        return None
    return f"named {extension}, and is {facts.format}"

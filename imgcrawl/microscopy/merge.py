"""The facts of a file, merged with those of its source: one table for all formats."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgcrawl.microscopy.describe import describe, unknown_file
from imgcrawl.microscopy.facts import FileFacts, merge_sources
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import FileRanges
from imgcrawl.microscopy.registry import SHARED, extension_of, promised
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.items import Metadata


def describe_file(file: Path, name: str) -> FileFacts:
    """Return what a file says of itself, and how far it was proved. Blocks.

    name: what the file is to be called: its extension promises a format, and is held to it
    Raises RecordMissing for a file that is not what its name promises, or not all of it.
    """
    with FileRanges(file) as ranges:
        try:
            return describe(ranges, name=name)
        except RecordMissing as bad:
            is_named = bool(promised(name))
            if (is_named and extension_of(name) not in SHARED) or bad.outcome is Outcome.EMPTY:
                raise
            return _kept(unknown_file(ranges, name), bad, is_named=is_named)


def _kept(facts: FileFacts, bad: RecordMissing, *, is_named: bool) -> FileFacts:
    """Add to a file that is kept unchecked what is wrong with it as what it looks like."""
    if facts.proof.suspect or (bad.outcome is Outcome.NOT_IMAGE and not is_named):
        return facts
    return replace(facts, proof=Proof(Checked.UNCHECKED, bad.message))


def merge_record(facts: FileFacts, record: Metadata) -> Metadata:
    """Return the columns of a record: the file's own facts first, then what its source says."""
    own = facts.columns()
    own.pop("format")
    common = {name: value for name, value in record.items() if name in own}
    columns, conflicts = merge_sources([("file", own), ("record", common)])
    columns |= {name: value for name, value in facts.extra.items() if name not in record}
    found = {name: value for name, value in columns.items() if value not in (None, "")}
    both = "; ".join(filter(None, (facts.conflicts, conflicts)))
    return record | found | {"conflicts": both}


def file_columns(facts: FileFacts, record: Metadata) -> Metadata:
    """Return the columns of a record with those of its stored file, and how far that was proved.

    A column `checked` of the source's own is kept as `checked_`.
    """
    own = {"checked_": record["checked"]} if "checked" in record else {}
    columns = merge_record(facts, record) if facts.format else record
    return columns | own | {"checked": facts.proof.checked.value}


def misnamed(name: str, facts: FileFacts) -> str | None:
    """Return a remark on a file whose extension is another format's, or None."""
    wanted = promised(name)
    if not wanted or not facts.format or any(each.name in facts.format for each in wanted):
        return None
    return f"named {extension_of(name)}, and is {facts.format}"

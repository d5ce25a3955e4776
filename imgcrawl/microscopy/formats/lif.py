"""LIF and LOF of Leica: a description in XML, and blocks of pixels with their lengths.

Source: the description of the format by Leica Microsystems; liffile reads it so.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.lif_xml import read_lif_xml
from imgcrawl.microscopy.markup import attributes
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack, whole
from imgcrawl.microscopy.units import positive
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_BLOCK, _TEST = 0x70, 0x2A
_MAX_XML = 16 << 20
_MAX_BLOCKS = 200_000
_NAME_BYTES = 160  # of a block, so far as it is read
_LOF = "LMS_Object_File"
_MEMORY = re.compile(r"<Memory(\s[^<>]{0,400})>")
_VERSION = re.compile(r"<LMSDataContainerHeader\s[^>]{0,200}?Version=[\"'](\d)")


def _is_lif(head: bytes) -> bool:
    return head[:4] == b"\x70\0\0\0" and head[8:9] == b"\x2a"


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    text, end = read_text(ranges, 0)
    if text == _LOF:
        return _lof(ranges, end)
    version = _VERSION.search(text)
    if version is None:
        raise corrupt("a LIF without its XML")
    facts = read_lif_xml(text)
    if not options.walk:
        return FileFacts("LIF", **facts)
    _follow(ranges, end, is_long=version[1] == "2", promised=_memory(text))
    return FileFacts("LIF", **facts, proof=Proof(Checked.WHOLE if ranges.size else Checked.HEADER))


def _memory(text: str) -> dict[str, int]:
    """Return how many bytes each block of pixels has that the XML lists, by its name."""
    listed = (attributes(inner) for inner in _MEMORY.findall(text))
    return {
        each["MemoryBlockID"]: int(positive(each.get("Size")) or 0)
        for each in listed
        if "MemoryBlockID" in each
    }


def _follow(ranges: CachedRanges, end: int, *, is_long: bool, promised: dict[str, int]) -> None:
    """Follow the blocks of pixels to the end of the file.

    promised: names of blocks that the XML lists, with their size. Raises RecordMissing (`corrupt`;
    `truncated` for one that is cut, or not there).
    """
    layout, length = ("<IIBQBI", 22) if is_long else ("<IIBIBI", 18)
    for index in range(_MAX_BLOCKS):
        if ranges.size is None:
            return
        if end >= ranges.size:
            break
        head = ranges.ranges.read(end, length + _NAME_BYTES)
        if len(head) < length:
            require(ranges, end + length, f"block {index:,} of the LIF")
        mark, _, first, size, second, letters = struct.unpack_from(layout, head)
        if mark != _BLOCK or first != _TEST or second != _TEST:
            raise corrupt(f"at byte {end:,} is no block of the LIF")
        name = head[length : length + 2 * letters]
        promised.pop(name.decode("utf-16-le", "replace"), None)
        end += length + 2 * letters + size
        require(ranges, end, f"block {index:,} of the LIF")
    else:
        return
    if missing := next((name for name, size in promised.items() if size), ""):
        words = f"block {printable(missing, 40)} of the LIF is not there"
        raise RecordMissing(Outcome.TRUNCATED, words)


def _lof(ranges: CachedRanges, at: int) -> FileFacts:
    """Describe a LOF: the pixels come before their description."""
    (size,) = unpack(ranges, at + 11, "<Q", "the pixels of the LOF")
    require(ranges, at + 19 + size, "the pixels of the LOF")
    text, end = read_text(ranges, at + 19 + size)
    return FileFacts(
        "LOF", **read_lif_xml(text), proof=Proof(whole(ranges, end, "the XML of the LOF").checked)
    )


def read_text(ranges: CachedRanges, at: int) -> tuple[str, int]:
    """Return the text of a block, and the byte behind it. Raises RecordMissing."""
    mark, _, test, letters = unpack(ranges, at, "<IIBI", "the text of the file")
    if mark != _BLOCK or test != _TEST or 2 * letters > _MAX_XML:
        raise corrupt(f"at byte {at:,} is no text of a Leica file")
    data = read_exactly(ranges, at + 13, 2 * letters, "the XML of the file")
    return data.decode("utf-16-le", "replace"), at + 13 + 2 * letters


LIF = FileFormat("LIF", (".lif", ".lof"), _is_lif, _describe)

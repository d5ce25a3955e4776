"""CZI of Zeiss: segments that follow one another, each with its length.

Source: the description of the format by Zeiss (DS_ZISRAW-FileFormat); czifile reads it so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.czi_directory import read_czi_directory
from imgcrawl.microscopy.formats.czi_xml import read_czi_xml
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, require, unpack

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC = b"ZISRAWFILE"
_SEGMENT = "<16s2q"
_HEADER_BYTES = 32
_HEAD = struct.Struct(_SEGMENT)
_MAX_SEGMENTS = 300_000


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    directory, metadata, pending = unpack(ranges, 84, "<2qi", "the CZI header")
    for place, what in ((directory, "directory"), (metadata, "metadata")):
        if place < 0:
            raise corrupt(f"a CZI whose {what} lies at byte {place:,}")
        require(ranges, place + _HEADER_BYTES, f"the {what} of the CZI")
        name = unpack(ranges, place, _SEGMENT, f"the {what} of the CZI")[0].rstrip(b"\0")
        if place and name != f"ZISRAW{what.upper()}".encode():
            raise corrupt(f"the {what} of the CZI is not where its header says")
    remark = "its writer did not finish it" if pending or not directory else ""
    checked = Checked.HEADER
    if options.walk and ranges.size is not None:
        checked, remark = _walk(ranges, ranges.size, remark)
    facts = read_czi_xml(ranges, metadata)
    own = read_czi_directory(ranges, directory, sizes=not facts.get("size_x"))
    known, found = facts.get("dtype"), own.get("dtype")
    if known and found and known != found:
        words = f"dtype: XML {known}, directory {found}"
        facts["conflicts"] = "; ".join(filter(None, (facts.get("conflicts"), words)))
    facts |= {name: value for name, value in own.items() if not facts.get(name)}
    return FileFacts("CZI", **facts, proof=Proof(checked, remark))


def _walk(ranges: CachedRanges, size: int, remark: str) -> tuple[Checked, str]:
    """Follow the segments to the end of the file. Raises RecordMissing (`truncated`)."""
    at = 0
    for index in range(_MAX_SEGMENTS):
        if at >= size:
            return Checked.WHOLE, remark
        head = ranges.ranges.read(at, _HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            require(ranges, at + _HEADER_BYTES, f"segment {index:,} of the CZI")
        name, allocated, _ = _HEAD.unpack(head)
        if not name.startswith((b"ZISRAW", b"DELETED")):
            return Checked.WHOLE, remark or f"bytes that are no segment follow byte {at:,}"
        if allocated < 0:
            raise corrupt(f"segment {index:,} of the CZI has {allocated:,} bytes")
        at += _HEADER_BYTES + allocated
        if at > size:
            require(ranges, at, f"segment {index:,} of the CZI")
    return Checked.HEADER, remark or f"not read behind its segment {_MAX_SEGMENTS:,}"


CZI = FileFormat("CZI", (".czi",), lambda head: head.startswith(_MAGIC), _describe)

"""MetaImage of ITK: a header in text, and the pixels behind it (.mha) or in another file (.mhd).

Source: ITK's documentation of MetaIO, "MetaImage".
"""

from __future__ import annotations

import math
import re
import zlib
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Proof, corrupt, require, whole
from imgcrawl.microscopy.units import nanometres, positive
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_FIELD = re.compile(rb"^[ \t]*(\w{1,40})[ \t]*=[ \t]*([^\r\n]{0,400})\r?\n?", re.MULTILINE)
_BEGINS = re.compile(
    rb"\A(?:#[^\n]{0,400}\n|\s)*(?:\w+ *=[^\n]{0,400}\n)*? *NDims *= *\d", re.ASCII
)
_MAX_HEADER = 64 << 10
_PIECE = 64 << 10
_TYPES = {
    "MET_UCHAR": ("uint8", 1),
    "MET_CHAR": ("int8", 1),
    "MET_USHORT": ("uint16", 2),
    "MET_SHORT": ("int16", 2),
    "MET_UINT": ("uint32", 4),
    "MET_INT": ("int32", 4),
    "MET_ULONG_LONG": ("uint64", 8),
    "MET_LONG_LONG": ("int64", 8),
    "MET_FLOAT": ("float32", 4),
    "MET_DOUBLE": ("float64", 8),
}


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    head = ranges.read(0, _MAX_HEADER)
    fields, end = _fields(head)
    sides = [int(word) for word in fields.get("DimSize", "").split() if word.isdigit()]
    data_file = fields.get("ElementDataFile", "")
    if not sides or fields.get("NDims") != str(len(sides)) or not data_file:
        raise corrupt("a MetaImage header without its NDims, DimSize or ElementDataFile")
    dtype, size = _TYPES.get(fields.get("ElementType", ""), (None, 0))
    channels = int(positive(fields.get("ElementNumberOfChannels")) or 1)
    voxels = VoxelSizes()
    for axis, step in zip("xyz", fields.get("ElementSpacing", "").split(), strict=False):
        # ITK counts in millimetres, and says so nowhere in the file.
        voxels.add(axis, nanometres(step, "mm"), "file: MetaImage ElementSpacing")
    is_packed = fields.get("CompressedData", "").lower() == "true"
    is_local = data_file == "LOCAL"
    proof = Proof()
    if is_local and size:
        length = math.prod(sides) * size * channels
        proof = _proof(ranges, end, length, walk=options.walk, is_packed=is_packed)
    return FileFacts(
        "MetaImage",
        **{f"size_{axis}": side for axis, side in zip("xyzt", sides, strict=False)},  # type: ignore[arg-type]
        size_c=channels if channels > 1 else None,
        dtype=dtype,
        compression="zlib" if is_packed else "none",
        extra={} if is_local else {"data_file": printable(data_file)},
        proof=proof,
        **voxels.facts(),
    )


def _fields(head: bytes) -> tuple[dict[str, str], int]:
    """Return the fields, and the byte behind the last of them, which names the pixels' file."""
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(head):
        name, value = found[1].decode("ascii", "replace"), found[2].decode("utf-8", "replace")
        fields.setdefault(name, value.strip())
        if name == "ElementDataFile":
            return fields, found.end()
    return fields, len(head)


def _proof(ranges: CachedRanges, start: int, length: int, *, walk: bool, is_packed: bool) -> Proof:
    if not is_packed:
        return whole(ranges, start + length, "the pixels of the MetaImage")
    require(ranges, start + 1, "the pixels of the MetaImage")
    return _expanded(ranges, start, length) if walk else Proof()


def _expanded(ranges: CachedRanges, at: int, length: int) -> Proof:
    """Expand the pixels against their checksum. Raises RecordMissing."""
    decoder, found, pending = zlib.decompressobj(), 0, b""
    try:
        while not decoder.eof and found <= length:
            pending = decoder.unconsumed_tail or ranges.ranges.read(at, _PIECE)
            at += 0 if decoder.unconsumed_tail else len(pending)
            if not pending:
                require(ranges, (ranges.size or 0) + 1, "the pixels of the MetaImage")
                return Proof()
            found += len(decoder.decompress(pending, _PIECE))
    except zlib.error as error:
        raise corrupt(f"pixels of a MetaImage that do not expand: {error}") from error
    if found != length:
        raise corrupt(f"{found:,} bytes of pixels where {length:,} are needed")
    return whole(ranges, at - len(decoder.unused_data), "the MetaImage")


META_IMAGE = FileFormat(
    "MetaImage", (".mha", ".mhd"), lambda head: _BEGINS.match(head) is not None, _describe
)

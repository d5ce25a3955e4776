"""The directory of a CZI: a line for each block of pixels, with its place, size and compression.

Files of other programs than Zeiss' have sizes nowhere else. Source: DS_ZISRAW-FileFormat, "Directory
entry DV"; pylibCZIrw reads it so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.formats.czi_xml import PIXEL_TYPES

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

_START = 32 + 128  # of the entries in their segment
_ENTRY, _DIMENSION = struct.Struct("<2siqii6xi"), struct.Struct("<4siifi")
_MAX_ENTRIES, _MAX_DIMENSIONS, _MAX_BYTES = 20_000, 40, 4 << 20
_KINDS = dict(enumerate(("Gray8", "Gray16", "Gray32Float", "Bgr24", "Bgr48")))
_KINDS |= {8: "Bgr96Float", 9: "Bgra32", 10: "Gray64ComplexFloat", 12: "Gray32"}
_COMPRESSIONS = {0: "none", 1: "jpeg", 2: "lzw", 4: "jpegxr", 5: "zstd", 6: "zstd"}


def read_czi_directory(ranges: ByteRanges, place: int, *, sizes: bool) -> dict[str, Any]:
    """Return the arguments of FileFacts that the directory at byte `place` gives.

    sizes: also how far the blocks of full resolution reach; that takes all of the directory
    """
    count = int.from_bytes(ranges.read(place + 32, 4), "little")
    if not place or not 0 < count <= _MAX_ENTRIES:
        return {}
    data = ranges.read(place + _START, _MAX_BYTES if sizes else 32 + 20 * _MAX_DIMENSIONS)
    lowest: dict[str, int] = {}
    highest: dict[str, int] = {}
    facts: dict[str, Any] = {}
    at = 0
    for _ in range(count if sizes else 1):
        if at + _ENTRY.size > len(data):
            return facts
        schema, kind, _, _, compression, dimensions = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        if schema != b"DV" or not 0 < dimensions <= _MAX_DIMENSIONS:
            return facts
        if not facts:
            dtype, samples = PIXEL_TYPES.get(_KINDS.get(kind, ""), (None, None))
            facts = {"compression": _COMPRESSIONS.get(compression)}
            facts |= {"dtype": dtype, "samples": samples} if sizes else {}
        for _ in range(dimensions):
            if at + _DIMENSION.size > len(data):
                return facts
            raw, start, size, _, _ = _DIMENSION.unpack_from(data, at)
            at += _DIMENSION.size
            axis = raw.rstrip(b"\0").decode("latin-1").lower()
            lowest[axis] = min(lowest.get(axis, start), start)
            highest[axis] = max(highest.get(axis, 0), start + size)
    if not sizes:
        return facts
    samples = facts.pop("samples", None)
    found = {f"size_{a}": highest[a] - lowest[a] for a in "xyzct" if a in highest}
    if samples:
        found["size_c"] = found.get("size_c", 1) * samples
    return facts | {name: size for name, size in found.items() if 0 < size < 1 << 31}

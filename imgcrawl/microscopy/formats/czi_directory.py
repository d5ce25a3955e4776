"""The directory of a CZI: a line for each block of pixels, with its place, size and compression.

Files of other programs than Zeiss' have sizes nowhere else. Source: DS_ZISRAW-FileFormat,
"DirectoryEntryDV"; pylibCZIrw reads it so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from imgcrawl.microscopy.formats.czi_xml import PIXEL_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.microscopy.ranges import ByteRanges

_START = 32 + 128  # of the entries in their segment
_ENTRY, _DIMENSION = struct.Struct("<2siqii6xi"), struct.Struct("<4siifi")
_MAX_ENTRIES, _MAX_DIMENSIONS, _MAX_BYTES = 20_000, 40, 4 << 20
_KINDS = dict(enumerate(("Gray8", "Gray16", "Gray32Float", "Bgr24", "Bgr48")))
_KINDS |= {8: "Bgr96Float", 9: "Bgra32", 10: "Gray64ComplexFloat", 12: "Gray32"}
_COMPRESSIONS = {0: "none", 1: "jpeg", 2: "lzw", 4: "jpegxr", 5: "zstd", 6: "zstd"}


class _Entry(NamedTuple):
    """A line: kind of pixels, compression, and by axis where the block begins and ends."""

    kind: int
    compression: int
    sides: dict[str, tuple[int, int]]


def read_czi_directory(ranges: ByteRanges, place: int, *, sizes: bool) -> dict[str, Any]:
    """Return the arguments of FileFacts that the directory at byte `place` gives.

    sizes: also how far all blocks together reach; that takes all of the directory
    """
    count = int.from_bytes(ranges.read(place + 32, 4), "little")
    if not place or not 0 < count <= _MAX_ENTRIES:
        return {}
    data = ranges.read(place + _START, _MAX_BYTES if sizes else _ENTRY.size)
    entries = _entries(data, count if sizes else 1)
    first = next(entries, None)
    if first is None:
        return {}
    facts: dict[str, Any] = {"compression": _COMPRESSIONS.get(first.compression)}
    facts["dtype"], samples = PIXEL_TYPES.get(_KINDS.get(first.kind, ""), (None, None))
    if not sizes:
        return facts
    reach = dict(first.sides)
    for entry in entries:
        for axis, (start, end) in entry.sides.items():
            low, high = reach.get(axis, (start, end))
            reach[axis] = min(low, start), max(high, end)
    found = {f"size_{a}": reach[a][1] - reach[a][0] for a in "xyzct" if a in reach}
    if samples:
        found["size_c"] = found.get("size_c", 1) * samples
    return facts | {name: size for name, size in found.items() if 0 < size < 1 << 31}


def _entries(data: bytes, count: int) -> Iterator[_Entry]:
    """Yield the lines, as far as they are all there; of the last one the sides may be cut off."""
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(data):
            return
        schema, kind, _, _, compression, dimensions = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        if schema != b"DV" or not 0 < dimensions <= _MAX_DIMENSIONS:
            return
        own = data[at : at + dimensions * _DIMENSION.size]
        at += dimensions * _DIMENSION.size
        sides = {}
        for raw, start, size, _, _ in _DIMENSION.iter_unpack(own[: len(own) // 20 * 20]):
            sides[raw.rstrip(b"\0").decode("latin-1").lower()] = (start, start + size)
        yield _Entry(kind, compression, sides)

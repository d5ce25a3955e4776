"""SER, of FEI's TIA: a series of pictures or spectra, each at an offset of a table.

Source: the description of the format by C. Boothroyd; ncempy reads it so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack
from imgcrawl.microscopy.units import nanometres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC = b"II\x97\x01"
_SPECTRA, _PICTURES = 0x4120, 0x4122
_LONG_OFFSETS = 0x0220  # the version from which on offsets have 8 bytes
_MAX_ELEMENTS, _MAX_WALK = 10_000_000, 150_000
_PIECE = 8192  # offsets
# Offset, step and place of each axis, x first; type, and sides.
_SPECTRUM, _PICTURE = struct.Struct("<ddiHi"), struct.Struct("<ddiddiH2i")
_TYPES = {
    1: ("uint8", 1),
    2: ("uint16", 2),
    3: ("uint32", 4),
    4: ("int8", 1),
    5: ("int16", 2),
    6: ("int32", 4),
    7: ("float32", 4),
    8: ("float64", 8),
    9: ("complex64", 8),
    10: ("complex128", 16),
}


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    version, kind, _tag, total, valid = unpack(ranges, 4, "<HIIII", "the SER header")
    code, size = ("<Q", 8) if version >= _LONG_OFFSETS else ("<I", 4)
    (table,) = unpack(ranges, 22, code, "the SER header")
    if kind not in {_SPECTRA, _PICTURES} or valid > total or total > _MAX_ELEMENTS:
        raise corrupt(f"a SER file of {valid:,} of {total:,} elements of kind {kind:#x}")
    require(ranges, table + 2 * size * valid, "the table of offsets")
    facts: dict[str, Any] = {}
    elements = min(valid, _MAX_WALK if options.walk else 1)
    for index, place in enumerate(_places(ranges, table, code, elements)):
        sides, dtype, scales = _element(ranges, place, kind, index)
        if not index:
            facts = _facts(sides, dtype, scales, valid)
    # A series that was stopped has fewer elements than it has offsets.
    remark = f"{valid:,} of {total:,} elements were acquired" if valid < total else ""
    if options.walk and elements < valid:
        remark = f"not read behind element {elements:,} of {valid:,}"
    is_whole = options.walk and ranges.size is not None and elements == valid
    proof = Proof(Checked.WHOLE if is_whole else Checked.HEADER, remark)
    return FileFacts(format="SER", compression="none", proof=proof, **facts)


def _places(ranges: CachedRanges, table: int, code: str, count: int) -> Iterator[int]:
    """Yield where the elements begin, by a table that is read in pieces."""
    size = struct.calcsize(code)
    for first in range(0, count, _PIECE):
        number = min(_PIECE, count - first)
        data = read_exactly(ranges, table + first * size, number * size, "the table of offsets")
        yield from struct.unpack(f"<{number}{code[1]}", data)


def _element(
    ranges: CachedRanges, place: int, kind: int, index: int
) -> tuple[tuple[int, ...], str, tuple[float, ...]]:
    """Return the sides of an element, x first, its type and its steps; its pixels are there."""
    layout = _PICTURE if kind == _PICTURES else _SPECTRUM
    head = ranges.read(place, layout.size) if not index else ranges.ranges.read(place, layout.size)
    if place < 0 or len(head) < layout.size:
        require(ranges, place + layout.size, f"element {index}")
        raise corrupt(f"element {index} at byte {place:,}")
    numbers = layout.unpack(head)
    axes = 2 if kind == _PICTURES else 1
    data_type, *sides = numbers[3 * axes :]
    if data_type not in _TYPES or not all(0 < side < 1 << 24 for side in sides):
        shown = " x ".join(map(str, sides))
        raise corrupt(f"element {index} of {shown} values of type {data_type}")
    dtype, length = _TYPES[data_type]
    for side in sides:
        length *= side
    require(ranges, place + layout.size + length, f"element {index}")
    return tuple(sides), dtype, numbers[1 : 3 * axes : 3]


def _facts(
    sides: tuple[int, ...], dtype: str, steps: tuple[float, ...], count: int
) -> dict[str, Any]:
    if len(sides) == 1:
        return {"size_c": sides[0], "size_x": count, "dtype": dtype}
    voxels = VoxelSizes()
    for axis, step in zip("xy", steps, strict=True):
        voxels.add(axis, nanometres(step, "m"), "file: SER calibration")
    return {
        "size_x": sides[0],
        "size_y": sides[1],
        "size_t": count,
        "dtype": dtype,
        **voxels.facts(),
    }


SER = FileFormat(
    "SER", (".ser",), recognizes=lambda head: head.startswith(_MAGIC), describe=_describe
)

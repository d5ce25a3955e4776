"""EM, of the TOM toolbox, Dynamo and AV3: a header of 512 bytes, the pixels.

Source: the description of the format in the TOM toolbox; emfile has it too.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat, by_name_only
from imgcrawl.microscopy.proof import corrupt, read_exactly, whole
from imgcrawl.microscopy.units import nanometres, positive

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_HEADER_BYTES = 512
_TYPES = {
    1: ("int8", 1),
    2: ("int16", 2),
    4: ("int32", 4),
    5: ("float32", 4),
    8: ("complex64", 8),
    9: ("float64", 8),
}
_MACHINES = range(7)  # OS-9, VAX, Convex, SGI, -, Mac and PC; only PC and VAX are little-endian
_LITTLE = {1, 6}
# Of the 40 numbers from byte 96 on: voltage in volts, magnification, pixel size in picometres.
_VOLTAGE, _MAGNIFICATION, _PIXEL_SIZE = 0, 2, 6


def _order(head: bytes) -> str:
    return "<" if head[0] in _LITTLE else ">"


def _is_em(head: bytes) -> bool:
    if len(head) < 16 or head[0] not in _MACHINES or head[3] not in _TYPES:
        return False
    return all(0 < side < 1 << 20 for side in struct.unpack_from(_order(head) + "3i", head, 4))


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    head = read_exactly(ranges, 0, _HEADER_BYTES, "the EM header")
    if not _is_em(head):
        raise corrupt("an EM header whose numbers are none")
    columns, rows, sections = struct.unpack_from(_order(head) + "3i", head, 4)
    dtype, size = _TYPES[head[3]]
    numbers = struct.unpack_from(_order(head) + "40i", head, 96)
    voxels = VoxelSizes()
    for axis in "xyz" if sections > 1 else "xy":
        voxels.add(axis, nanometres(numbers[_PIXEL_SIZE] / 1000, "nm"), "file: EM header")
    end = _HEADER_BYTES + columns * rows * sections * size
    return FileFacts(
        format="EM",
        size_x=columns,
        size_y=rows,
        size_z=sections,
        dtype=dtype,
        voltage_v=positive(numbers[_VOLTAGE]),
        magnification=positive(numbers[_MAGNIFICATION]),
        compression="none",
        proof=whole(ranges, end, f"an EM file of {columns} x {rows} x {sections} {dtype}"),
        **voxels.facts(),
    )


EM = FileFormat("EM", (".em",), recognizes=by_name_only, plausible=_is_em, describe=_describe)

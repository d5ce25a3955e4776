"""DeltaVision (.dv, .r3d): the header of an old MRC with a mark of its own.

Source: the description of the image data file (IVE, Priism) that Applied Precision took over.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import corrupt, unpack, whole
from imgcrawl.microscopy.units import nanometres, single

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_HEADER_BYTES = 1024
_MARK = b"\xa0\xc0"  # little-endian; at byte 96
_TYPES = {
    0: ("uint8", 1),
    1: ("int16", 2),
    2: ("float32", 4),
    3: ("complex_int16", 4),
    4: ("complex64", 8),
    5: ("int16", 2),
    6: ("uint16", 2),
    7: ("int32", 4),
}


def _is_dv(head: bytes) -> bool:
    return head[96:98] in {_MARK, _MARK[::-1]}


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    order = "<" if ranges.read(96, 2) == _MARK else ">"
    head = unpack(ranges, 0, f"{order}{_HEADER_BYTES}s", "the DeltaVision header")[0]
    columns, rows, sections, mode = struct.unpack_from(order + "4i", head)
    steps = struct.unpack_from(order + "3f", head, 40)  # micrometres
    (extended,) = struct.unpack_from(order + "i", head, 92)
    (times,) = struct.unpack_from(order + "h", head, 180)
    (channels,) = struct.unpack_from(order + "h", head, 196)
    if not all(0 < side < 1 << 24 for side in (columns, rows, sections)) or mode not in _TYPES:
        raise corrupt(f"a DeltaVision file of {columns} x {rows} x {sections}, of type {mode}")
    if extended < 0:
        raise corrupt(f"a DeltaVision header with {extended:,} bytes more")
    dtype, size = _TYPES[mode]
    times, channels = max(times, 1), max(channels, 1)
    each = times * channels
    voxels = VoxelSizes()
    for axis, step in zip("xyz", steps, strict=True):
        voxels.add(axis, nanometres(single(step), "um"), "file: DeltaVision header")
    return FileFacts(
        format="DeltaVision",
        size_x=columns,
        size_y=rows,
        size_z=sections // each if sections % each == 0 else sections,
        size_c=channels,
        size_t=times,
        dtype=dtype,
        compression="none",
        proof=whole(
            ranges,
            _HEADER_BYTES + extended + columns * rows * sections * size,
            f"a DeltaVision file of {columns} x {rows} x {sections} {dtype}",
        ),
        **voxels.facts(),
    )


DV = FileFormat("DeltaVision", (".dv", ".r3d", ".r3d_d3d"), recognizes=_is_dv, describe=_describe)

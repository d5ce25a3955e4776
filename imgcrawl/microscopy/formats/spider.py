"""SPIDER: a header of floats, one picture, a volume or a stack of pictures.

Source: the description of the header by the SPIDER project (Wadsworth Center).
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat, by_name_only
from imgcrawl.microscopy.proof import corrupt, read_exactly, whole
from imgcrawl.microscopy.units import nanometres, single

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_HEADER_BYTES = 1024
_KINDS = {1: "picture", 3: "volume", -11: "Fourier", -12: "Fourier", -21: "Fourier", -22: "Fourier"}
# Places in the header, in floats from 0.
_SLICES, _ROWS, _KIND, _COLUMNS, _RECORDS, _BYTES, _RECORD_BYTES = 0, 1, 4, 11, 12, 21, 22
_STACK, _IN_USE, _PIXEL_SIZE = 23, 25, 37


def _numbers(head: bytes) -> tuple[float, ...] | None:
    """Return the first floats of a header in the byte order in which they make sense."""
    if len(head) < 4 * 40:
        return None
    for order in "<>":
        found: tuple[float, ...] = struct.unpack_from(order + "40f", head)
        places = (_SLICES, _ROWS, _KIND, _COLUMNS, _BYTES, _RECORD_BYTES)
        if not all(math.isfinite(found[at]) and found[at] == int(found[at]) for at in places):
            continue
        sides = (abs(found[_SLICES]), found[_ROWS], found[_COLUMNS])
        # A record is a row of floats, the header as many of them as 1024 bytes take.
        if (
            all(0 < side < 1 << 20 for side in sides)
            and int(found[_KIND]) in _KINDS
            and found[_RECORD_BYTES] == 4 * found[_COLUMNS]
            and found[_BYTES] >= _HEADER_BYTES
        ):
            return found
    return None


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    head = read_exactly(ranges, 0, _HEADER_BYTES, "the SPIDER header")
    found = _numbers(head)
    if found is None:
        raise corrupt("a SPIDER header whose numbers are none")
    slices, rows, columns = (int(abs(found[at])) for at in (_SLICES, _ROWS, _COLUMNS))
    header, pixels = int(found[_BYTES]), 4 * slices * rows * columns
    is_stack = found[_STACK] > 0 and math.isfinite(found[_IN_USE])
    pictures = max(0, int(found[_IN_USE])) if is_stack else 1
    # A stack has a header of its own, and one before each picture.
    end = header + pictures * (header + pixels) if is_stack else header + pixels
    voxels = VoxelSizes()
    for axis in "xyz" if slices > 1 else "xy":
        voxels.add(axis, nanometres(single(found[_PIXEL_SIZE]), "angstrom"), "file: SPIDER header")
    return FileFacts(
        format="SPIDER",
        size_x=columns,
        size_y=rows,
        size_z=pictures if is_stack else slices,
        dtype="float32",
        compression="none",
        proof=whole(ranges, end, f"a SPIDER file of {columns} x {rows} x {slices}"),
        **voxels.facts(),
    )


SPIDER = FileFormat(
    "SPIDER",
    (".spi", ".spider", ".xmp", ".vol", ".stk"),
    recognizes=by_name_only,
    plausible=lambda head: _numbers(head) is not None,
    describe=_describe,
)

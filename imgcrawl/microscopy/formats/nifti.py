"""NIfTI-1 and -2 (.nii, or a .hdr with a .img beside it), and Analyze, from which they come.

Sources: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, whole
from imgcrawl.microscopy.units import nanometres, single

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_TYPES = {
    2: ("uint8", 8, None),
    4: ("int16", 16, None),
    8: ("int32", 32, None),
    16: ("float32", 32, None),
    32: ("complex64", 64, None),
    64: ("float64", 64, None),
    128: ("uint8", 24, 3),
    256: ("int8", 8, None),
    512: ("uint16", 16, None),
    768: ("uint32", 32, None),
    1024: ("int64", 64, None),
    1280: ("uint64", 64, None),
    1536: ("float128", 128, None),
    1792: ("complex128", 128, None),
    2048: ("complex256", 256, None),
    2304: ("uint8", 32, 4),
}
_UNITS = {1: "m", 2: "mm", 3: "um"}
_SINGLE = (b"n+1\0", b"n+2\0")
_SIZES = {348: 1, 540: 2}


def _order(head: bytes) -> str | None:
    """Return the byte order of a header, which begins with its own length."""
    for order in "<>":
        if len(head) >= 4 and struct.unpack_from(order + "i", head)[0] in _SIZES:
            return order
    return None


def _mark(head: bytes) -> bytes:
    return head[4:8] if head[:4] in {b"\x1c\2\0\0", b"\0\0\2\x1c"} else head[344:348]


def _is_nifti(head: bytes) -> bool:
    return _order(head) is not None and _mark(head) in {*_SINGLE, b"ni1\0", b"ni2\0"}


def _is_header(head: bytes) -> bool:
    """Return whether it is a header alone: Analyze has no mark, but a regular letter, or sizes."""
    order = _order(head)
    if _is_nifti(head) or order is None or len(head) < 74:
        return _is_nifti(head)
    axes, *sides = struct.unpack_from(order + "8h", head, 40)
    code, bits = struct.unpack_from(order + "2h", head, 70)
    known = code in _TYPES and _TYPES[code][1] == bits
    sound = 1 <= axes <= 7 and all(side > 0 for side in sides[:axes])
    return head[38:39] == b"r" or (known and sound)


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    order = _order(ranges.read(0, 4))
    if order is None:
        raise corrupt("a NIfTI header of no known length")
    (length,) = struct.unpack(order + "i", ranges.read(0, 4))
    head = read_exactly(ranges, 0, length, "the NIfTI header")
    if _SIZES[length] == 1:
        dimensions = struct.unpack_from(order + "8h", head, 40)
        code, _bits = struct.unpack_from(order + "2h", head, 70)
        steps = struct.unpack_from(order + "8f", head, 76)
        (start,) = struct.unpack_from(order + "f", head, 108)
        units = head[123]
    else:
        dimensions = struct.unpack_from(order + "8q", head, 16)
        code, _bits = struct.unpack_from(order + "2h", head, 12)
        steps = struct.unpack_from(order + "8d", head, 104)
        (start,) = struct.unpack_from(order + "q", head, 168)
        units = struct.unpack_from(order + "i", head, 500)[0] & 0xFF
    sides = dimensions[1 : 1 + dimensions[0]] if 1 <= dimensions[0] <= 7 else ()
    if not sides or not all(0 < side < 1 << 31 for side in sides) or not math.isfinite(start):
        raise corrupt(f"a NIfTI of {' x '.join(map(str, dimensions[1:]))}")
    dtype, bits, samples = _TYPES.get(code, (None, 1 if code == 1 else 0, None))
    sides_of = dict(zip("xyzt", sides, strict=False))
    voxels = VoxelSizes()
    for axis, step in zip("xyz", steps[1:4], strict=True):
        if axis in sides_of:
            voxels.add(
                axis, nanometres(single(abs(step)), _UNITS.get(units & 7)), "file: NIfTI header"
            )
    return FileFacts(
        format="NIfTI" if _is_nifti(ranges.read(0, 1024)) else "NIfTI (Analyze)",
        **{f"size_{axis}": side for axis, side in sides_of.items()},
        size_c=samples,
        dtype=dtype,
        proof=_proof(ranges, head, int(start), (math.prod(sides) * bits + 7) // 8),
        **voxels.facts(),
    )


def _proof(ranges: CachedRanges, head: bytes, start: int, pixels: int) -> Proof:
    if _mark(head) not in _SINGLE:
        return Proof(whole(ranges, len(head), "the NIfTI header").checked)
    if start < len(head):
        raise corrupt(f"a NIfTI whose pixels begin at byte {start:,}")
    return whole(ranges, start + pixels, "a NIfTI of its size") if pixels else Proof(Checked.HEADER)


NIFTI = FileFormat(
    "NIfTI", (".nii", ".hdr"), recognizes=_is_nifti, plausible=_is_header, describe=_describe
)

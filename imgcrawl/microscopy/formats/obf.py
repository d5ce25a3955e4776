"""OBF and MSR of Imspector: stacks, each with its length and the place of the next.

Source: the documentation of the format by Abberior Instruments; obffile (BSD) reads it so.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, NamedTuple

from imgcrawl.microscopy.facts import Extra, FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack
from imgcrawl.microscopy.units import nanometres

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC, _STACK_MAGIC = b"OMAS_BF\n\xff\xff", b"OMAS_BF_STACK\n\xff\xff"
_OLDER_MAGIC = b"CDataStack"  # of MSR, which no open description tells more of
_STACK = struct.Struct("<16s2I15I15d15d5I3Q")
_UNIT = struct.Struct("<18id")
_UNITS_AT = 128 + _UNIT.size  # of the axes, in the footer
_SAMPLES = {0x400: 3, 0x800: 4}
_MAX_STACKS = 20_000
_TYPES = {
    0x01: "uint8",
    0x02: "int8",
    0x04: "uint16",
    0x08: "int16",
    0x10: "uint32",
    0x20: "int32",
    0x40: "float32",
    0x80: "float64",
    0x400: "uint8",  # of three colours
    0x800: "uint8",  # ... and opacity
    0x1000: "uint64",
    0x2000: "int64",
}


class _Stack(NamedTuple):
    """What a stack says: version, sides and lengths along x, y, z, t, type, and places."""

    version: int
    sides: tuple[int, ...]
    lengths: tuple[float, ...]
    kind: int
    is_packed: bool
    footer: int
    following: int


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    if ranges.read(0, len(_MAGIC)) != _MAGIC:
        require(ranges, 64, "the header of the MSR file")
        return FileFacts("MSR")
    _, place, _ = unpack(ranges, len(_MAGIC), "<IQI", "the OBF header")
    largest: _Stack | None = None
    count, limit = 0, _MAX_STACKS if options.walk else 1
    while place and count < limit:
        stack = _stack(ranges, place)
        if stack.following and stack.following <= place:
            raise corrupt(f"stack {count:,} of the OBF is followed by one before it")
        if largest is None or math.prod(stack.sides) > math.prod(largest.sides):
            largest = stack
        place, count = stack.following, count + 1
    is_whole = options.walk and not place and ranges.size is not None
    proof = Proof(Checked.WHOLE if is_whole else Checked.HEADER)
    extra: Extra = {"images": count} if count > 1 else {}
    if largest is None:
        return FileFacts("OBF", proof=proof)
    sides = dict(zip("xyzt", largest.sides, strict=False))
    return FileFacts(
        "OBF",
        **{f"size_{axis}": side for axis, side in sides.items()},  # type: ignore[arg-type]
        size_c=_SAMPLES.get(largest.kind),
        dtype=_TYPES.get(largest.kind),
        compression="zlib" if largest.is_packed else "none",
        extra=extra,
        proof=proof,
        **_voxels(ranges, largest).facts(),
    )


def _stack(ranges: CachedRanges, place: int) -> _Stack:
    """Return the stack at a byte; its pixels are there. Raises RecordMissing."""
    head = read_exactly(ranges, place, _STACK.size, "a stack of the OBF")
    magic, version, rank, *rest = _STACK.unpack(head)
    if magic != _STACK_MAGIC or not 0 < rank <= 15:
        raise corrupt(f"at byte {place:,} is no stack of an OBF")
    kind, packed, _, name, words, _, length, following = rest[45:]
    footer = place + _STACK.size + name + words + length
    own = unpack(ranges, footer, "<I", "the end of a stack of the OBF")[0] if version else 0
    require(ranges, footer + own, "a stack of the OBF")
    return _Stack(
        version,
        tuple(rest[:rank]),
        tuple(rest[15 : 15 + rank]),
        kind,
        bool(packed),
        footer,
        following,
    )


def _voxels(ranges: CachedRanges, stack: _Stack) -> VoxelSizes:
    """Return the sizes along the axes that are metres; before version 2, all of space are."""
    voxels = VoxelSizes()
    for index, axis in enumerate("xyz"[: len(stack.sides)]):
        if not stack.sides[index]:
            continue
        factor = 1.0
        if stack.version >= 2:
            at = stack.footer + _UNITS_AT + index * _UNIT.size
            raw = ranges.read(at, _UNIT.size)
            if len(raw) < _UNIT.size:
                return voxels
            *powers, factor = _UNIT.unpack(raw)
            if powers[:2] != [1, 1] or any(powers[2::2]):
                continue
        step = stack.lengths[index] / stack.sides[index] * factor
        voxels.add(axis, nanometres(step, "m"), "file: OBF stack")
    return voxels


OBF = FileFormat(
    "OBF",
    (".obf", ".msr"),
    lambda head: head.startswith(_MAGIC) or _OLDER_MAGIC in head[:74],
    _describe,
)

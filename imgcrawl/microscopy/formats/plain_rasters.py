"""Formats with a short fixed header and pixels behind it: BLO, KLB, TPX3, NPY, Bio-Rad PIC.

Sources: the readers of Blockfiles in rosettasciio's documentation, the README of KLB, the manual of
Serval (TPX3), numpy's NEP 1, the description of PIC by Bio-Rad.
"""

from __future__ import annotations

import ast
import math
import re
import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat, by_name_only
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, unpack, whole
from imgcrawl.microscopy.units import nanometres, positive, single

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_KLB_TYPES = (
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float32", "float64"),
)
_KLB_CODECS = ("none", "bzip2", "zlib")
_MAX_PACKETS = 200_000  # of a few kilobytes each
_MAX_BLOCKS = 1 << 24
_NPY_VERSIONS = {1: "<H", 2: "<I", 3: "<I"}
_NPY_TYPE = re.compile(r"[<>|=]?([?biufcSUMmV])(\d{0,6})")
_LONG = re.compile(r"\b(\d+)L\b")  # as Python 2 wrote integers
_NPY_NAMES = {"b": "int", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_MAX_NPY_HEADER = 64 << 10


def _blo(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a Blockfile: so many diffraction patterns, each with 6 bytes before it."""
    (first,) = unpack(ranges, 12, "<I", "the BLO header")
    side, _rotation, columns, rows = unpack(ranges, 20, "<4H", "the BLO header")
    *steps, voltage = unpack(ranges, 30, "<2dI", "the BLO header")
    if not (side and columns and rows):
        raise corrupt(f"a BLO of {columns} x {rows} patterns of {side} x {side}")
    end = first + columns * rows * (side * side + 6)
    return FileFacts(
        format="BLO",
        size_x=side,
        size_y=side,
        dtype="uint8",
        compression="none",
        voltage_v=positive(voltage),
        extra={"scan": f"{rows} x {columns}", "scan_step_nm": float(f"{steps[0]:.6g}")},
        proof=whole(ranges, end, f"a BLO of {columns} x {rows} patterns of {side} x {side}"),
    )


def _klb_numbers(head: bytes) -> tuple[float, ...] | None:
    if len(head) < 319:
        return None
    numbers = struct.unpack_from("<B5I5fBB", head)
    sides, steps, dtype, codec = numbers[1:6], numbers[6:11], numbers[11], numbers[12]
    blocks = struct.unpack_from("<5I", head, 299)
    sound = (
        1 <= numbers[0] <= 9
        and all(0 < side < 1 << 24 for side in (*sides, *blocks))
        and all(math.isfinite(step) for step in steps)
        and dtype < len(_KLB_TYPES)
        and codec < len(_KLB_CODECS)
    )
    return (*numbers, *blocks) if sound else None


def _klb(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a KLB: after its header the end of each block; the last one's is the file's."""
    numbers = _klb_numbers(read_exactly(ranges, 0, 319, "the KLB header"))
    if numbers is None:
        raise corrupt("a KLB header whose numbers are none")
    sides, blocks = [int(n) for n in numbers[1:6]], [int(n) for n in numbers[13:18]]
    count = math.prod(-(-side // block) for side, block in zip(sides, blocks, strict=True))
    if count > _MAX_BLOCKS:
        raise corrupt(f"a KLB of {count:,} blocks")
    (last,) = unpack(ranges, 319 + 8 * (count - 1), "<Q", "the KLB's table of blocks")
    voxels = VoxelSizes()
    for axis, step in zip("xyz", numbers[6:9], strict=True):
        voxels.add(axis, nanometres(single(step), "um"), "file: KLB header")
    return FileFacts(
        format="KLB",
        **{f"size_{axis}": side for axis, side in zip("xyzct", sides, strict=True)},  # type: ignore[arg-type]
        dtype=_KLB_TYPES[int(numbers[11])],
        compression=_KLB_CODECS[int(numbers[12])],
        proof=whole(ranges, 319 + 8 * count + last, f"a KLB of {count:,} blocks"),
        **voxels.facts(),
    )


def _tpx3(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe the packets of a Timepix3 detector: each has 8 bytes, and says how many follow."""
    at, packets = 0, 0
    limit = _MAX_PACKETS if options.walk else 1
    while packets < limit and (ranges.size is None or at < ranges.size):
        head = ranges.read(at, 8)
        if not head:
            break
        if len(head) < 8 or not head.startswith(b"TPX3"):
            raise corrupt(f"packet {packets:,} of the TPX3 file is none")
        at += 8 + int.from_bytes(head[6:8], "little")
        packets += 1
    proof = whole(ranges, at, f"packet {packets - 1:,} of the TPX3 file")
    is_whole = ranges.size is not None and at == ranges.size
    remark = "not read to its end: too many packets" if packets == _MAX_PACKETS else ""
    return FileFacts("TPX3", proof=proof if is_whole else Proof(Checked.HEADER, remark))


def _npy(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe an array of numpy's."""
    version = read_exactly(ranges, 0, 8, "the NPY header")[6]
    if version not in _NPY_VERSIONS:
        raise corrupt(f"an NPY of version {version}")
    code = _NPY_VERSIONS[version]
    (length,) = unpack(ranges, 8, code, "the NPY header")
    start = 8 + struct.calcsize(code)
    if length > _MAX_NPY_HEADER:
        raise corrupt(f"an NPY header of {length:,} bytes")
    text = read_exactly(ranges, start, length, "the NPY header").decode("latin-1")
    try:
        header = ast.literal_eval(_LONG.sub(r"\1", text.strip()))
        shape = tuple(int(side) for side in header["shape"])
        descr = header["descr"]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise corrupt("an NPY header that is none") from error
    found = _NPY_TYPE.fullmatch(descr) if isinstance(descr, str) else None
    if any(side < 0 for side in shape) or len(shape) > 32:
        raise corrupt(f"an NPY of shape {shape!r}"[:200])
    if found is None or not (found[2] or found[1] == "?"):
        return FileFacts("NPY")  # a record or Python's objects: of no length that is known here
    size = 1 if found[1] == "?" else int(found[2]) * (4 if found[1] == "U" else 1)
    name = f"{_NPY_NAMES[found[1]]}{8 * size}" if found[1] in _NPY_NAMES else None
    sides = dict(zip("xyz", reversed(shape), strict=False)) if len(shape) <= 3 else {}
    return FileFacts(
        format="NPY",
        size_x=sides.get("x"),
        size_y=sides.get("y"),
        size_z=sides.get("z"),
        dtype="bool" if found[1] == "?" else name,
        compression="none",
        extra={"shape": " x ".join(map(str, shape))},
        proof=whole(ranges, start + length + math.prod(shape) * size, "the array"),
    )


def _pic(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a Bio-Rad PIC: 76 bytes, the pixels, notes."""
    columns, rows, pictures = unpack(ranges, 0, "<3H", "the PIC header")
    (is_bytes,) = unpack(ranges, 14, "<H", "the PIC header")
    size = 1 if is_bytes else 2
    end = 76 + columns * rows * pictures * size
    proof = whole(ranges, end, f"a PIC of {columns} x {rows} x {pictures}")
    return FileFacts(
        format="Bio-Rad PIC",
        size_x=columns,
        size_y=rows,
        size_z=pictures,
        dtype="uint8" if is_bytes else "uint16",
        compression="none",
        proof=Proof(proof.checked),  # notes may follow
    )


BLO = FileFormat("BLO", (".blo",), lambda head: head.startswith(b"IMGBLO"), _blo)
KLB = FileFormat(
    "KLB",
    (".klb",),
    recognizes=by_name_only,
    plausible=lambda head: _klb_numbers(head) is not None,
    describe=_klb,
)
TPX3 = FileFormat("TPX3", (".tpx3",), lambda head: head.startswith(b"TPX3"), _tpx3)
NPY = FileFormat("NPY", (".npy",), lambda head: head.startswith(b"\x93NUMPY"), _npy)
PIC = FileFormat(
    "Bio-Rad PIC",
    (".pic",),
    recognizes=by_name_only,
    plausible=lambda head: head[54:56] == b"\x39\x30",
    describe=_pic,
)

"""MRC2014 and its older kin: MRC, CCP4 maps, stacks and tomograms of IMOD and SerialEM.

A header of 1024 bytes, an extended header, the pixels: the length of a file follows from its
header. Sources: Cheng et al. 2015 (MRC2014), the descriptions of IMOD's header and of Thermo
Fisher's (FEI1, FEI2), as mrcfile has them too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.mrc_sections import read_sections
from imgcrawl.microscopy.proof import corrupt, read_exactly, whole
from imgcrawl.microscopy.units import nanometres, single

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

HEADER_BYTES = 1024
_MAX_SIDE = 1 << 24


class _Mode(NamedTuple):
    dtype: str
    bits: int
    samples: int | None = None


_MODES = {
    0: _Mode("int8", 8),
    1: _Mode("int16", 16),
    2: _Mode("float32", 32),
    3: _Mode("complex_int16", 32),
    4: _Mode("complex64", 64),
    6: _Mode("uint16", 16),
    12: _Mode("float16", 16),
    16: _Mode("uint8", 24, 3),
    101: _Mode("uint4", 4),
}
_IMOD_STAMP, _SIGNED_BYTES = 1146047817, 1


@dataclass(frozen=True, slots=True)
class MrcHeader:
    """The numbers of a header.

    order:     of bytes, for struct
    sides:     columns, rows, sections: pixels
    axes:      which axis (1: x, 2: y, 3: z) columns, rows and sections are
    intervals: along the axes x, y, z of the cell
    cell:      angstrom, along x, y, z
    extended:  bytes of the extended header, and `kind` is what wrote it: FEI1, SERI, ...
    imod:      the flags of IMOD, None where it did not write the file
    """

    order: str
    sides: tuple[int, int, int]
    mode: int
    axes: tuple[int, int, int]
    intervals: tuple[int, int, int]
    cell: tuple[float, float, float]
    space_group: int
    extended: int
    kind: bytes
    imod: int | None

    @property
    def pixel_bytes(self) -> int:
        """The length of all pixels; two of 4 bits share a byte within a row."""
        columns, rows, sections = self.sides
        return (columns * _MODES[self.mode].bits + 7) // 8 * rows * sections

    @property
    def dtype(self) -> str:
        """The type of a pixel: mode 0 is signed unless IMOD's flags say otherwise."""
        if self.mode == 0 and self.imod is not None and not self.imod & _SIGNED_BYTES:
            return "uint8"
        return _MODES[self.mode].dtype


def parse_header(head: bytes) -> MrcHeader | None:
    """Return the header in the byte order in which it makes sense, or None."""
    if len(head) < 56:
        return None
    head = head[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0")
    return _parsed(head, "<") or _parsed(head, ">")


def _parsed(head: bytes, order: str) -> MrcHeader | None:
    columns, rows, sections, mode, *rest = struct.unpack_from(order + "10i", head)
    intervals, axes = tuple(rest[3:6]), struct.unpack_from(order + "3i", head, 64)
    space_group, extended = struct.unpack_from(order + "2i", head, 88)
    if not all(0 < side < _MAX_SIDE for side in (columns, rows, sections)) or mode not in _MODES:
        return None
    # Older writers left the mark out: then the other numbers must be those of a picture.
    usual = sorted(axes) in ([1, 2, 3], [0, 0, 0]) and 0 <= space_group < 1000
    sound = usual and all(0 <= count < _MAX_SIDE for count in intervals)
    if extended < 0 or not (_is_marked(head) or sound):
        return None
    stamp, flags = struct.unpack_from(order + "2i", head, 152)
    return MrcHeader(
        order=order,
        sides=(columns, rows, sections),
        mode=mode,
        axes=axes if sorted(axes) == [1, 2, 3] else (1, 2, 3),
        intervals=intervals,
        cell=struct.unpack_from(order + "3f", head, 40),
        space_group=space_group,
        extended=extended,
        kind=head[104:108],
        imod=flags if stamp == _IMOD_STAMP else None,
    )


def _is_marked(head: bytes) -> bool:
    return head[208:211] == b"MAP"


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    header = parse_header(ranges.read(0, HEADER_BYTES))
    if header is None:
        raise corrupt("an MRC header whose numbers are none")
    read_exactly(ranges, 0, HEADER_BYTES, "the MRC header")
    columns, rows, sections = header.sides
    end = HEADER_BYTES + header.extended + header.pixel_bytes
    proof = whole(ranges, end, f"an MRC of {columns} x {rows} x {sections} {header.dtype}")
    known = read_sections(ranges, header.kind, header.order, header.extended, sections)
    return FileFacts(
        format="MRC",
        size_x=columns,
        size_y=rows,
        size_z=sections,
        size_c=_MODES[header.mode].samples,
        dtype=header.dtype,
        compression="none",
        voltage_v=known.voltage_v,
        magnification=known.magnification,
        detector=known.detector,
        acquired=known.acquired,
        extra=known.extra,
        proof=proof,
        **_voxels(header, known.pixel_nm, is_series=known.is_series).facts(),
    )


def _voxels(header: MrcHeader, pixel_nm: float | None, *, is_series: bool) -> VoxelSizes:
    """Return voxel sizes; the sections of a series are pictures, without a distance."""
    voxels = VoxelSizes()
    for axis, place in zip("xyz", header.axes, strict=True):
        length, count = header.cell[place - 1], header.intervals[place - 1]
        if axis == "z" and (is_series or (header.space_group == 0 and header.imod is None)):
            continue
        if count > 0:
            voxels.add(axis, nanometres(single(length / count), "angstrom"), "file: MRC cell")
    for axis in "xy":
        voxels.add(axis, pixel_nm, "file: MRC extended header")
    return voxels


MRC = FileFormat(
    "MRC",
    (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".preali", ".ccp4"),
    recognizes=lambda head: _is_marked(head) and parse_header(head) is not None,
    plausible=lambda head: parse_header(head) is not None,
    describe=_describe,
)

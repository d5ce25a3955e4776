"""Pictures that a camera's program writes one behind the other: MIB, TVIPS and Hamamatsu's IMG.

A header says how large a picture is; how many there are follows from the length of the file, which
has to be that of whole pictures. Sources: the manual of Merlin (Quantum Detectors), files of TVIPS'
EMMENU 4 and of Hamamatsu's HPD-TA, as rosettasciio reads them.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat, by_name_only
from imgcrawl.microscopy.proof import Proof, corrupt, read_exactly, require, whole
from imgcrawl.microscopy.units import positive

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MIB = re.compile(rb"MQ1,(\d{6}),(\d{5}),(\d\d),(\d{4}),(\d{4}),([UR])(\d\d),")
_TVIPS_HEADER = 256
_IMG_TYPES = {0: ("uint8", 1), 2: ("uint16", 2), 3: ("uint32", 4)}
_MAX_SIDE = 1 << 16


def _pictures(ranges: CachedRanges, start: int, length: int, what: str) -> int | None:
    """Return how many pictures of `length` bytes, with their headers, lie behind byte `start`.

    That all of them are there is not to be seen: none says how many there were. Raises
    RecordMissing (`truncated`) for the last one.
    """
    require(ranges, start + length, f"the first picture of the {what}")
    if ranges.size is None:
        return None
    pictures, more = divmod(ranges.size - start, length)
    if more:
        require(ranges, ranges.size - more + length, f"picture {pictures:,} of the {what}")
    return pictures


def _mib(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a MIB of Merlin: each picture has a header of text."""
    found = _MIB.match(ranges.read(0, 64))
    if found is None:
        raise corrupt("a MIB without its header")
    header, columns, rows, bits = (int(found[n]) for n in (2, 4, 5, 7))
    if not (columns and rows and header >= len(found[0]) and bits in {8, 16, 32, 64}):
        raise corrupt(f"a MIB of {columns} x {rows} pixels of {bits} bits")
    if found[6] == b"R":  # as the chips send it: how many bits a pixel has is not told here
        require(ranges, header + columns * rows // 8, "the first picture of the MIB")
        return FileFacts("MIB", size_x=columns, size_y=rows)
    pictures = _pictures(ranges, 0, header + columns * rows * bits // 8, "MIB")
    return FileFacts(
        "MIB",
        size_x=columns,
        size_y=rows,
        size_t=pictures,
        dtype=f"uint{bits}",
        compression="none",
    )


def _tvips_numbers(head: bytes) -> tuple[int, ...] | None:
    """Return the numbers of a header, or None: only the first file of a series has one."""
    if len(head) < _TVIPS_HEADER:
        return None
    numbers = struct.unpack_from("<15I", head)
    sound = (
        numbers[0] == _TVIPS_HEADER
        and numbers[1] in {1, 2}
        and all(0 < side < _MAX_SIDE for side in numbers[2:4])
        and numbers[4] in {8, 16}
        and 0 < numbers[7] < 64
    )
    return numbers if sound else None


def _tvips(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a TVIPS.

    Its pixel size and magnification are left out: they may be those of a picture or of a pattern.
    """
    head = read_exactly(ranges, 0, _TVIPS_HEADER, "the TVIPS header")
    numbers = _tvips_numbers(head)
    if numbers is None:  # a later file of a series goes on where the one before it stopped
        return FileFacts("TVIPS")
    version, columns, rows, bits = numbers[1:5]
    voltage = positive(numbers[10])
    # Version 1 has no length of the headers of pictures: 12 bytes.
    own = numbers[12] if version == 2 else 12
    length = own + columns * rows * bits // 8
    pictures = _pictures(ranges, _TVIPS_HEADER, length, "TVIPS file")
    return FileFacts(
        "TVIPS",
        size_x=columns,
        size_y=rows,
        size_t=pictures,
        dtype=f"uint{bits}",
        voltage_v=voltage and voltage * 1000,
        compression="none",
    )


def _img(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe an IMG of a streak camera: 64 bytes, notes of so many letters, the picture."""
    head = read_exactly(ranges, 0, 64, "the IMG header")
    notes, columns, rows = struct.unpack_from("<3H", head, 2)
    (kind,) = struct.unpack_from("<H", head, 12)
    dtype, size = _IMG_TYPES.get(kind, ("", 0))
    if not (columns and rows and size):
        raise corrupt(f"an IMG of {columns} x {rows} pixels of kind {kind}")
    proof = whole(ranges, 64 + notes + columns * rows * size, f"an IMG of {columns} x {rows}")
    return FileFacts(
        "Hamamatsu IMG",
        size_x=columns,
        size_y=rows,
        dtype=dtype,
        compression="none",
        proof=Proof(proof.checked),  # the scales of the axes may follow
    )


CAMERA_MOVIES = (
    FileFormat("MIB", (".mib",), lambda head: _MIB.match(head) is not None, _mib),
    FileFormat(
        "TVIPS",
        (".tvips",),
        recognizes=by_name_only,
        plausible=lambda head: _tvips_numbers(head) is not None,
        describe=_tvips,
    ),
    FileFormat(
        "Hamamatsu IMG",
        (".img",),
        recognizes=by_name_only,
        plausible=lambda head: head[:2] == b"IM" and head[64:65] == b"[",
        describe=_img,
    ),
)

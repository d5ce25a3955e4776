"""ETS of Olympus cellSens: the tiles of a VSI, in the folder beside it, and a table of them.

Source: files of cellSens; bioio-vsi (BSD) reads them so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack, whole

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC, _INNER = b"SIS\0", b"ETS\0"
_MAIN = struct.Struct("<4s3IQ2IQI")
_SIDES_AT = 184  # of the inner header: how many numbers, then width and height
_MAX_AXES, _MAX_TILES = 32, 2_000_000
_PIECE = 1 << 20
_TYPES = {1: "int8", 2: "uint8", 3: "int16", 4: "uint16", 5: "int32", 6: "uint32", 9: "float32"}
_COMPRESSIONS = {0: "none", 2: "jpeg", 3: "jpeg2000", 5: "jpeg", 8: "png", 9: "bmp"}


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    _, _, _, axes, inner, length, _, table, tiles = _MAIN.unpack(
        read_exactly(ranges, 0, _MAIN.size, "the ETS header")
    )
    if not 2 <= axes <= _MAX_AXES or tiles > _MAX_TILES:
        raise corrupt(f"an ETS of {tiles:,} tiles along {axes} axes")
    magic, _, kind, samples, _, packed = unpack(ranges, inner, "<4s5I", "the inner ETS header")
    if magic != _INNER:
        raise corrupt("an ETS whose inner header is not where it should be")
    width = height = 0
    if length >= _SIDES_AT + 12:
        count, width, height = unpack(ranges, inner + _SIDES_AT, "<3I", "the inner ETS header")
        width, height = (width, height) if count >= 2 else (0, 0)
    record = struct.Struct(f"<{4 + 4 * axes}xQI4x")
    proof = Proof(whole(ranges, table + tiles * record.size, "the table of the ETS").checked)
    if options.walk:
        _check_tiles(ranges, table, tiles, record)
    return FileFacts(
        "ETS",
        size_x=width or None,
        size_y=height or None,
        size_c=samples if 1 < samples <= 4 else None,
        dtype=_TYPES.get(kind),
        compression=_COMPRESSIONS.get(packed),
        extra={"tiles": tiles},
        proof=proof if options.walk else Proof(Checked.HEADER),
    )


def _check_tiles(ranges: CachedRanges, table: int, tiles: int, record: struct.Struct) -> None:
    """Raise RecordMissing (`truncated`) for a tile that reaches behind the end of the file."""
    step = _PIECE // record.size
    end = 0
    for first in range(0, tiles, step):
        length = min(step, tiles - first) * record.size
        data = ranges.ranges.read(table + first * record.size, length)
        end = max(end, max((at + size for at, size in record.iter_unpack(data)), default=0))
    require(ranges, end, "a tile of the ETS")


ETS = FileFormat("ETS", (".ets",), lambda head: head.startswith(_MAGIC), _describe)

"""IMAGIC: the header file (.hed) of a stack, 256 numbers each; a .img beside it has the pixels.

Source: the description of the header by Image Science; EMAN2 reads it so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import corrupt, read_exactly, whole

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_RECORD = 1024
_TYPES = {b"PACK": "uint8", b"INTG": "int16", b"REAL": "float32", b"COMP": "complex64"}
_TYPES |= {name[::-1]: dtype for name, dtype in _TYPES.items()}


def _is_imagic(head: bytes) -> bool:
    return head[56:60] in _TYPES


def _describe(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    head = read_exactly(ranges, 0, _RECORD, "the first record of the IMAGIC header")
    for order in "<>":
        number, following = struct.unpack_from(order + "2i", head)
        rows, columns = struct.unpack_from(order + "2i", head, 48)
        if (
            0 < rows < 1 << 20
            and 0 < columns < 1 << 20
            and number == 1
            and 0 <= following < 1 << 28
        ):
            pictures = following + 1
            return FileFacts(
                format="IMAGIC",
                size_x=columns,
                size_y=rows,
                size_z=pictures,
                dtype=_TYPES[head[56:60]],
                proof=whole(ranges, pictures * _RECORD, f"the header of {pictures:,} pictures"),
            )
    raise corrupt("an IMAGIC header whose numbers are none")


IMAGIC = FileFormat(
    "IMAGIC", (".hed",), recognizes=_is_imagic, plausible=_is_imagic, describe=_describe
)

"""The values of small datasets and of text in an HDF5 file: what stands beside a picture.

A dataset is read where its values lie in one piece and as they are: contiguous, compact, or in its
first chunk without filters. Source: the HDF5 File Format Specification 3.0, III.A.1, III.E, IV.A.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.formats.hdf5_objects import (
    DATATYPE,
    FILTERS,
    NOWHERE,
    Hdf5Object,
    numbers_of,
    type_of,
)
from imgcrawl.microscopy.proof import read_exactly

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

_LAYOUT = 8
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_MAX_NODES = 20
_WHAT = "values in the HDF5 file"


def read_bytes(ranges: ByteRanges, item: Hdf5Object, most: int) -> bytes:
    """Return the first `most` bytes of a dataset, or b"" where they are not in one piece.

    Raises RecordMissing for a place behind the end.
    """
    layout = item.first(_LAYOUT) or b""
    if len(layout) < 4 or layout[0] not in {3, 4}:
        return b""
    if layout[1] == _COMPACT:
        return layout[4 : 4 + min(most, int.from_bytes(layout[2:4], "little"))]
    if layout[1] == _CONTIGUOUS and len(layout) >= 18:
        place, length = struct.unpack_from("<2Q", layout, 2)
        if place == NOWHERE:
            return b""
        return read_exactly(ranges, place, min(most, length), _WHAT)
    if layout[0] == 3 and layout[1] == _CHUNKED and len(layout) >= 11 and not item.first(FILTERS):
        return _first_chunk(ranges, int.from_bytes(layout[3:11], "little"), layout[2], most)
    return b""


def _first_chunk(ranges: ByteRanges, node: int, dimensions: int, most: int) -> bytes:
    """Return the beginning of the chunk at the origin, by the tree of the chunks.

    dimensions: those of the dataset, and one of its elements
    """
    key = 8 + 8 * dimensions
    for _ in range(_MAX_NODES):
        if node == NOWHERE:
            return b""
        head = read_exactly(ranges, node, 24 + key + 8, _WHAT)
        if head[:4] != b"TREE" or head[4] != 1 or any(head[24 + 8 : 24 + key]):
            return b""
        child = int.from_bytes(head[24 + key : 32 + key], "little")
        if not head[5]:
            length = int.from_bytes(head[24:28], "little")
            return read_exactly(ranges, child, min(most, length), _WHAT)
        node = child
    return b""


def read_numbers(ranges: ByteRanges, item: Hdf5Object, most: int) -> tuple[float, ...]:
    """Return the first numbers of a dataset, at most so many."""
    kind = item.first(DATATYPE) or b""
    return numbers_of(kind, read_bytes(ranges, item, most * type_of(kind)[1]))

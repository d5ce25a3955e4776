"""Whether the pixels of a page of a TIFF are all there, without a decoder.

What a tag says of their length may be too large: then their number tells, or the end of a strip.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.pictures.tiff_directory import (
    BITS,
    COMPRESSION,
    DEPTH,
    HEIGHT,
    PLANAR,
    ROWS,
    SAMPLES,
    STRIPS,
    TILE_LENGTH,
    TILE_WIDTH,
    TILES,
    WIDTH,
    TiffArray,
    TiffDirectory,
    array_values,
    tag_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.pictures.tiff_directory import Read

_PIECE = 8192  # values of an array that are held at a time
_MAX_STRIP = 64 << 20
_DEFLATE, _JPEG = {8, 32946, 50013}, {6, 7}


def pixel_reach(
    read: Read, size: int, directory: TiffDirectory, *, trusts_counts: bool
) -> tuple[int, str]:
    """Return how far the pixels of a directory reach, and what is odd about where they are said to.

    The numbers of bytes may be too large, though every pixel is there: then the picture tells.
    trusts_counts: whether what cannot be told from the pixels is believed; LSM has too large ones
    """
    reach = needed = 0
    for tags in (STRIPS, TILES):
        starts, lengths = (directory.arrays.get(tag) for tag in tags)
        if starts is None or starts.end > size:
            continue
        if lengths is not None and lengths.end > size:
            return lengths.end, ""
        said = max(map(sum, _pairs(read, starts, lengths)), default=0)
        reach = max(reach, said)
        if said > size or lengths is None:
            found = _needed(read, size, directory, starts, lengths)
            begins = max((start for start, _ in _pairs(read, starts, None)), default=0)
            found = size if found > size and not trusts_counts and begins < size else found
            needed = max(needed, found)
    if reach > size >= needed > 0:
        return needed, f"its pixels are said to reach to byte {reach:,} of {size:,}, and do not"
    return max(reach, needed), ""


def _pairs(read: Read, starts: TiffArray, lengths: TiffArray | None) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each strip or tile, a few thousand in memory at a time."""
    for first in range(0, starts.count, _PIECE):
        count = min(_PIECE, starts.count - first)
        columns = [
            array_values(read, array, first, count) if array else [0] * count
            for array in (starts, lengths)
        ]
        yield from zip(*columns, strict=False)


def _needed(
    read: Read, size: int, directory: TiffDirectory, starts: TiffArray, lengths: TiffArray | None
) -> int:
    """Return how far the pixels of a directory really reach; behind the end where that is unknown.

    Of uncompressed pixels their number tells; of deflated ones and JPEG, the end within them.
    """
    compression = tag_number(read, directory, COMPRESSION, 1)
    pieces = _Pieces.of(read, directory)
    end = 0
    for index, (start, length) in enumerate(_pairs(read, starts, lengths)):
        if compression == 1:
            end = max(end, start + pieces.length(index))
        elif start + length <= size and lengths is not None:
            end = max(end, start + length)
        elif start < size and _ends(read(start, min(size - start, _MAX_STRIP)), compression):
            end = size
        else:
            return size + 1
    return end


def _ends(data: bytes, compression: int) -> bool:
    """Return whether a compressed strip has its own end within the bytes that are there."""
    if compression in _DEFLATE:
        decoder = zlib.decompressobj()
        try:
            while data and not decoder.eof:
                decoder.decompress(data, _MAX_STRIP)
                data = decoder.unconsumed_tail
        except zlib.error:
            return False
        return decoder.eof
    return compression in _JPEG and data.rstrip(b"\0").endswith(b"\xff\xd9")


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The strips or tiles of a page without compression: pixels, and bits of each."""

    width: int
    rows: int  # of one piece
    height: int  # of the page; 0: each piece is as high as the others, as tiles are
    bits: int

    @classmethod
    def of(cls, read: Read, directory: TiffDirectory) -> _Pieces:
        def number(tag: int, default: int) -> int:
            return tag_number(read, directory, tag, default)

        samples = number(SAMPLES, 1) if number(PLANAR, 1) == 1 else 1
        bits = number(BITS, 1) * samples
        if TILE_WIDTH in directory.arrays:
            return cls(number(TILE_WIDTH, 0), number(TILE_LENGTH, 0), 0, bits)
        height = number(HEIGHT, 0) * number(DEPTH, 1)
        return cls(number(WIDTH, 0), min(number(ROWS, height) or height, height), height, bits)

    def length(self, index: int) -> int:
        """Return the bytes of the piece of this index."""
        rows = self.rows
        if self.height and rows:
            a_plane = -(-self.height // rows)
            rows = min(rows, self.height - index % a_plane * rows)
        return rows * ((self.width * self.bits + 7) // 8)

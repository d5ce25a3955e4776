"""The pages of a TIFF: how many there are, and whether the pixels of each lie within the file.

Every number in such a file may be a lie: nothing here follows a pointer out of the file, walks a
loop twice, or goes on without end. Source: TIFF 6.0 section 2, and the BigTIFF design of libtiff.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgcrawl.pictures.source import Data

    Read: TypeAlias = Callable[[int, int], bytes]  # offset, length; fewer bytes only at the end

MAX_PAGES = 100_000
# A link to a page behind the end is rubbish if the file is otherwise used up to so many bytes
# before its end; bytes of no page there are the pixels of one that was cut off.
_PADDING = 16
_PIECE = 8192  # values of an array that are held at a time
_MAX_STRIP = 64 << 20

_MAX_BELOW = 100  # smaller levels of a page
_MAX_REMARKS = 3

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_ROWS, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _DEPTH = 278, 284, 322, 323, 32997
_STRIPS, _TILES = (273, 279), (324, 325)  # where they lie, how long they are
_TABLES = 347  # of JPEG
_BELOW, _LSM = 330, 34412
_NEEDED = frozenset({*_STRIPS, *_TILES, _TABLES})
_WANTED = _NEEDED | {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _PLANAR}
_WANTED |= {_TILE_WIDTH, _TILE_LENGTH, _DEPTH, _BELOW, _LSM}
_CODES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}  # by type, for struct
_LENGTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_LENGTHS |= {16: 8, 17: 8, 18: 8}
_DEFLATE, _JPEG = {8, 32946, 50013}, {6, 7}


@dataclass(frozen=True, slots=True)
class TiffPages:
    """The pages of a TIFF.

    count:   those that are there
    problem: what is missing of the file, in words
    suspect: what is odd, though readers open it
    counted: whether the chain of pages was followed to its end
    """

    count: int
    problem: str = ""
    suspect: str = ""
    counted: bool = True

    @property
    def complete(self) -> bool:
        """Whether directories and pixels all lie within the file."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class _Layout:
    """The widths and the byte order of the numbers of one file."""

    order: str
    long: struct.Struct  # an offset
    first: int  # where the offset of the first directory is
    count: struct.Struct  # number of entries, at the start of a directory
    entry: struct.Struct  # tag, type, number of values; after it the values or their offset

    @property
    def stride(self) -> int:
        """The distance from one entry to the next in bytes."""
        return self.entry.size + self.long.size


def _layout(order: str, big: bool) -> _Layout:
    entry_count, long = ("Q", "Q") if big else ("H", "I")
    return _Layout(
        order=order,
        long=struct.Struct(order + long),
        first=8 if big else 4,
        count=struct.Struct(order + entry_count),
        entry=struct.Struct(order + "HH" + long),
    )


_LAYOUTS = {
    b"II*\0": _layout("<", big=False),
    b"MM\0*": _layout(">", big=False),
    b"II+\0": _layout("<", big=True),
    b"MM\0+": _layout(">", big=True),
}


@dataclass(slots=True)
class _Array:
    """The values of one tag that lie somewhere in the file."""

    place: int
    code: struct.Struct
    count: int

    @property
    def end(self) -> int:
        return self.place + self.count * self.code.size


@dataclass(slots=True)
class _Directory:
    """What one directory says of its pixels.

    end:  of the directory, and of the arrays that are needed for its pixels
    used: of all values that lie within the file
    link: the offset of the next directory
    remark: what is odd about its other values
    """

    end: int
    used: int = 0
    link: int = 0
    remark: str = ""
    numbers: dict[int, int] = field(default_factory=dict)
    arrays: dict[int, _Array] = field(default_factory=dict)


def pages(data: Data) -> TiffPages:
    """Walk the pages of a TIFF in memory."""
    return walk_pages(lambda offset, length: data[offset : offset + length], len(data))


def walk_pages(read: Read, size: int, most: int = MAX_PAGES) -> TiffPages:
    """Walk the pages of a TIFF or BigTIFF of `size` bytes; a chain that bites its tail ends there.

    most: pages; behind them the file is not looked at
    """
    layout = _LAYOUTS.get(read(0, 4))
    if layout is None or size < layout.first + layout.long.size:
        return TiffPages(0, "the TIFF stops within its header")
    (offset,) = layout.long.unpack(read(layout.first, layout.long.size))
    seen: set[int] = set()
    remarks: list[str] = []
    used = work = 0
    is_lsm = False
    # Directories that share their bytes could be read without end: together they are no longer
    # than the file, or the chain is a trap and what was counted is enough.
    while offset and offset not in seen and work <= size:
        name = f"page {len(seen)}"
        if len(seen) >= most:
            return TiffPages(len(seen), suspect="; ".join(remarks), counted=False)
        if offset + layout.count.size > size:
            words = f"{name} lies behind the end, at byte {offset:,} of {size:,}"
            if not seen or size - used > _PADDING:
                return TiffPages(len(seen), words)
            remarks.append(words)
            break
        directory = _directory(read, size, layout, offset)
        below = _below(read, size, layout, directory) if most > 1 else []
        for each in (directory, *below):
            is_lsm = is_lsm or _LSM in each.arrays
            reach, odd = _reach(read, size, each, trusts_counts=not is_lsm)
            if max(reach, each.end) > size:
                words = f"{name} reaches to byte {max(reach, each.end):,} of {size:,}"
                return TiffPages(len(seen), words)
            if each is directory and not any(tags[0] in each.arrays for tags in (_STRIPS, _TILES)):
                odd = "it has no pixels"
            if (odd := odd or each.remark) and len(remarks) < _MAX_REMARKS:
                remarks.append(f"{name}: {odd}")
            used = max(used, reach, each.used)
            lengths = (array.count * array.code.size for array in each.arrays.values())
            work += sum(length for length in lengths if length > layout.long.size)
        work += directory.end - offset
        seen.add(offset)
        offset = directory.link
    return TiffPages(len(seen), suspect="; ".join(remarks))


def _directory(read: Read, size: int, layout: _Layout, offset: int) -> _Directory:
    """Read a directory that begins within the file; `end` lies behind that if it is cut."""
    start = offset + layout.count.size
    raw = read(offset, layout.count.size)
    if len(raw) < layout.count.size:
        return _Directory(end=start)
    (entries,) = layout.count.unpack(raw)
    end = start + entries * layout.stride + layout.long.size
    found = _Directory(end=end, used=end)
    if end > size:
        return found
    body = read(start, end - start)
    (found.link,) = layout.long.unpack_from(body, len(body) - layout.long.size)
    for at in range(0, entries * layout.stride, layout.stride):
        tag, kind, count = layout.entry.unpack_from(body, at)
        length = count * _LENGTHS.get(kind, 1)
        place = start + at + layout.entry.size
        if length > layout.long.size:
            (place,) = layout.long.unpack_from(body, at + layout.entry.size)
            if place + length <= size:
                found.used = max(found.used, place + length)
            else:
                found.remark = f"the value of tag {tag} lies behind the end"
        if tag not in _WANTED or kind not in _CODES or tag in found.arrays or not count:
            continue
        array = _Array(place, struct.Struct(layout.order + _CODES[kind]), count)
        found.arrays[tag] = array
        if tag in _NEEDED:
            found.end = max(found.end, array.end)
    return found


def _below(read: Read, size: int, layout: _Layout, directory: _Directory) -> list[_Directory]:
    """Return the directories of the smaller levels of a page, or of what else hangs below it."""
    places = directory.arrays.get(_BELOW)
    if places is None or places.end > size:
        return []
    offsets = (
        n
        for (n,) in places.code.iter_unpack(
            read(places.place, min(places.end - places.place, _MAX_BELOW * places.code.size))
        )
    )
    return [
        _directory(read, size, layout, n) if n + layout.count.size <= size else _Directory(n)
        for n in offsets
    ]


def _reach(read: Read, size: int, directory: _Directory, *, trusts_counts: bool) -> tuple[int, str]:
    """Return how far the pixels of a directory reach, and what is odd about where they are said to.

    The numbers of bytes may be too large, though every pixel is there: then the picture tells.
    trusts_counts: whether what cannot be told from the pixels is believed; LSM has too large ones
    """
    reach = needed = 0
    for tags in (_STRIPS, _TILES):
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


def _pairs(read: Read, starts: _Array, lengths: _Array | None) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each strip or tile, a few thousand in memory at a time."""
    for first in range(0, starts.count, _PIECE):
        count = min(_PIECE, starts.count - first)
        columns = [
            _values(read, array, first, count) if array else [0] * count
            for array in (starts, lengths)
        ]
        yield from zip(*columns, strict=False)


def _values(read: Read, array: _Array, first: int, count: int) -> list[int]:
    count = min(count, array.count - first)
    data = read(array.place + first * array.code.size, count * array.code.size)
    whole = len(data) - len(data) % array.code.size
    return [value for (value,) in array.code.iter_unpack(data[:whole])]


def _number(read: Read, directory: _Directory, tag: int, default: int) -> int:
    array = directory.arrays.get(tag)
    found = _values(read, array, 0, 1) if array else []
    return found[0] if found else default


def _needed(
    read: Read, size: int, directory: _Directory, starts: _Array, lengths: _Array | None
) -> int:
    """Return how far the pixels of a directory really reach; behind the end where that is unknown.

    Of uncompressed pixels their number tells; of deflated ones and JPEG, the end within them.
    """
    compression = _number(read, directory, _COMPRESSION, 1)
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
    def of(cls, read: Read, directory: _Directory) -> _Pieces:
        def number(tag: int, default: int) -> int:
            return _number(read, directory, tag, default)

        samples = number(_SAMPLES, 1) if number(_PLANAR, 1) == 1 else 1
        bits = number(_BITS, 1) * samples
        if _TILE_WIDTH in directory.arrays:
            return cls(number(_TILE_WIDTH, 0), number(_TILE_LENGTH, 0), 0, bits)
        height = number(_HEIGHT, 0) * number(_DEPTH, 1)
        return cls(number(_WIDTH, 0), min(number(_ROWS, height) or height, height), height, bits)

    def length(self, index: int) -> int:
        """Return the bytes of the piece of this index."""
        rows = self.rows
        if self.height and rows:
            a_plane = -(-self.height // rows)
            rows = min(rows, self.height - index % a_plane * rows)
        return rows * ((self.width * self.bits + 7) // 8)

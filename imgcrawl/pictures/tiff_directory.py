"""One directory of a TIFF: the tags of a page that say where its pixels are.

Every number in it may be a lie: what it points to is measured against the length of the file.
Source: TIFF 6.0 section 2, and the BigTIFF design of libtiff.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    Read: TypeAlias = Callable[[int, int], bytes]  # offset, length; fewer bytes only at the end

WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES = 256, 257, 258, 259, 277
ROWS, PLANAR, TILE_WIDTH, TILE_LENGTH, DEPTH = 278, 284, 322, 323, 32997
STRIPS, TILES = (273, 279), (324, 325)  # where they lie, how long they are
_TABLES = 347  # of JPEG
_BELOW, LSM = 330, 34412
_NEEDED = frozenset({*STRIPS, *TILES, _TABLES})
_WANTED = _NEEDED | {WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES, ROWS, PLANAR}
_WANTED |= {TILE_WIDTH, TILE_LENGTH, DEPTH, _BELOW, LSM}
_CODES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}  # by type, for struct
_LENGTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_LENGTHS |= {16: 8, 17: 8, 18: 8}
_MAX_BELOW = 100  # smaller levels of a page


@dataclass(frozen=True, slots=True)
class TiffLayout:
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


def _layout(order: str, big: bool) -> TiffLayout:
    entry_count, long = ("Q", "Q") if big else ("H", "I")
    return TiffLayout(
        order=order,
        long=struct.Struct(order + long),
        first=8 if big else 4,
        count=struct.Struct(order + entry_count),
        entry=struct.Struct(order + "HH" + long),
    )


LAYOUTS = {
    b"II*\0": _layout("<", big=False),
    b"MM\0*": _layout(">", big=False),
    b"II+\0": _layout("<", big=True),
    b"MM\0+": _layout(">", big=True),
}


@dataclass(slots=True)
class TiffArray:
    """The values of one tag that lie somewhere in the file."""

    place: int
    code: struct.Struct
    count: int

    @property
    def end(self) -> int:
        """The byte behind the last value."""
        return self.place + self.count * self.code.size


@dataclass(slots=True)
class TiffDirectory:
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
    arrays: dict[int, TiffArray] = field(default_factory=dict)


def read_directory(read: Read, size: int, layout: TiffLayout, offset: int) -> TiffDirectory:
    """Read a directory that begins within the file; `end` lies behind that if it is cut."""
    start = offset + layout.count.size
    raw = read(offset, layout.count.size)
    if len(raw) < layout.count.size:
        return TiffDirectory(end=start)
    (entries,) = layout.count.unpack(raw)
    end = start + entries * layout.stride + layout.long.size
    found = TiffDirectory(end=end, used=end)
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
        array = TiffArray(place, struct.Struct(layout.order + _CODES[kind]), count)
        found.arrays[tag] = array
        if tag in _NEEDED:
            found.end = max(found.end, array.end)
    return found


def directories_below(
    read: Read, size: int, layout: TiffLayout, directory: TiffDirectory
) -> list[TiffDirectory]:
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
        read_directory(read, size, layout, n) if n + layout.count.size <= size else TiffDirectory(n)
        for n in offsets
    ]


def array_values(read: Read, array: TiffArray, first: int, count: int) -> list[int]:
    """Return so many values of an array from index `first` on, fewer at its end."""
    count = min(count, array.count - first)
    data = read(array.place + first * array.code.size, count * array.code.size)
    whole = len(data) - len(data) % array.code.size
    return [value for (value,) in array.code.iter_unpack(data[:whole])]


def tag_number(read: Read, directory: TiffDirectory, tag: int, default: int) -> int:
    """Return the first value of a tag, or the default without one."""
    array = directory.arrays.get(tag)
    found = array_values(read, array, 0, 1) if array else []
    return found[0] if found else default

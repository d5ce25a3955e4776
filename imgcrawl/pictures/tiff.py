"""The two things read from TIFF structures without a decoder: EXIF orientation, and pages.

Every number in such a file may be a lie: nothing here follows a pointer out of the file, walks a
loop twice, or goes on without end. Source: TIFF 6.0 section 2, and the BigTIFF design of libtiff.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.pictures.source import Data

MAX_PAGES = 100_000
_ORIENTATION = 0x0112
_MAX_EXIF_ENTRIES = 1000  # IFD0 of a camera has about a dozen

# Tags of where pixels lie (strips, tiles) and how long they are, and the JPEG tables.
_PIXELS = ((273, 279), (324, 325))
_TABLES = 347
_NEEDED = frozenset({273, 279, 324, 325, _TABLES})
_CODES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}  # by type, for struct


@dataclass(frozen=True, slots=True)
class TiffPages:
    """How many pages a TIFF has, and whether directories and pixels all lie within the file."""

    count: int
    complete: bool


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


def pages(data: Data) -> TiffPages:
    """Count the pages of a TIFF or BigTIFF; a chain that bites its tail ends there."""
    layout = _LAYOUTS.get(data[:4])
    if layout is None or len(data) < layout.first + layout.long.size:
        return TiffPages(0, complete=False)
    (offset,) = layout.long.unpack_from(data, layout.first)
    seen: set[int] = set()
    read = 0
    # Directories that share their bytes could be read without end: together they are no longer than
    # the file, or the chain is a trap and what was counted is enough.
    while offset and offset not in seen and len(seen) < MAX_PAGES and read <= len(data):
        start = offset + layout.count.size
        if start > len(data):
            return TiffPages(len(seen), complete=False)
        (entries,) = layout.count.unpack_from(data, offset)
        link = start + entries * layout.stride
        if link + layout.long.size > len(data):
            return TiffPages(len(seen), complete=False)
        seen.add(offset)
        end, values = _reach(data, layout, range(start, link, layout.stride))
        if end > len(data):
            return TiffPages(len(seen), complete=False)
        read += link - offset + values
        (offset,) = layout.long.unpack_from(data, link)
    return TiffPages(len(seen), complete=True)


def _reach(data: Data, layout: _Layout, entries: range) -> tuple[int, int]:
    """Return how far the pixels of one directory reach, and how many bytes outside of it say so."""
    arrays: dict[int, Iterator[tuple[int, ...]]] = {}
    end = read = 0
    for at in entries:
        tag, kind, count = layout.entry.unpack_from(data, at)
        if tag not in _NEEDED or kind not in _CODES or tag in arrays:
            continue
        item = struct.Struct(layout.order + _CODES[kind])
        place, length = at + layout.entry.size, count * item.size
        if length > layout.long.size:
            (place,) = layout.long.unpack_from(data, place)
            read += length
        end = max(end, place + length)
        if end > len(data):
            return end, read
        arrays[tag] = item.iter_unpack(data[place : place + length])
    for starts, lengths in _PIXELS:
        pairs = zip(arrays.get(starts, ()), arrays.get(lengths, ()), strict=False)
        end = max(end, max((start + length for (start,), (length,) in pairs), default=0))
    return end, read


def orientation(exif: bytes) -> int | None:
    """Return the orientation (1 to 8) in a block of EXIF, or None without one.

    exif: the TIFF structure itself, with or without the six bytes "Exif" before it
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(order + "H", exif, start)
    room = (len(exif) - start - 2) // 12
    for index in range(min(count, room, _MAX_EXIF_ENTRIES)):
        tag, kind = struct.unpack_from(order + "HH", exif, start + 2 + 12 * index)
        if tag == _ORIENTATION:
            # A short by the standard; some cameras write a long.
            code = {3: "H", 4: "I"}.get(kind)
            if code is None:
                return None
            (value,) = struct.unpack_from(order + code, exif, start + 10 + 12 * index)
            return value if 1 <= value <= 8 else None
    return None

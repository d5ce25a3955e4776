"""The chain of directories of a TIFF, followed by short reads: one link after the other."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

MAX_PAGES = 100_000


def _layout(head: bytes) -> tuple[str, bool]:
    return ("<" if head[:2] == b"II" else ">", head[2:4] in {b"+\0", b"\0+"})


def starts_beyond(head: bytes, size: int | None) -> bool:
    """Return whether the first directory lies behind the end, as in a file whose end is missing."""
    order, big = _layout(head)
    place = head[8:16] if big else head[4:8]
    if len(place) < (8 if big else 4):
        return True
    (offset,) = struct.unpack(order + ("Q" if big else "I"), place)
    return size is not None and offset + 2 > size


def count_pages(ranges: ByteRanges, head: bytes, most: int) -> int | None:
    """Follow the chain of directories, a loop only once; None if it is longer than `most`."""
    order, big = _layout(head)
    long = struct.Struct(order + ("Q" if big else "I"))
    entries = struct.Struct(order + ("Q" if big else "H"))
    (offset,) = long.unpack_from(head, 8 if big else 4)
    seen: set[int] = set()
    while offset and offset not in seen:
        if len(seen) >= most:
            return None
        raw = ranges.read(offset, entries.size)
        if len(raw) < entries.size:
            raise RecordMissing(Outcome.TRUNCATED, f"page {len(seen)} lies behind the end")
        (count,) = entries.unpack(raw)
        link = ranges.read(offset + entries.size + count * (20 if big else 12), long.size)
        if len(link) < long.size:
            raise RecordMissing(Outcome.TRUNCATED, f"page {len(seen)} reaches behind the end")
        seen.add(offset)
        (offset,) = long.unpack(link)
    return len(seen)

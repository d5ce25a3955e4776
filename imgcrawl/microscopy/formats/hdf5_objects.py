"""The objects of an HDF5 file: headers of groups and datasets, and the messages in them.

Only what names, shapes, types and small attributes need is read, by a few short reads each: no
pixels, no filters. What is of a kind that is not known here is passed over. Source: the HDF5 File
Format Specification 3.0, sections III and IV.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.microscopy.proof import read_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgcrawl.microscopy.ranges import ByteRanges

DATASPACE, LINK_INFO, DATATYPE, LINK, FILTERS, ATTRIBUTE, CONTINUATION, SYMBOLS = (
    1,
    2,
    3,
    6,
    11,
    12,
    16,
    17,
)
_MAX_MESSAGES = 2000
_MAX_HEADER = 1 << 20
_MAX_NODES, _MAX_USED = 1000, 1000
_MAX_TEXT, _MAX_HEAP = 256, 64 << 10
_COMPOUND, _VARIABLE = 6, 9  # classes of types
_COMPLEX = re.compile(rb"real|imag|(?<![a-z])[ri]\0", re.IGNORECASE)
_WHAT = "an object of the HDF5 file"
NOWHERE = (1 << 64) - 1


@dataclass(slots=True)
class Hdf5Object:
    """One object: its messages by kind, in order."""

    messages: dict[int, list[bytes]] = field(default_factory=dict)

    def first(self, kind: int) -> bytes | None:
        """Return the first message of a kind, or None."""
        return next(iter(self.messages.get(kind, ())), None)

    @property
    def in_heap(self) -> bool:
        """Whether a group keeps its members in a heap, which is not read here."""
        info = self.first(LINK_INFO) or b""
        at = 10 if len(info) > 1 and info[1] & 1 else 2
        return len(info) >= at + 8 and int.from_bytes(info[at : at + 8], "little") != NOWHERE

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The dimensions of a dataset, slowest first; None if it has none."""
        return shape_of(self.first(DATASPACE) or b"")


def read_object(ranges: ByteRanges, place: int) -> Hdf5Object:
    """Return the object whose header lies at a byte. Raises RecordMissing."""
    found = Hdf5Object()
    head = read_exactly(ranges, place, 16, _WHAT)
    if head[:4] == b"OHDR":
        pieces = _second_version(ranges, place, head)
    elif head[0] == 1:
        pieces = _first_version(ranges, place + 16, int.from_bytes(head[8:12], "little"))
    else:
        return found
    for count, (kind, data) in enumerate(pieces):
        if count >= _MAX_MESSAGES:
            break
        found.messages.setdefault(kind, []).append(data)
    return found


def _blocks(ranges: ByteRanges, pending: list[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the blocks of a header that lie at (place, length), until too much has been read.

    What is read of one may add others.
    """
    left = _MAX_HEADER
    while pending:
        at, size = pending.pop(0)
        left -= size
        if left < 0:
            return
        yield read_exactly(ranges, at, size, _WHAT)


def _first_version(ranges: ByteRanges, start: int, length: int) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of a header of version 1, which begin at multiples of eight bytes."""
    pending = [(start, length)]
    for block in _blocks(ranges, pending):
        place = 0
        while place + 8 <= len(block):
            kind, size = struct.unpack_from("<2H", block, place)
            data = block[place + 8 : place + 8 + size]
            if kind == CONTINUATION and len(data) >= 16:
                pending.append(struct.unpack_from("<2Q", data))
            else:
                yield kind, data
            place += 8 + size


def _second_version(ranges: ByteRanges, place: int, head: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of a header of version 2, each block of which ends with a checksum."""
    flags = head[5]
    at = place + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(read_exactly(ranges, at, width, _WHAT), "little")
    pending = [(at + width, size)]
    skipped = 4 + (2 if flags & 4 else 0)
    for block in _blocks(ranges, pending):
        place = 0
        while place + skipped <= len(block):
            kind, size = block[place], int.from_bytes(block[place + 1 : place + 3], "little")
            data = block[place + skipped : place + skipped + size]
            if kind == CONTINUATION and len(data) >= 16:
                where, length = struct.unpack_from("<2Q", data)
                pending.append((where + 4, max(0, length - 8)))
            else:
                yield kind, data
            place += skipped + size


def shape_of(message: bytes) -> tuple[int, ...] | None:
    """Return the dimensions that a dataspace gives; () of a single value, None of none."""
    if len(message) < 4 or message[0] not in {1, 2}:
        return None
    rank, start = message[1], 8 if message[0] == 1 else 4
    if message[0] == 2 and message[3] == 2:
        return None
    if rank > 32 or len(message) < start + 8 * rank:
        return None
    return struct.unpack_from(f"<{rank}Q", message, start)


def type_of(message: bytes) -> tuple[str | None, int]:
    """Return numpy's name of a type, and its length in bytes; None for what is no number."""
    if len(message) < 8:
        return None, 0
    kind, bits = message[0] & 15, message[1]
    size = int.from_bytes(message[4:8], "little")
    if kind == _COMPOUND and bits == 2 and size in {8, 16} and _COMPLEX.search(message):
        return f"complex{8 * size}", size
    if kind == 0 and size in {1, 2, 4, 8}:
        return f"{'int' if bits & 8 else 'uint'}{8 * size}", size
    if kind == 1 and size in {2, 4, 8}:
        return f"float{8 * size}", size
    return ("S" if kind == 3 else None), size


def links(ranges: ByteRanges, group: Hdf5Object) -> Iterator[tuple[str, int]]:
    """Yield name and place of each object in a group, however the group keeps them.

    Groups of the newer kind with more than a few members keep them in a heap, which is not read.
    """
    for message in group.messages.get(LINK, ()):
        found = _link(message)
        if found is not None:
            yield found
    symbols = group.first(SYMBOLS)
    if symbols is not None and len(symbols) >= 16:
        tree, heap = struct.unpack_from("<2Q", symbols)
        (names,) = struct.unpack_from("<Q", read_exactly(ranges, heap, 32, _WHAT), 24)
        yield from _symbols(ranges, tree, names)


def _link(message: bytes) -> tuple[str, int] | None:
    """Return what a hard link says; soft ones lead to what is found anyway."""
    if len(message) < 4 or message[0] != 1:
        return None
    flags, at = message[1], 2
    if flags & 8:
        if message[at]:
            return None
        at += 1
    at += (8 if flags & 4 else 0) + (1 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(message[at : at + width], "little")
    at += width
    if at + length + 8 > len(message):
        return None
    name = message[at : at + length].decode("utf-8", "replace")
    return name, int.from_bytes(message[at + length : at + length + 8], "little")


def _symbols(ranges: ByteRanges, tree: int, names: int) -> Iterator[tuple[str, int]]:
    """Yield the entries of a group's B-tree; a node that leads back to another is read once."""
    pending, seen = [tree], {tree}
    while pending and len(seen) < _MAX_NODES:
        place = pending.pop()
        head = read_exactly(ranges, place, 24, _WHAT)
        used = int.from_bytes(head[6:8], "little")
        if head[:4] != b"TREE" or used > _MAX_USED:
            continue
        body = read_exactly(ranges, place + 24, 16 * used, _WHAT)
        children = [struct.unpack_from("<Q", body, 16 * n + 8)[0] for n in range(used)]
        if head[5]:
            fresh = [child for child in children if child not in seen]
            seen.update(fresh)
            pending.extend(reversed(fresh))
            continue
        for child in children:
            yield from _entries(ranges, child, names)


def _entries(ranges: ByteRanges, node: int, names: int) -> Iterator[tuple[str, int]]:
    head = read_exactly(ranges, node, 8, _WHAT)
    count = int.from_bytes(head[6:8], "little")
    if head[:4] != b"SNOD" or count > _MAX_USED:
        return
    entries = read_exactly(ranges, node + 8, 40 * count, _WHAT)
    for number in range(count):
        offset, place = struct.unpack_from("<2Q", entries, 40 * number)
        raw = ranges.read(names + offset, 256).partition(b"\0")[0]
        yield raw.decode("utf-8", "replace"), place


def attributes(
    item: Hdf5Object, ranges: ByteRanges | None = None
) -> dict[str, tuple[float | str, ...]]:
    """Return the small attributes of an object that are numbers or text, by name.

    ranges: of the file, for text of no fixed length, which is kept elsewhere
    """
    found: dict[str, tuple[float | str, ...]] = {}
    for message in item.messages.get(ATTRIBUTE, ()):
        if len(message) < 8 or message[0] not in {1, 2, 3}:
            continue
        sizes = struct.unpack_from("<3H", message, 2)
        at = 9 if message[0] == 3 else 8
        parts = []
        for size in sizes:
            parts.append(message[at : at + size])
            at += -(-size // 8) * 8 if message[0] == 1 else size
        name = parts[0].rstrip(b"\0").decode("utf-8", "replace")
        if ranges is not None and parts[1][:1] and parts[1][0] & 15 == _VARIABLE:
            found[name] = (_text(ranges, message[at : at + 16]),)
        else:
            found[name] = _values(parts[1], shape_of(parts[2]), message[at:])
    return found


def _text(ranges: ByteRanges, reference: bytes) -> str:
    """Return a text of no fixed length: an object of a heap, which begins with its number."""
    if len(reference) < 16:
        return ""
    length, heap, index = struct.unpack("<IQI", reference)
    if not 0 < length <= _MAX_TEXT or heap == NOWHERE:
        return ""
    head = read_exactly(ranges, heap, 16, _WHAT)
    size = min(int.from_bytes(head[8:16], "little"), _MAX_HEAP)
    data = ranges.read(heap, size)
    at = 16
    while head[:4] == b"GCOL" and at + 16 <= len(data):
        number, own = struct.unpack_from("<H6xQ", data, at)
        if number == index:
            raw = data[at + 16 : at + 16 + min(own, length)]
            return raw.decode("utf-8", "replace").strip("\0 ")
        if not number:
            break
        at += 16 + -(-own // 8) * 8
    return ""


def _values(kind: bytes, shape: tuple[int, ...] | None, data: bytes) -> tuple[float | str, ...]:
    dtype, size = type_of(kind)
    count = 1
    for side in shape or ():
        count *= side
    if dtype is None or shape is None or not 0 < count * size <= min(len(data), 4096):
        return ()
    if dtype == "S":
        # Of single letters, as Imaris has it, a word; behind its end a buffer holds anything.
        raw = data[:count] if size == 1 else data[:size].partition(b"\0")[0]
        return (raw.decode("utf-8", "replace").replace("\0", "").strip(),)
    return numbers_of(kind, data[: count * size])


def numbers_of(kind: bytes, data: bytes) -> tuple[float, ...]:
    """Return numbers of a type, as its message describes it; complex ones are left out."""
    dtype, size = type_of(kind)
    if dtype is None or not size:
        return ()
    order, data = ">" if kind[1] & 1 else "<", data[: len(data) // size * size]
    codes = {"int": "bhiq", "uin": "BHIQ", "flo": " efd"}.get(dtype[:3])
    if codes is None:
        return ()
    return struct.unpack(f"{order}{len(data) // size}{codes[size.bit_length() - 1]}", data)

"""Gatan DigitalMicrograph, DM3 and DM4: the tree of tags, without the pixels.

A file is one tree of tags, pixels among them. The walk reads names and small values and passes over
everything long, so that 30 MB cost two or three reads. Every length in it may be a lie.

The header and all lengths are big-endian; the values are in the byte order that the header gives.
Source: the description of the formats by C. Boothroyd (DM3, DM4).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias, Union

from imgcrawl.microscopy.ranges import CachedRanges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

HEADER_BYTES = 16
MAX_TAGS = 100_000
MAX_DEPTH = 64
MAX_VALUE = 4096  # bytes; a longer array is only noted
_MAX_INFO = 2048  # numbers that describe one value: a struct of a thousand fields
_MAX_NAMES = 8 << 20  # bytes of names and values in all
_FAR = 1 << 50

_GROUP, _DATA = 20, 21
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_MARK = b"%%%%"
_CODES = {2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "B", 11: "q", 12: "Q"}
_USHORT = 4  # an array of these is text, in UTF-16


@dataclass(frozen=True, slots=True)
class LazyTag:
    """An array whose elements were not read.

    offset: of its first byte
    count:  elements
    code:   of struct, for one element
    """

    offset: int
    count: int
    code: str

    @property
    def nbytes(self) -> int:
        """The length of the array in bytes."""
        return self.count * struct.calcsize("<" + self.code)


Scalar: TypeAlias = "bool | int | float | str"
Value: TypeAlias = Union[Scalar, "tuple[Value, ...]", LazyTag, "Tags"]
Tags: TypeAlias = dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class DmLayout:
    """The widths and the byte order of the numbers of one file."""

    version: int
    order: str  # of values, for struct
    long: struct.Struct  # a length or count

    @property
    def start(self) -> int:
        """The offset of the tree."""
        return 8 + self.long.size


def group(tags: Tags, name: str) -> Tags:
    """Return the group of this name, empty if there is none."""
    found = tags.get(name)
    return found if isinstance(found, dict) else {}


def at(tags: Tags, *path: str) -> Value | None:
    """Return what lies at a path of names, or None."""
    found: Value | None = tags
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def layout(head: bytes) -> DmLayout | None:
    """Return how a file that begins with `head` is written, or None if it is not DM3 or DM4."""
    if len(head) < HEADER_BYTES:
        return None
    version = int.from_bytes(head[:4], "big")
    if version not in {3, 4}:
        return None
    long = struct.Struct(">I" if version == 3 else ">Q")
    little = int.from_bytes(head[4 + long.size : 8 + long.size], "big")
    return DmLayout(version, "<" if little else ">", long) if little in {0, 1} else None


def read_tags(ranges: ByteRanges) -> tuple[DmLayout, Tags]:
    """Return the layout and the tree of tags; a nameless tag is called by its index: "0", "1".

    Raises RecordMissing (`not_image`, `truncated`, `corrupt`, `too_large`).
    """
    cached = ranges if isinstance(ranges, CachedRanges) else CachedRanges(ranges)
    head = cached.read(0, HEADER_BYTES)
    if not head:
        raise RecordMissing(Outcome.EMPTY, "no bytes at all")
    found = layout(head)
    if found is None:
        cut = len(head) < HEADER_BYTES and head[:3] == b"\0\0\0" and head[3:4] in {b"\3", b"\4"}
        raise RecordMissing(
            *(
                (Outcome.TRUNCATED, "the DM file stops within its header")
                if cut
                else (Outcome.NOT_IMAGE, "no DM3 or DM4 file")
            )
        )
    return found, _TagReader(cached, found).tree()


@dataclass(slots=True)
class _TagGroup:
    tags: Tags
    left: int
    index: int = 0


class _TagReader:
    """Reads the tree in one pass, without recursion."""

    def __init__(self, ranges: ByteRanges, how: DmLayout) -> None:
        self._ranges = ranges
        self._how = how
        self._at = how.start
        self._read = 0
        self._count = 0

    def tree(self) -> Tags:
        root = self._group()
        stack = [root]
        while stack:
            group = stack[-1]
            if group.left == 0:
                stack.pop()
                continue
            group.left -= 1
            kind, name = self._entry(group)
            if kind == _GROUP:
                if len(stack) >= MAX_DEPTH:
                    _corrupt(f"groups more than {MAX_DEPTH} deep")
                child = self._group()
                group.tags.setdefault(name, child.tags)
                stack.append(child)
            else:
                group.tags.setdefault(name, self._value())
        return root.tags

    def _group(self) -> _TagGroup:
        self._take(2)  # whether sorted, whether open: of no use here
        left = self._long()
        if left > MAX_TAGS:
            _corrupt(f"a group of {left:,} tags")
        return _TagGroup({}, left)

    def _entry(self, group: _TagGroup) -> tuple[int, str]:
        self._count += 1
        if self._count > MAX_TAGS:
            _corrupt(f"more than {MAX_TAGS:,} tags")
        kind, length = struct.unpack(">BH", self._take(3))
        if kind not in {_GROUP, _DATA}:
            _corrupt(f"a tag of the unknown kind {kind}")
        name = _text(self._take(length)) if length else str(group.index)
        group.index += 1
        if self._how.version == 4:
            self._long()  # bytes to the next tag, which the walk finds by itself
        return kind, name

    def _value(self) -> Value:
        if self._take(4) != _MARK:
            _corrupt(f"no mark before the value at {self._at - 4:,}")
        length = self._long()
        if not 1 <= length <= _MAX_INFO:
            _corrupt(f"a value described by {length:,} numbers")
        size = self._how.long.size
        raw = self._take(length * size)
        info = struct.unpack(f">{length}{'I' if size == 4 else 'Q'}", raw)
        if info[0] == _STRING and length == 2:
            return self._array("B", info[1], text="utf-8")
        if info[0] == _ARRAY and length >= 3:
            code = _code(info[1:-1])
            return self._array(code, info[-1], text="utf-16" if info[1] == _USHORT else None)
        code = _code(info)
        values = struct.unpack(self._how.order + code, self._take(struct.calcsize("<" + code)))
        return values if info[0] == _STRUCT else values[0]

    def _array(self, code: str, count: int, *, text: str | None) -> Value:
        lazy = LazyTag(self._at, count, code)
        if lazy.nbytes > MAX_VALUE:
            self._pass(lazy.nbytes)
            return lazy
        raw = self._take(lazy.nbytes)
        if text == "utf-8":
            return _text(raw)
        if text == "utf-16":
            order = "le" if self._how.order == "<" else "be"
            return raw.decode(f"utf-16-{order}", "replace").rstrip("\0")
        item = struct.Struct(self._how.order + code)
        if len(code) > 1:
            return tuple(item.iter_unpack(raw))
        return tuple(value for (value,) in item.iter_unpack(raw))

    def _pass(self, length: int) -> None:
        self._at += length
        if self._at > _FAR:
            _corrupt(f"an array of {length:,} bytes")
        size = self._ranges.size
        if size is not None and self._at > size:
            raise RecordMissing(
                Outcome.TRUNCATED, f"an array reaches to byte {self._at:,} of {size:,} bytes"
            )

    def _long(self) -> int:
        (value,) = self._how.long.unpack(self._take(self._how.long.size))
        return int(value)

    def _take(self, length: int) -> bytes:
        self._read += length
        if self._read > _MAX_NAMES:
            raise RecordMissing(Outcome.TOO_LARGE, f"more than {_MAX_NAMES:,} bytes of tags")
        data = self._ranges.read(self._at, length)
        if len(data) < length:
            raise RecordMissing(
                Outcome.TRUNCATED, f"the tags stop at byte {self._at + len(data):,}"
            )
        self._at += length
        return data


def _code(info: tuple[int, ...]) -> str:
    """Return the struct code of a simple type, or of a struct of simple types."""
    types: tuple[int, ...]
    if info[0] != _STRUCT:
        types = info if len(info) == 1 else ()
    else:
        # Length of the name, number of fields; then of each its length of name and its type.
        fields = info[2] if len(info) > 2 else 0
        types = info[4::2] if len(info) == 3 + 2 * fields else ()
    if not types or any(kind not in _CODES for kind in types):
        _corrupt(f"a value of the unknown type {' '.join(map(str, info[:4]))}")
    return "".join(_CODES[kind] for kind in types)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _corrupt(words: str) -> NoReturn:
    raise RecordMissing(Outcome.CORRUPT, f"damaged DM tags: {words}")

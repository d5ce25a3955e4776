"""The descriptions in an ND2: trees of named values ("LV", or XML in older files).

Source: the package nd2 (BSD), `_clx_lite.py`.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Leaf: TypeAlias = "int | float | bool | str"

_LEVEL, _COMPRESSED, _STRING, _BYTES = 11, 76, 8, 9
_NUMBERS = {1: "?", 2: "<i", 3: "<I", 4: "<q", 5: "<Q", 6: "<d", 7: "<Q"}
_MAX_ITEMS, _MAX_DEPTH, _MAX_TEXT = 200_000, 32, 4096
_MAX_EXPANDED = 32 << 20
_XML_VALUE = re.compile(r'<(\w{1,80})\s[^<>]{0,200}?value="([^"<]{0,400})"')


def leaves(data: bytes) -> Iterator[tuple[str, Leaf]]:
    """Yield name and value of each leaf of a tree, in order; it ends where the data is no tree."""
    if data.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<"):
        yield from _XML_VALUE.findall(data.decode("utf-8", "replace"))
        return
    yield from _walk(data)


def _walk(data: bytes) -> Iterator[tuple[str, Leaf]]:
    """Go through the items in the order of the file.

    A level says where its items end and how many they are; a table of eight bytes each follows.
    """
    at, expanded = 0, False
    levels: list[tuple[int, int]] = []  # end, number of items
    for _ in range(_MAX_ITEMS):
        while levels and at >= levels[-1][0]:
            at += 8 * levels.pop()[1]
        start = at
        if at + 2 > len(data):
            return
        kind, letters = data[at], data[at + 1]
        if kind == _COMPRESSED and not expanded:
            try:
                data = zlib.decompressobj().decompress(data[at + 12 :], _MAX_EXPANDED)
            except zlib.error:
                return
            at, expanded = 0, True
            continue
        name = data[at + 2 : at + 2 + 2 * letters].decode("utf-16-le", "replace").rstrip("\0")
        at += 2 + 2 * letters
        if kind == _LEVEL and at + 12 <= len(data) and len(levels) < _MAX_DEPTH:
            items, length = struct.unpack_from("<IQ", data, at)
            levels.append((start + length, items))
            at += 12
            continue
        found, at = _value(data, at, kind)
        if found is None:
            return
        yield name, found


def _value(data: bytes, at: int, kind: int) -> tuple[Leaf | None, int]:
    if layout := _NUMBERS.get(kind):
        size = struct.calcsize(layout)
        if at + size > len(data):
            return None, at
        return struct.unpack_from(layout, data, at)[0], at + size
    if kind == _STRING:
        end = at
        while data[end : end + 2] not in {b"\0\0", b""}:
            end += 2
        return data[at : min(end, at + _MAX_TEXT)].decode("utf-16-le", "replace"), end + 2
    if kind == _BYTES and at + 8 <= len(data):
        return "", at + 8 + int.from_bytes(data[at : at + 8], "little")
    return None, at

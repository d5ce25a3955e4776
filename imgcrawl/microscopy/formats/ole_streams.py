"""The small streams of an OLE compound file, by name. Source: [MS-CFB], sections 2.3 to 2.6."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.microscopy.proof import read_exactly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.microscopy.ranges import ByteRanges

_END = 0xFFFFFFF9  # and above: no sector
_MAX_SECTORS = 40_000  # of one stream
_MAX_ENTRIES = 20_000
_ENTRY = struct.Struct("<64sH2x12x36xIQ")
_WHAT = "the OLE directory"


@dataclass(slots=True)
class OleStreams:
    """The streams of a file, whose allocation tables lie in the sectors `tables`.

    size: of a sector; first, mini_first: sectors of the directory, and of the table of mini sectors
    """

    ranges: ByteRanges
    size: int
    tables: Sequence[int]
    first: int
    mini_first: int

    def names(self) -> set[str]:
        """Return the names of all streams and folders. Raises RecordMissing."""
        directory = self._chain(self.first, _MAX_ENTRIES * 128)
        entries = (_ENTRY.unpack_from(directory, at) for at in range(0, len(directory) - 127, 128))
        return {
            raw[: max(0, length - 2)].decode("utf-16-le", "replace") for raw, length, *_ in entries
        }

    def read(self, name: str, most: int) -> bytes:
        """Return a stream of at most so many bytes; nothing if there is none of this name.

        Raises RecordMissing for a directory that leads nowhere.
        """
        directory = self._chain(self.first, _MAX_ENTRIES * 128)
        root_start = 0
        for at in range(0, len(directory) - 127, 128):
            raw, length, start, size = _ENTRY.unpack_from(directory, at)
            if not at:
                root_start = start
            if raw[: max(0, length - 2)].decode("utf-16-le", "replace") == name and size <= most:
                if size >= 4096:
                    return self._chain(start, size)[:size]
                return self._mini(root_start, start, size)
        return b""

    def _mini(self, root: int, start: int, size: int) -> bytes:
        """Return a stream shorter than 4096 bytes, which lies in sectors of 64 within another."""
        table = self._chain(self.mini_first, _MAX_SECTORS * 4)
        links = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
        starts: list[int] = []
        while start < len(links) and len(starts) * 64 < size:
            starts.append(start)
            start = links[start]
        whole = self._chain(root, (max(starts, default=-1) + 1) * 64)
        return b"".join(whole[at * 64 : at * 64 + 64] for at in starts)[:size]

    def _chain(self, sector: int, most: int) -> bytes:
        pieces: list[bytes] = []
        while sector < _END and len(pieces) * self.size < most and len(pieces) < _MAX_SECTORS:
            pieces.append(read_exactly(self.ranges, (sector + 1) * self.size, self.size, _WHAT))
            sector = self._next(sector)
        return b"".join(pieces)

    def _next(self, sector: int) -> int:
        a_table = self.size // 4
        if sector // a_table >= len(self.tables):
            return _END
        place = (self.tables[sector // a_table] + 1) * self.size + sector % a_table * 4
        return int.from_bytes(read_exactly(self.ranges, place, 4, _WHAT), "little")

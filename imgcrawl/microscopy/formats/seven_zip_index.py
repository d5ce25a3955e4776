"""The index of a 7z archive: how its members are packed, how long they are, and their CRCs.

Source: 7zFormat.txt of the LZMA SDK.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from imgcrawl.microscopy.proof import corrupt

HEADER, ENCODED = 0x01, 0x17
_END, _STREAMS, _PACK, _UNPACK, _SUB = 0x00, 0x04, 0x06, 0x07, 0x08
_SIZE, _CRC, _FOLDER, _UNPACK_SIZE, _NUMBERS = 0x09, 0x0A, 0x0B, 0x0C, 0x0D
_MOST = 1_000_000  # streams, folders or members


class Coder(NamedTuple):
    """How a folder is packed: the id of a method, and its properties."""

    method: bytes
    properties: bytes


@dataclass(slots=True)
class Folder:
    """What is packed as one stream.

    coders:   the last one reads the packed bytes
    is_simple: there is one, or one and a filter of what it expands; more is not expanded here
    outputs:  how many lengths are given; main: which of them is that of the members
    packed:   length in bytes; sizes, crcs: of its members, one after the other
    """

    coders: list[Coder]
    is_simple: bool
    outputs: int
    main: int = 0
    packed: int = 0
    sizes: list[int] = field(default_factory=list)
    crcs: list[int | None] = field(default_factory=list)


class Index:
    """The numbers of an index, read one after the other. Raises RecordMissing (`corrupt`)."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.start = 0  # of the packed bytes, behind the head of the archive

    def byte(self) -> int:
        """Return the next byte."""
        return self._take(1)[0]

    def folders(self) -> list[Folder]:
        """Return the folders that the index lists, up to its names of members."""
        if self.byte() != HEADER:
            raise corrupt("a 7z index that is none")
        while (kind := self.byte()) not in {_END, _STREAMS}:
            if kind != 0x02:  # properties of the archive: of no use
                return []
            while self.byte():
                self._take(self._number())
        return self.streams() if kind == _STREAMS else []

    def streams(self) -> list[Folder]:
        """Return the folders of a description of streams, and note where they begin."""
        packed: list[int] = []
        folders: list[Folder] = []
        while (kind := self.byte()) != _END:
            if kind == _PACK:
                self.start = self._number()
                packed = self._pack(self._count())
            elif kind == _UNPACK:
                folders = self._unpack()
            elif kind == _SUB:
                self._members(folders)
            else:
                raise corrupt("a 7z index with a part of no kind")
        if all(folder.is_simple for folder in folders) and len(packed) == len(folders):
            for folder, length in zip(folders, packed, strict=True):
                folder.packed = length
        elif folders:
            folders[0].is_simple = False
        return folders

    def _take(self, length: int) -> bytes:
        piece = self._data[self._at : self._at + length]
        if len(piece) < length:
            raise corrupt("a 7z index that stops within a number")
        self._at += length
        return piece

    def _number(self) -> int:
        """Return a number: the ones at the top of its first byte count the bytes that follow."""
        first, value = self.byte(), 0
        for index in range(8):
            mask = 0x80 >> index
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * index)
            value |= self.byte() << (8 * index)
        return value

    def _count(self) -> int:
        found = self._number()
        if found > _MOST:
            raise corrupt(f"a 7z index of {found:,} streams")
        return found

    def _pack(self, count: int) -> list[int]:
        sizes: list[int] = []
        while (kind := self.byte()) != _END:
            if kind == _SIZE:
                sizes = [self._number() for _ in range(count)]
            elif kind == _CRC:
                self._crcs(count)
            else:
                raise corrupt("a 7z index without the lengths of its streams")
        return sizes

    def _crcs(self, count: int) -> list[int | None]:
        known = [True] * count if self.byte() else self._bits(count)
        return [int.from_bytes(self._take(4), "little") if is_known else None for is_known in known]

    def _bits(self, count: int) -> list[bool]:
        data = self._take((count + 7) // 8)
        return [bool(data[n // 8] & 0x80 >> n % 8) for n in range(count)]

    def _unpack(self) -> list[Folder]:
        if self.byte() != _FOLDER:
            raise corrupt("a 7z index without its folders")
        count = self._count()
        if self.byte():
            raise corrupt("a 7z index whose folders are elsewhere")
        folders = [self._folder() for _ in range(count)]
        while (kind := self.byte()) != _END:
            if kind == _UNPACK_SIZE:
                for folder in folders:
                    sizes = [self._number() for _ in range(folder.outputs)]
                    folder.sizes = sizes[folder.main : folder.main + 1]
            elif kind == _CRC:
                for folder, crc in zip(folders, self._crcs(count), strict=True):
                    folder.crcs = [crc]
            else:
                raise corrupt("a 7z index without the lengths of its folders")
        return folders

    def _folder(self) -> Folder:
        coders, inputs, outputs = [], 0, 0
        for _ in range(self.byte() & 15):
            flags = self.byte()
            method = self._take(flags & 15)
            more = (self._number(), self._number()) if flags & 0x10 else (1, 1)
            inputs, outputs = inputs + min(more[0], 32), outputs + min(more[1], 32)
            coders.append(Coder(method, self._take(self._number()) if flags & 0x20 else b""))
        bound = [self._number() for _ in range(2 * (outputs - 1))]  # an input to an output each
        streams = inputs - (outputs - 1)
        for _ in range(streams if streams > 1 else 0):
            self._number()
        # py7zr lists the filter behind what it filters, 7-Zip before it.
        main = 1 if bound == [1, 0] else 0
        is_row = inputs == outputs == len(coders) and bound in ([], [0, 1], [1, 0])
        return Folder(coders[::-1] if main else coders, is_row, outputs, main)

    def _members(self, folders: list[Folder]) -> None:
        """Give each folder the lengths and CRCs of its members."""
        counts = [1] * len(folders)
        kind = self.byte()
        if kind == _NUMBERS:
            counts = [self._count() for _ in folders]
            kind = self.byte()
        if kind == _SIZE or any(count > 1 for count in counts):
            for folder, count in zip(folders, counts, strict=True):
                sizes = [self._number() for _ in range(count - 1)]
                folder.sizes = [*sizes, sum(folder.sizes) - sum(sizes)] if count else []
            kind = self.byte() if kind == _SIZE else kind
        unknown = [
            folder
            for folder, count in zip(folders, counts, strict=True)
            if not (count == 1 and folder.crcs and folder.crcs[0] is not None)
        ]
        for folder in unknown:
            folder.crcs = [None] * len(folder.sizes)
        if kind == _CRC:
            crcs = iter(self._crcs(sum(len(folder.sizes) for folder in unknown)))
            for folder in unknown:
                folder.crcs = [next(crcs) for _ in folder.sizes]
            kind = self.byte()
        while kind != _END:
            raise corrupt("a 7z index whose members have a part of no kind")

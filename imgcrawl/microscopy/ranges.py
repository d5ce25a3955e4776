"""Bytes that are read piece by piece: of a file on disk, or of one at the far end of a network.

A header of a few kilobytes describes a picture of many gigabytes.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from typing_extensions import Buffer

BLOCK = 64 * 1024
_MIB = 1 << 20


class ByteRanges(Protocol):
    """Something whose bytes can be read by offset and length."""

    @property
    def size(self) -> int | None:
        """The length in bytes, None if it is not known."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `length` only at the end.

        May raise OSError.
        """


@dataclass(frozen=True, slots=True)
class CallableRanges:
    """Bytes that a function fetches, such as one that asks a server."""

    fetch: Callable[[int, int], bytes]
    size: int | None = None

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes that `fetch` returns for this range, and no more than asked."""
        if self.size is not None:
            length = min(length, self.size - offset)
        return self.fetch(offset, length)[:length] if length > 0 else b""


def bytes_ranges(data: bytes) -> CallableRanges:
    """Return bytes in memory as ranges."""
    return CallableRanges(lambda offset, length: data[offset : offset + length], len(data))


class FileRanges:
    """A file on disk, kept open: a context manager."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb")
        self.size: int | None = os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `length` only at the end."""
        # No more than there is: a length out of a hostile header must not become an allocation.
        length = min(length, (self.size or 0) - offset)
        if length <= 0:
            return b""
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CachedRanges:
    """Other ranges, read in whole blocks of which the last used are kept.

    fetched: bytes asked of the ranges so far
    budget:  how many that may be at most; what wants more raises RecordMissing (`too_large`)
    """

    def __init__(
        self,
        ranges: ByteRanges,
        *,
        block: int = BLOCK,
        max_blocks: int = 64,
        budget: int = 32 * _MIB,
    ) -> None:
        self.ranges = ranges
        self.fetched = 0
        self.requests = 0
        self.budget = budget
        self._block = block
        self._max_blocks = max_blocks
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._near, self._near_at = b"", 0  # the block that was read last, and its place

    @property
    def size(self) -> int | None:
        """The length in bytes, None if it is not known."""
        return self.ranges.size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `length` only at the end."""
        # Most reads are of a few bytes behind the last: a hostile header has a million of them.
        at = offset - self._near_at
        if 0 <= at < (end := at + length) <= len(self._near):
            return self._near[at:end]
        if self.size is not None:
            length = min(length, self.size - offset)
        if length <= 0:
            return b""
        if length > self.budget:
            raise _too_much(self.budget)
        pieces = []
        end = offset + length
        last = (end - 1) // self._block
        for index in range(offset // self._block, last + 1):
            start = index * self._block
            block = self._get(index, last)
            self._near, self._near_at = block, start
            pieces.append(block[max(offset - start, 0) : end - start])
            if len(block) < self._block:
                break
        return b"".join(pieces)

    def _get(self, index: int, last: int) -> bytes:
        """Return a block; the following ones up to `last`, if they are not here, come with it."""
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        count = 1
        while index + count <= last and count < self._max_blocks:
            if index + count in self._blocks:
                break
            count += 1
        if self.fetched + count * self._block > self.budget:
            raise _too_much(self.budget)
        data = self.ranges.read(index * self._block, count * self._block)
        self.requests += 1
        self.fetched += len(data)
        for number in range(count):
            block = data[number * self._block : (number + 1) * self._block]
            self._blocks[index + number] = block
            if len(block) < self._block:
                break
        first = self._blocks[index]
        while len(self._blocks) > self._max_blocks:
            self._blocks.popitem(last=False)
        return first


class RangesFile(io.RawIOBase):
    """Ranges of a known size as a binary file, for libraries that want one.

    failure: the first exception of a read; a library may have swallowed it
    """

    def __init__(self, ranges: ByteRanges, size: int, budget: int = 8 * _MIB) -> None:
        super().__init__()
        self._ranges = ranges
        self._size = size
        self._budget = budget
        self._position = 0
        self.failure: Exception | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, which may lie behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, never more than are left of the budget."""
        left = max(self._size - self._position, 0)
        length = left if size < 0 else min(size, left)
        # Tags that all point at the same bytes cost nothing to fetch but memory to hold.
        self._budget -= length
        try:
            if self._budget < 0:
                raise _too_much(8 * _MIB)
            data = self._ranges.read(self._position, length)
        except Exception as error:
            self.failure = self.failure or error
            raise
        self._position += len(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer, as far as bytes last."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def _too_much(budget: int) -> RecordMissing:
    return RecordMissing(Outcome.TOO_LARGE, f"the headers take more than {budget:,} bytes")

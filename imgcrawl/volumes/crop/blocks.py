"""A box cut into blocks: each of whole source chunks, none too large, together the box.

So each chunk of the source is fetched once, and no more than a block need be in memory. The
axes are c, z, y, x here, but any number will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHUNKS = 8192  # of a block: each takes more memory than its voxels while it is read


@dataclass(frozen=True, slots=True)
class BlockSide:
    """A box along one axis, and the grid of chunks there.

    start, stop: of the box
    first:       where a chunk of the grid begins
    chunk:       voxels of a chunk
    """

    start: int
    stop: int
    first: int
    chunk: int

    @property
    def chunks(self) -> int:
        """The number of chunks that the box touches."""
        return self._cell(self.stop - 1) - self._cell(self.start) + 1

    def cut(self, each: int, *, aligned: bool = False) -> list[tuple[int, int]]:
        """Cut the box into stretches of `each` chunks: (start, stop), those at the ends clipped.

        aligned: they begin at multiples of `each` chunks of the grid, not where the box does,
                 unless one stretch is all of it
        """
        aligned = aligned and each < self.chunks
        cell = self._cell(self.start)
        begin = self.first + (cell - cell % each if aligned else cell) * self.chunk
        length = each * self.chunk
        return [
            (max(self.start, at), min(self.stop, at + length))
            for at in range(begin, self.stop, length)
        ]

    def _cell(self, at: int) -> int:
        return (at - self.first) // self.chunk


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a box: its first voxel, the one after its last, how many chunks it touches."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    chunks: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The voxels along each axis."""
        return tuple(stop - start for start, stop in zip(self.start, self.stop, strict=True))


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """A box cut into blocks: so many chunks along each axis make a block."""

    sides: tuple[BlockSide, ...]
    each: tuple[int, ...]
    aligned: bool = False

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks in the order of their voxels, x fastest."""
        return _blocks(self.sides, self.each, aligned=self.aligned)

    def __len__(self) -> int:
        return prod(
            len(side.cut(each, aligned=self.aligned))
            for side, each in zip(self.sides, self.each, strict=True)
        )

    @property
    def voxels(self) -> int:
        """The voxels of the largest block."""
        return _volume(self.sides, self.each)

    def chunks(self, block: Block) -> Iterator[Block]:
        """Yield the chunks of a block."""
        sides = tuple(
            BlockSide(start, stop, side.first, side.chunk)
            for start, stop, side in zip(block.start, block.stop, self.sides, strict=True)
        )
        return _blocks(sides, (1,) * len(sides))


def plan(
    sides: Sequence[BlockSide], itemsize: int, limit: int, *, curved: bool = False
) -> BlockPlan:
    """Cut a box into blocks of at most `limit` bytes, but of a chunk at the least.

    Blocks grow along the last axis first, so that rows are whole: a file is written in few
    pieces. Where an axis has to be cut, it is cut evenly.

    curved: the chunks lie in shards along a Morton curve. Then the axes before the last grow
    together by powers of two, at multiples of them: what is read as one lies together, and is
    fetched by few requests (37 for 512 chunks in shards of 64, in place of 144).
    """
    sides = tuple(sides)
    each = [1] * len(sides)
    for axis in reversed(range(len(sides))):
        side = sides[axis]
        if curved and axis < len(sides) - 1:
            return BlockPlan(sides, _doubled(sides, each, itemsize, limit), aligned=True)
        volume = _volume(sides, each, axis) * itemsize
        room = limit // max(1, volume * side.chunk)
        if volume * (side.stop - side.start) <= limit:
            room = side.chunks
        room = min(room, MAX_CHUNKS // prod(each))
        parts = -(-side.chunks // max(1, room))
        each[axis] = -(-side.chunks // parts)
        if each[axis] < side.chunks:
            break
    return BlockPlan(sides, tuple(each))


def _volume(sides: tuple[BlockSide, ...], each: Sequence[int], but: int | None = None) -> int:
    """Return the voxels of a block of so many chunks along each axis, one axis left out."""
    return prod(
        min(n * side.chunk, side.stop - side.start)
        for axis, (n, side) in enumerate(zip(each, sides, strict=True))
        if axis != but
    )


def _doubled(
    sides: tuple[BlockSide, ...], begun: Sequence[int], itemsize: int, limit: int
) -> tuple[int, ...]:
    """Double all axes but the last in turn, as long as there is room; return chunks by axis."""
    each, grown = list(begun), True
    while grown:
        grown = False
        for axis in reversed(range(len(sides) - 1)):
            more = [*each[:axis], 2 * each[axis], *each[axis + 1 :]]
            fits = _volume(sides, more) * itemsize <= limit and prod(more) <= MAX_CHUNKS
            if fits and each[axis] < sides[axis].chunks:
                each, grown = more, True
    return tuple(each)


def _blocks(
    sides: tuple[BlockSide, ...], each: tuple[int, ...], *, aligned: bool = False
) -> Iterator[Block]:
    cuts = [side.cut(n, aligned=aligned) for side, n in zip(sides, each, strict=True)]
    for stretches in product(*cuts):
        touched = prod(
            BlockSide(start, stop, side.first, side.chunk).chunks
            for (start, stop), side in zip(stretches, sides, strict=True)
        )
        yield Block(tuple(s for s, _ in stretches), tuple(s for _, s in stretches), touched)

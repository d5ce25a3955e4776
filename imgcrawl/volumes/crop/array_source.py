"""An open array as what reads it sees it: axes c, z, y, x at one time, and its grid of chunks."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.volumes.crop.blocks import BlockSide

if TYPE_CHECKING:
    from imgcrawl.records.volume import Level, Zyx
    from imgcrawl.volumes.crop.endpoint import StoreEndpoint

CHUNK_BYTES = 1 << 30  # of one chunk: it is in memory as a whole, however small the box
AXES = ("c", "z", "y", "x")


@dataclass(frozen=True, slots=True)
class ArraySource:
    """An open array, its axes c, z, y, x.

    array:    a tensorstore whose axes are c, z, y, x
    endpoint: where its chunks are fetched from
    first:    of each axis, where a chunk of the grid begins
    chunk:    of each axis, the voxels of a chunk
    shard:    of each axis, the voxels of what is stored as one object
    fill:     the value of what is not stored
    time:     the time point that it is of
    """

    array: Any
    endpoint: StoreEndpoint
    first: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    fill: Any
    time: int = 0

    @property
    def is_sharded(self) -> bool:
        """Whether an object holds more than one chunk."""
        return self.shard != self.chunk

    def sides(self, origin: Zyx, shape: Zyx) -> tuple[BlockSide, ...]:
        """Return a box, all channels, along each axis. Raises RecordMissing if it lies outside."""
        domain = self.array.domain
        start = (int(domain[0].inclusive_min), *origin)
        stop = (int(domain[0].exclusive_max), *(o + n for o, n in zip(origin, shape, strict=True)))
        for axis, a, b, there in zip(AXES, start, stop, domain, strict=True):
            if not there.inclusive_min <= a < b <= there.exclusive_max:
                words = (
                    f"{axis} {a} to {b} lies outside of the array, "
                    f"which has {there.inclusive_min} to {there.exclusive_max}"
                )
                raise RecordMissing(Outcome.CORRUPT, words, tries=0)
        return tuple(map(BlockSide, start, stop, self.first, self.chunk))


def arrange(array: Any, endpoint: StoreEndpoint, level: Level, time: int) -> ArraySource:
    """Return a stored array as c, z, y, x at one time.

    Raises RecordMissing (corrupt) if it is not what the level says.
    """
    if array.rank != len(level.axes) or array.dtype.name != level.dtype:
        raise _changed(level, f"has {array.rank} axes of {array.dtype.name}")
    layout = array.chunk_layout
    grid = layout.grid_origin or (0,) * array.rank
    read, written = layout.read_chunk.shape, layout.write_chunk.shape
    sizes = [
        (int(first or 0), int(chunk or shard or side), int(shard or chunk or side))
        for first, chunk, shard, side in zip(
            grid, read or array.shape, written or array.shape, array.shape, strict=True
        )
    ]
    if (size := array.dtype.numpy_dtype.itemsize * prod(s[1] for s in sizes)) > CHUNK_BYTES:
        raise RecordMissing(Outcome.TOO_LARGE, f"its chunks have {size:,} bytes each", tries=0)
    fill = 0 if array.fill_value is None else array.fill_value.item()
    names = ["c" if name == "channel" else name for name in level.axes]
    for at in reversed(range(len(names))):
        if names[at] in AXES:
            continue
        index = time if names[at] == "t" else 0
        there = array.domain[at]
        if not (names[at] == "t" or there.size == 1) or not 0 <= index < there.size:
            raise _changed(level, f"has {there.size} along its axis {names[at]}, not {index}")
        array = array[(slice(None),) * at + (there.inclusive_min + index,)]
        del names[at], sizes[at]
    for name in AXES:
        if name not in names:
            array = array[None]
            names.insert(0, name)
            sizes.insert(0, (0, 1, 1))
    order = [names.index(name) for name in AXES]
    first, chunk, shard = zip(*(sizes[at] for at in order), strict=True)
    return ArraySource(array.transpose(order), endpoint, first, chunk, shard, fill, time)


def _changed(level: Level, words: str) -> RecordMissing:
    return RecordMissing(
        Outcome.CORRUPT, f"the array {level.name} {words}: not what its documents say", tries=0
    )

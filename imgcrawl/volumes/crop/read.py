"""Reads a box of a chunked volume, block by block, into a file: every chunk is counted.

The chunks are asked for by tensorstore, and robots.txt is not looked at for each: the documents
that describe the volume have come through the crawl's own downloader, which obeys it.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from math import prod
from typing import TYPE_CHECKING, Any

from imgcrawl.download.errors import to_disk
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import Chunks, Raw
from imgcrawl.volumes.crop.block_reader import BlockReader, open_array
from imgcrawl.volumes.crop.blocks import Block, BlockPlan, plan
from imgcrawl.volumes.crop.journal import CropJournal
from imgcrawl.volumes.crop.tasks import gather_or_cancel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Crop, Level, Zyx
    from imgcrawl.volumes.crop.array_source import ArraySource
    from imgcrawl.volumes.crop.blocks import BlockSide

BLOCK = 4 << 20  # bytes in memory as one
SHARDED_BLOCK = 8 << 20  # likewise, of a store that keeps many chunks in an object
IN_MEMORY = 48 << 20  # bytes of all blocks at a time


async def read_crop(
    crawler: Crawler,
    crop: Crop,
    path: Path,
    *,
    start: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Raw:
    """Read a crop into a file, going on where an earlier run was stopped or killed.

    path:     gets its final size at once (sparse), and the voxels as c, z, y, x, little-endian,
              from byte `start` on; the bytes before are left alone. The finished blocks stand in
              a journal beside it (`path` + ".blocks"), removed when the crop is complete
    progress: called with the bytes done, and in all

    Raises RecordMissing. After `forbidden`, as after all else, the next run goes on.
    """
    source = await open_array(crawler, crop.level, crop.time)
    sides = source.sides(crop.origin, crop.shape)
    dtype = source.array.dtype.numpy_dtype
    blocks = _plan(source, sides)
    shape = tuple(side.stop - side.start for side in sides)
    file = _CropFile(path, start, shape, dtype.itemsize, CropJournal(path))
    reader = BlockReader(crawler, crop.level, source, blocks)
    channels, z, y, x = shape
    if len(blocks) == 1:  # there is nothing that a next run could go on with
        (block,) = blocks
        voxels, chunks = await reader.read(block)
        await _run_on_disk(file.write_whole, voxels)
        return Raw(str(path), (channels, z, y, x), crop.level.dtype, start, chunks)
    await _run_on_disk(file.begin, _journal_header(crop, blocks, start), len(blocks))
    await _read_all(reader, file, blocks, progress, at_once=_at_once(crawler, source, blocks))
    chunks = sum(file.journal.done.values(), Chunks())
    await _run_on_disk(file.journal.remove)
    return Raw(str(path), (channels, z, y, x), crop.level.dtype, start, chunks)


async def read_box(
    crawler: Crawler, level: Level, origin: Zyx, shape: Zyx, *, time: int = 0
) -> tuple[np.ndarray[Any, Any], Chunks]:
    """Read a small box into memory: c, z, y, x, all channels. Raises RecordMissing."""
    import numpy as np  # noqa: PLC0415

    source = await open_array(crawler, level, time)
    sides = source.sides(origin, shape)
    dtype = source.array.dtype.numpy_dtype
    blocks = _plan(source, sides)
    reader = BlockReader(crawler, level, source, blocks)
    box = np.empty([side.stop - side.start for side in sides], dtype)
    chunks = Chunks()
    for block in blocks:
        voxels, counted = await reader.read(block)
        chunks += counted
        box[_within(block, blocks)] = voxels
    return box, chunks


def _plan(source: ArraySource, sides: tuple[BlockSide, ...]) -> BlockPlan:
    itemsize = source.array.dtype.numpy_dtype.itemsize
    size = itemsize * prod(side.stop - side.start for side in sides)
    if source.is_sharded and size > BLOCK:
        return plan(sides, itemsize, SHARDED_BLOCK, curved=True)
    return plan(sides, itemsize, BLOCK)


def _at_once(crawler: Crawler, source: ArraySource, blocks: BlockPlan) -> int:
    """Return how many blocks are read at a time: two at least, one read while one is written.

    As many as keep the connections busy, and fit into memory.
    """
    connections = crawler.settings.getint("VOLUME_CONNECTIONS", 8)
    requests = 2 if source.is_sharded else prod(blocks.each)
    room = IN_MEMORY // (blocks.voxels * int(source.array.dtype.numpy_dtype.itemsize))
    return max(2, min(-(-2 * connections // requests), room))


async def _read_all(
    reader: BlockReader,
    file: _CropFile,
    blocks: BlockPlan,
    progress: Callable[[int, int], None] | None,
    *,
    at_once: int,
) -> None:
    """Read what the journal lacks, some blocks at a time."""
    done, whole = 0, file.size

    def left() -> Iterator[tuple[int, Block]]:
        nonlocal done
        for number, block in enumerate(blocks):
            if number in file.journal.done:
                done += prod(block.shape) * file.itemsize
            else:
                yield number, block

    waiting = left()

    async def work() -> None:
        nonlocal done
        for number, block in waiting:
            if reader.stopping:
                return  # what others have under way may end: it would be fetched again
            voxels, chunks = await reader.read(block)
            await _run_on_disk(file.write, number, _within(block, blocks), voxels, chunks)
            reader.chunks += chunks
            done += voxels.nbytes
            del voxels
            if progress is not None:
                progress(done, whole)

    await gather_or_cancel(work() for _ in range(at_once))
    if reader.stopping and done < whole:
        raise RecordMissing(Outcome.INTERRUPTED, "the run was stopped in the middle of a volume")


class _CropFile:
    """The file that the voxels are written to, with its journal."""

    def __init__(
        self, path: Path, start: int, shape: tuple[int, ...], itemsize: int, journal: CropJournal
    ) -> None:
        self._path = path
        self._start = start
        self._shape = shape
        self.itemsize = itemsize
        self.size = prod(shape) * itemsize
        self.journal = journal

    def begin(self, header: dict[str, Any], blocks: int) -> None:
        """Give the file its size, and find out what of it is there. Raises OSError."""
        size = self._start + self.size
        keep = self._path.is_file() and self._path.stat().st_size == size
        self.journal.begin(header, blocks, keep=keep)
        if not keep:
            with self._path.open("ab") as file:
                file.truncate(size)

    def write_whole(self, voxels: np.ndarray[Any, Any]) -> None:
        """Write all voxels at once. Raises OSError."""
        self.journal.remove()  # of another plan
        whole = (slice(0, side) for side in self._shape)
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            for offset, piece in self._pieces(tuple(whole), voxels):
                _write_at(fd, piece, offset)
            os.ftruncate(fd, self._start + self.size)
        finally:
            os.close(fd)

    def write(
        self,
        number: int,
        where: tuple[slice, ...],
        voxels: np.ndarray[Any, Any],
        chunks: Chunks,
    ) -> None:
        """Write a block to its place, and note it. Raises OSError.

        The file is opened each time: a thread that is no longer awaited must not write to
        the file that has its descriptor by then. Nor is it mapped, since that counts as memory.
        """
        fd = os.open(self._path, os.O_WRONLY)
        try:
            for offset, piece in self._pieces(where, voxels):
                _write_at(fd, piece, offset)
        finally:
            os.close(fd)
        self.journal.add(number, chunks)
        self.journal.done[number] = chunks

    def _pieces(
        self, where: tuple[slice, ...], voxels: np.ndarray[Any, Any]
    ) -> Iterator[tuple[int, memoryview]]:
        """Yield the runs of a block that lie together in the file: (offset, bytes)."""
        import numpy as np  # noqa: PLC0415

        voxels = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<"))
        strides = [self.itemsize * prod(self._shape[axis + 1 :]) for axis in range(4)]
        axis = 3
        while axis > 0 and voxels.shape[axis] == self._shape[axis]:
            axis -= 1
        for index in np.ndindex(voxels.shape[:axis]):
            at = [s.start + i for s, i in zip(where, index, strict=False)]
            at += [s.start for s in where[axis:]]
            offset = self._start + sum(a * stride for a, stride in zip(at, strides, strict=True))
            yield offset, voxels[index].reshape(-1).view(np.uint8).data


def _write_at(fd: int, piece: memoryview, offset: int) -> None:
    while piece:
        written = os.pwrite(fd, piece, offset)
        piece, offset = piece[written:], offset + written


def _within(block: Block, blocks: BlockPlan) -> tuple[slice, ...]:
    """Return where a block lies in its box."""
    return tuple(
        slice(start - side.start, stop - side.start)
        for start, stop, side in zip(block.start, block.stop, blocks.sides, strict=True)
    )


def _journal_header(crop: Crop, blocks: BlockPlan, start: int) -> dict[str, Any]:
    """Return the first line of a journal: one of another crop, or of other blocks, is of no use."""
    level = crop.level
    return {
        "address": level.address.url,
        "scale": level.scale,
        "documents": level.sha256,
        "dtype": level.dtype,
        "time": crop.time,
        "sides": [asdict(side) for side in blocks.sides],
        "each": list(blocks.each),
        "start": start,
    }


async def _run_on_disk(do: Callable[..., None], *arguments: object) -> None:
    """Run a function that uses the disk, in a thread. Raises RecordMissing (disk_full)."""
    with to_disk():
        await asyncio.to_thread(do, *arguments)

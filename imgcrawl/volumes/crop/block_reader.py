"""Reads blocks, and separates chunks that are absent from chunks that could not be read.

An absent chunk is filled with the array's fill value, and counted. A chunk that exists and could
not be read is never filled.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from imgcrawl.download.downloader import Downloader
from imgcrawl.download.limits import TransferLimits
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.records.volume import Chunks
from imgcrawl.volumes.crop.array_source import CHUNK_BYTES, arrange
from imgcrawl.volumes.crop.open_arrays import open_arrays_of
from imgcrawl.volumes.crop.other_chunks import PackedChunks, other_chunks
from imgcrawl.volumes.crop.read_errors import (
    ReadErrors,
    UnknownEncodingError,
    is_absent,
    is_forbidden,
    is_strangely_encoded,
)
from imgcrawl.volumes.crop.tasks import gather_or_cancel
from imgcrawl.volumes.metadata.folders import beside
from imgcrawl.volumes.metadata.n5 import LABEL_MULTISET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Level
    from imgcrawl.volumes.crop.array_source import ArraySource
    from imgcrawl.volumes.crop.blocks import Block, BlockPlan

T = TypeVar("T")


class _ChunkAbsent(Exception):  # noqa: N818 - an answer more than an error
    """A chunk of what was read is absent, or forbidden according to the store.

    encoded: or it is there, and came with a Content-Encoding that is not known here
    """

    def __init__(self, *, forbidden: bool, encoded: bool = False) -> None:
        super().__init__()
        self.forbidden, self.encoded = forbidden, encoded


async def open_array(crawler: Crawler, level: Level, time: int) -> ArraySource:
    """Open the array of a level at one time. Raises RecordMissing."""
    if level.encoding == LABEL_MULTISET:
        words = (
            "its chunks are label multisets of Paintera, which are not known here: copy it as it is"
        )
        raise UnknownEncodingError(Outcome.CORRUPT, words, tries=0)
    arrays = open_arrays_of(crawler)
    tried = 0
    while True:
        errors = ReadErrors(crawler, level, await arrays.endpoint(level))
        await errors.wait_for_host()
        try:
            array, endpoint = await arrays.open(level)
        except ValueError as error:
            tried += 1
            await errors.classify(error, tried)
            if is_absent(error):
                words = f"there is no array {level.name} at {level.address.shown}"
                raise RecordMissing(Outcome.NOT_FOUND, words, tries=tried) from error
        else:
            return arrange(array, endpoint, level, time)


class BlockReader:
    """Reads the blocks of one box. `chunks`: the counts of the finished blocks."""

    def __init__(
        self, crawler: Crawler, level: Level, source: ArraySource, blocks: BlockPlan
    ) -> None:
        self._crawler = crawler
        self._level = level
        self._source = source
        self._blocks = blocks
        self._errors = ReadErrors(crawler, level, source.endpoint)
        self._deadline = TransferLimits.from_settings(crawler.settings).deadline
        self._at_once = asyncio.Semaphore(2 * crawler.settings.getint("VOLUME_CONNECTIONS", 8))
        self._has_gaps = False
        self._others = other_chunks(crawler, level, source)
        self.chunks = Chunks()

    @property
    def stopping(self) -> bool:
        """Whether the run is being stopped."""
        return Downloader.of(self._crawler).stopping

    async def read(self, block: Block) -> tuple[np.ndarray[Any, Any], Chunks]:
        """Return the voxels of a block (c, z, y, x), and how many chunks they came from.

        Raises RecordMissing: `forbidden` if a chunk is, and the store tells absence otherwise.
        """
        # Where one chunk is missing others are: a whole read would be in vain, as often as not.
        if not self._has_gaps:
            try:
                return await self._voxels(block), Chunks(present=block.chunks)
            except _ChunkAbsent:
                self._has_gaps = True
        return await self._read_chunks(block)

    async def _read_chunks(self, block: Block) -> tuple[np.ndarray[Any, Any], Chunks]:
        import numpy as np  # noqa: PLC0415

        whole = np.full(block.shape, self._source.fill, self._source.array.dtype.numpy_dtype)
        counted = Chunks()

        async def read(chunk: Block) -> None:
            async with self._at_once:
                try:
                    voxels = await self._voxels(chunk)
                except _ChunkAbsent as answer:
                    if answer.forbidden and not await self._absence_is_forbidden():
                        counted.forbidden += 1
                        return
                    read_so = self._fetched if answer.encoded else self._renamed
                    found = await read_so(chunk)
                    if found is None:
                        counted.missing += 1
                        return
                    voxels = found
            counted.present += 1
            whole[_within(chunk, block)] = voxels

        await gather_or_cancel(read(chunk) for chunk in self._blocks.chunks(block))
        self._has_gaps = counted.present < block.chunks
        if counted.forbidden:
            raise self._forbidden(counted)
        return whole, counted

    async def _voxels(self, block: Block) -> np.ndarray[Any, Any]:
        """Return the voxels of a block whose chunks are all there.

        Raises _ChunkAbsent or RecordMissing.
        """
        region = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))

        async def read() -> np.ndarray[Any, Any]:
            voxels: np.ndarray[Any, Any] = await self._source.array[region].read()
            if self._others is not None:
                self._others.names.learn_plain()
            return voxels

        return await self._attempt(read, f"a block of {block.chunks} chunks")

    async def _fetched(self, chunk: Block) -> np.ndarray[Any, Any] | None:
        """Return the voxels of a chunk that the crawl's own downloader fetches.

        Raises RecordMissing.
        """
        assert isinstance(self._others, PackedChunks)
        there = beside(self._level.address, self._level.name)
        body = await self._errors.fetch(there.url + self._others.name(chunk), CHUNK_BYTES)
        return await self._attempt(partial(self._others.decode, chunk, body), "a chunk")

    async def _renamed(self, chunk: Block) -> np.ndarray[Any, Any] | None:
        """Return the voxels of a chunk that lies under another name, or None if it does not.

        Raises RecordMissing.
        """
        if self._others is None or self._others.names.knows_absent(self._others.name(chunk)):
            return None
        for form in self._others.to_ask():
            try:
                found = await self._attempt(partial(self._others.read, chunk, form), "a chunk")
            except _ChunkAbsent as answer:
                if answer.forbidden and not await self._absence_is_forbidden():
                    raise self._forbidden(Chunks(forbidden=1)) from None
                continue
            if found is not None:
                self._others.names.learn(form)
                return found
        self._others.names.learn(None, self._others.name(chunk))
        return None

    async def _attempt(self, read: Callable[[], Awaitable[T]], what: str) -> T:
        """Return what `read` does, tried again as long as that may help.

        Raises _ChunkAbsent or RecordMissing.
        """
        tried = 0
        while True:
            await self._errors.wait_for_host()
            try:
                async with asyncio.timeout(self._deadline or None):
                    return await read()
            except TimeoutError:
                words = f"{what} took more than {self._deadline:g} s"
                raise RecordMissing(Outcome.TIMEOUT, words) from None
            except ValueError as error:
                if is_absent(error) or is_forbidden(error):
                    raise _ChunkAbsent(forbidden=is_forbidden(error)) from None
                if is_strangely_encoded(error) and isinstance(self._others, PackedChunks):
                    raise _ChunkAbsent(forbidden=False, encoded=True) from None
                tried += 1
                await self._errors.classify(error, tried)

    async def _absence_is_forbidden(self) -> bool:
        """Return whether 403 means absence in this store, asked once for all its boxes."""
        known = open_arrays_of(self._crawler).absence
        key = self._level.address.url
        task = known.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = known[key] = asyncio.create_task(self._errors.absence_is_forbidden())
        return await asyncio.shield(task)

    def _forbidden(self, counted: Chunks) -> RecordMissing:
        all_told = replace(self.chunks) + counted
        words = (
            f"{all_told.forbidden} chunks are forbidden (HTTP 403), of those read so far "
            f"({all_told.present} present, {all_told.missing} missing): not filled with zeros"
        )
        return RecordMissing(Outcome.FORBIDDEN, words, 403)


def _within(chunk: Block, block: Block) -> tuple[slice, ...]:
    return tuple(
        slice(a - first, b - first)
        for a, b, first in zip(chunk.start, chunk.stop, block.start, strict=True)
    )

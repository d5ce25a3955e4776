"""Chunks that lie under other names than their own, or in codecs that tensorstore lacks.

tensorstore knows none of them. A packed one is fetched from the same store, unpacked, and decoded
by tensorstore from memory, under its plain name. For nested ones the array is opened once more.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from imgcrawl.volumes.crop.array_source import CHUNK_BYTES, arrange
from imgcrawl.volumes.crop.endpoint import StoreEndpoint
from imgcrawl.volumes.crop.jxl import decode_jxl, shard_key
from imgcrawl.volumes.crop.open_arrays import open_arrays_of, tensorstore
from imgcrawl.volumes.metadata.other_names import NESTED, OtherNames, renamed
from imgcrawl.volumes.metadata.packed import SUFFIXES, unpack

if TYPE_CHECKING:
    import numpy as np
    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Level
    from imgcrawl.volumes.crop.array_source import ArraySource
    from imgcrawl.volumes.crop.blocks import Block
    from imgcrawl.volumes.crop.open_arrays import DecodedArray

    Voxels: TypeAlias = np.ndarray[Any, Any]

_KEY = "scale"  # in memory; the real one may have ".." in it


def other_chunks(crawler: Crawler, level: Level, source: ArraySource) -> OtherChunks | None:
    """Return the chunks of a level under other names, or None if it can have none."""
    known = open_arrays_of(crawler).other_names
    key = f"{level.address.url}{level.name}"
    if (decoded := open_arrays_of(crawler).codecs_of(level)) is not None:
        names = known.setdefault(key, OtherNames(("",)))
        return DecodedChunks(crawler, level, source.time, decoded, names)
    if open_arrays_of(crawler).has_images(level):
        names = known.setdefault(key, OtherNames(("",)))
        return ImageChunks(crawler, level, source.array.spec().to_json(), names)
    if level.driver == "zarr" and not level.address.separator:
        return NestedChunks(crawler, level, source.time, known.setdefault(key, _nested()))
    if level.driver != "neuroglancer_precomputed":
        return None
    spec = source.array.spec().to_json()
    if spec["scale_metadata"].get("sharding") is not None:
        return None
    return PackedChunks(crawler, level, spec, known.setdefault(key, OtherNames(SUFFIXES)))


def _nested() -> OtherNames:
    return OtherNames((NESTED,))


class OtherChunks:
    """The chunks of one box under other names. `names`: what is known of these."""

    def __init__(self, names: OtherNames) -> None:
        self.names = names
        self._asked = False

    def to_ask(self) -> tuple[str, ...]:
        """Return the forms that the next absent chunk is asked for."""
        first, self._asked = not self._asked, True
        return self.names.to_ask(first=first)

    def name(self, chunk: Block) -> str:
        """Return the own name of the chunk that a part of the box lies in; "" for none."""
        del chunk
        return ""

    async def read(self, chunk: Block, form: str) -> Voxels | None:
        """Return the voxels (c, z, y, x) of a chunk under its name in a form; None if absent.

        Raises RecordMissing and tensorstore's ValueError.
        """
        raise NotImplementedError


class NestedChunks(OtherChunks):
    """The chunks 0/1/2 of a Zarr 2 array."""

    def __init__(self, crawler: Crawler, level: Level, time: int, names: OtherNames) -> None:
        super().__init__(names)
        self._arrays = open_arrays_of(crawler)
        self._level = replace(level, address=replace(level.address, separator="/"))
        self._time = time

    async def read(self, chunk: Block, form: str) -> Voxels | None:
        """Return the voxels of a chunk, or None if it is absent; raise as the base does."""
        try:
            array, endpoint = await self._arrays.open(self._level)
        except ValueError as error:
            if "dimension_separator" not in str(error):
                raise
            self.names.forget()
            return None
        source = arrange(array, endpoint, self._level, self._time)
        where = tuple(slice(a, b) for a, b in zip(chunk.start, chunk.stop, strict=True))
        voxels: Voxels = await source.array[where].read()
        return voxels


class DecodedChunks(OtherChunks):
    """The chunks of an array that are decoded here, under their own names.

    decoded: how, and the spec of a plain array in memory
    """

    def __init__(
        self,
        crawler: Crawler,
        level: Level,
        time: int,
        decoded: DecodedArray,
        names: OtherNames,
    ) -> None:
        super().__init__(names)
        self._arrays = open_arrays_of(crawler)
        self._level, self._time = level, time
        self._codecs, self._spec = decoded

    async def read(self, chunk: Block, form: str) -> Voxels | None:
        """Return the voxels of a chunk, or None if it is absent; raise as the base does."""
        store = await self._arrays.chunk_store(self._level)
        name = self.name(chunk)
        found = await store.read(name)
        if found.state != "value":
            return None
        body = await asyncio.to_thread(self._codecs.decode, bytes(found.value), CHUNK_BYTES)
        array = await tensorstore(0).open(self._spec, create=True, open=True)
        await array.kvstore.write(name, body)
        there = arrange(array, StoreEndpoint("", ""), self._level, self._time)
        where = tuple(slice(a, b) for a, b in zip(chunk.start, chunk.stop, strict=True))
        voxels: Voxels = await there.array[where].read()
        return voxels

    def name(self, chunk: Block) -> str:
        """Return the own name of the chunk that a part of the box lies in."""
        place = dict(zip(("c", "z", "y", "x"), chunk.start, strict=True)) | {"t": self._time}
        axes = ("c" if axis == "channel" else axis for axis in self._level.axes)
        return self._codecs.name(tuple(place.get(axis, 0) for axis in axes))


class PackedChunks(OtherChunks):
    """The packed chunks of a precomputed scale.

    spec: tensorstore's, of the open array
    """

    def __init__(
        self, crawler: Crawler, level: Level, spec: dict[str, Any], names: OtherNames
    ) -> None:
        super().__init__(names)
        self._arrays = open_arrays_of(crawler)
        self._level = level
        self._spec = spec | {"kvstore": "memory://", "open": True, "assume_metadata": True}
        self._spec["scale_metadata"] = spec["scale_metadata"] | {"key": _KEY}
        for name in ("transform", "scale_index"):
            self._spec.pop(name, None)

    async def read(self, chunk: Block, form: str) -> Voxels | None:
        """Return the voxels of a chunk, or None if it is absent; raise as the base does."""
        store = await self._arrays.chunk_store(self._level)
        name = self.name(chunk)
        found = await store.read(renamed(name, form))
        if found.state != "value":
            return None
        body = bytes(found.value)
        return await self.decode(chunk, unpack(body, form, CHUNK_BYTES) if form else body)

    async def decode(self, chunk: Block, body: bytes) -> Voxels:
        """Return the voxels of a chunk from its bytes. Raises ValueError."""
        array = await tensorstore(0).open(self._spec)
        await array.kvstore.write(f"{_KEY}/{self.name(chunk)}", body)
        channels, z, y, x = (slice(a, b) for a, b in zip(chunk.start, chunk.stop, strict=True))
        voxels: Voxels = (await array[x, y, z, channels].read()).transpose()
        return voxels

    def name(self, chunk: Block) -> str:
        """Return the own name of the chunk that a part of the box lies in."""
        return "_".join(f"{low}-{high}" for low, high in reversed(self._bounds(chunk)))

    def _bounds(self, chunk: Block) -> list[tuple[int, int]]:
        """Return where the whole chunk begins and ends along z, y, x."""
        level = self._level
        axes = zip(chunk.start[1:], level.offset, level.chunk, level.shape, strict=True)
        bounds = []
        for at, offset, side, size in axes:
            low = at - (at - offset) % side
            bounds.append((low, min(low + side, offset + size)))
        return bounds


class ImageChunks(PackedChunks):
    """The chunks of a precomputed scale that are images in JPEG XL, in shards or not."""

    async def read(self, chunk: Block, form: str) -> Voxels | None:
        """Return the voxels of a chunk, or None if it is absent; raise as the base does."""
        if not self._arrays.has_images_in_shards(self._level):
            return await super().read(chunk, form)
        store = await self._arrays.chunk_store(self._level)
        found = await store.read(self._key(chunk))
        return None if found.state != "value" else await self.decode(chunk, bytes(found.value))

    async def decode(self, chunk: Block, body: bytes) -> Voxels:
        """Return the voxels of a chunk from its bytes. Raises ValueError and RecordMissing."""
        z, y, x = (high - low for low, high in self._bounds(chunk))
        level = self._level
        plain = await asyncio.to_thread(decode_jxl, body, (z, y, x), level.channels, level.dtype)
        return await super().decode(chunk, plain)

    def _key(self, chunk: Block) -> bytes:
        """Return the key of the chunk in its shards."""
        level = self._level
        lows = (low for low, _ in self._bounds(chunk))
        axes = [*zip(lows, level.offset, level.chunk, level.shape, strict=True)][::-1]
        cell = tuple((low - offset) // side for low, offset, side, _ in axes)
        return shard_key(cell, tuple(-(-size // side) for _, _, side, size in axes))

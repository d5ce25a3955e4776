"""Chunks of a precomputed scale that lie packed beside their names: NAME.gz, NAME.br, ...

tensorstore knows plain names only. So the file is fetched from the same store, unpacked, and
decoded by tensorstore from memory, under the plain name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.volumes.crop.open_arrays import CHUNK_BYTES, open_arrays_of, tensorstore
from imgcrawl.volumes.metadata.packed import unpack

if TYPE_CHECKING:
    import numpy as np
    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Level
    from imgcrawl.volumes.crop.blocks import Block
    from imgcrawl.volumes.crop.open_arrays import ArraySource
    from imgcrawl.volumes.metadata.packed import PackedNames

_KEY = "scale"  # in memory; the real one may have ".." in it


class PackedChunks:
    """The packed chunks of one scale, for one box. `names`: what is known of their names."""

    def __init__(
        self, crawler: Crawler, level: Level, spec: dict[str, Any], names: PackedNames
    ) -> None:
        self._crawler = crawler
        self._level = level
        self._spec = spec
        self._asked = False
        self.names = names

    @classmethod
    def of(cls, crawler: Crawler, level: Level, source: ArraySource) -> PackedChunks | None:
        """Return those of a level, or None if its chunks can have no other names."""
        if level.driver != "neuroglancer_precomputed":
            return None
        spec = source.array.spec().to_json()
        if spec["scale_metadata"].get("sharding") is not None:
            return None
        spec |= {"kvstore": "memory://", "open": True, "assume_metadata": True}
        spec["scale_metadata"]["key"] = _KEY
        for name in ("transform", "scale_index"):
            spec.pop(name, None)
        key = f"{level.address.url}{level.name}"
        return cls(crawler, level, spec, open_arrays_of(crawler).packed[key])

    def suffixes(self) -> tuple[str, ...]:
        """Return what the next absent chunk is asked for."""
        first, self._asked = not self._asked, True
        return self.names.suffixes(first=first)

    async def fetch(self, chunk: Block, suffix: str) -> bytes | None:
        """Return the file of a packed chunk, or None if there is none. Raises ValueError."""
        store = await open_arrays_of(self._crawler).chunk_store(self._level)
        found = await store.read(f"{self._name(chunk)}{suffix}")
        return bytes(found.value) if found.state == "value" else None

    async def decode(self, chunk: Block, body: bytes, suffix: str) -> np.ndarray[Any, Any]:
        """Return the voxels (c, z, y, x) of a packed chunk. Raises RecordMissing and ValueError."""
        array = await tensorstore(0).open(self._spec)
        await array.kvstore.write(f"{_KEY}/{self._name(chunk)}", unpack(body, suffix, CHUNK_BYTES))
        channels, z, y, x = (slice(a, b) for a, b in zip(chunk.start, chunk.stop, strict=True))
        voxels: np.ndarray[Any, Any] = (await array[x, y, z, channels].read()).transpose()
        return voxels

    def _name(self, chunk: Block) -> str:
        """Return the plain name of the chunk that a part of the box lies in."""
        level = self._level
        axes = zip(chunk.start[1:], level.offset, level.chunk, level.shape, strict=True)
        bounds = []
        for at, offset, side, size in axes:
            low = at - (at - offset) % side
            bounds.append(f"{low}-{min(low + side, offset + size)}")
        return "_".join(reversed(bounds))

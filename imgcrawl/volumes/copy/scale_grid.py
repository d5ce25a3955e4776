"""The objects of one scale of a precomputed volume: chunks named by their bounds, or shards.

Source: src/datasource/precomputed/volume.md and sharded.md of neuroglancer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, TypeAlias

Place: TypeAlias = tuple[int, ...]
Naming: TypeAlias = tuple[Place, Callable[[Place], str]]  # counts by axis, and the name at a place

_MAX_SHARD_BITS = 24


def chunk_naming(scale: dict[str, Any], chunk: list[int]) -> Naming:
    """Return how many chunks of a size there are along x, y, z, and how they are named."""
    size = scale["size"]
    offset = scale.get("voxel_offset") or [0, 0, 0]

    def name(at: Place) -> str:
        bounds = [
            (low + n * step, low + min((n + 1) * step, side))
            for n, step, side, low in zip(at, chunk, size, offset, strict=True)
        ]
        return "_".join(f"{low}-{high}" for low, high in bounds)

    return _counts(size, chunk), name


def shard_naming(scale: dict[str, Any]) -> Naming:
    """Return how many shards there are, and how they are named.

    Of a scale without a hash only those that a chunk falls into: others cannot be.
    Raises ValueError for more shards than any volume has.
    """
    sharding = scale["sharding"]
    bits = int(sharding["shard_bits"])
    if not 0 <= bits <= _MAX_SHARD_BITS:
        raise ValueError(f"{bits} bits of shards")

    def name(number: int) -> str:
        return f"{number:0{ceil(bits / 4) or 1}x}.shard"

    dropped = int(sharding.get("preshift_bits", 0)) + int(sharding.get("minishard_bits", 0))
    counts = _counts(scale["size"], scale["chunk_sizes"][0])
    order = _curve(counts)
    if sharding.get("hash") != "identity" or len(order) > dropped + bits:
        return (1 << bits,), lambda at: name(at[0])
    kept = order[dropped:]
    below = [sum(axis == each for each, _ in order[:dropped]) for axis in range(3)]

    def of_cell(at: Place) -> str:
        return name(
            sum((at[axis] >> (bit - below[axis]) & 1) << n for n, (axis, bit) in enumerate(kept))
        )

    return tuple(-(-n >> low) for n, low in zip(counts, below, strict=True)), of_cell


def _counts(size: list[int], chunk: list[int]) -> Place:
    if not all(type(side) is int and side > 0 for side in [*size, *chunk]) or len(size) != 3:
        raise ValueError("its size or its chunks are none")
    return tuple(-(-side // step) for side, step in zip(size, chunk, strict=True))


def _curve(counts: Place) -> list[tuple[int, int]]:
    """Return axis and bit of each bit of the compressed Morton code, the lowest first."""
    most = max(count - 1 for count in counts).bit_length()
    return [(axis, bit) for bit in range(most) for axis in range(3) if (counts[axis] - 1) >> bit]

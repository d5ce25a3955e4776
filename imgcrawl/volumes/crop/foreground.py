"""An estimate of how much of a box is tissue, on a coarse level before the box is downloaded.

Foreground are the voxels that differ from 0 and from the background. Background is the most common
value in the eight corners of the coarsest level, if more than half of the voxels there have it:
a volume that fills its box has none. Voxels that were compressed by JPEG differ from a value when
they are more than 2 away from it.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import numpy as np

    from imgcrawl.records.volume import Level, Zyx

    Voxels: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # c, z, y, x
    Read: TypeAlias = Callable[[Level, Zyx, Zyx], Awaitable[Voxels]]

_ENOUGH = 64**3  # voxels that a box is judged by
_CORNER = 8  # voxels, the side of each corner
_NOISE = 2


class ForegroundEstimate:
    """Estimates the foreground of boxes.

    levels: of the multiscale that the boxes are of
    read:   returns the voxels of a box
    """

    def __init__(self, levels: Sequence[Level], read: Read) -> None:
        self._levels = sorted(levels, key=lambda level: -prod(level.shape))
        self._read = read
        self._background: list[float] | None = None

    async def foreground(self, level: Level, origin: Zyx, shape: Zyx) -> float:
        """Return the part of a box that is foreground, 0 to 1, of its first channel."""
        values = [0.0, *await self._find_background()]
        boxes = [(each, *map_box(level, each, origin, shape)) for each in self._levels]
        # The finest level of which the box has few voxels; the coarsest, where it has many of all.
        small = [box for box in boxes if prod(box[2]) <= _ENOUGH]
        there, first, sides = (small or boxes[-1:])[0]
        voxels = (await self._read(there, first, sides))[0]
        noise = _NOISE if there.encoding == "jpeg" else 0
        differs = None
        for value in values:
            away = abs(voxels.astype("float64") - value) > noise
            differs = away if differs is None else differs & away
        assert differs is not None
        return float(differs.mean())

    async def _find_background(self) -> list[float]:
        """Return the value of the background, or nothing if there is none."""
        if self._background is None:
            coarsest = self._levels[-1]
            counts: Counter[float] = Counter()
            for ends in product((False, True), repeat=3):
                voxels = (await self._read(coarsest, *_corner(coarsest, ends)))[0]
                counts.update(voxels.astype("float64").ravel().tolist())
            value, times = counts.most_common(1)[0]
            self._background = [value] if 2 * times > counts.total() else []
        return self._background


def map_box(level: Level, other: Level, origin: Zyx, shape: Zyx) -> tuple[Zyx, Zyx]:
    """Return origin and shape of a box of one level in the voxels of another of its multiscale."""
    first, sides = [], []
    for axis in range(3):
        factor = level.shape[axis] / other.shape[axis]
        start = int((origin[axis] - level.offset[axis]) / factor)
        start = min(start, other.shape[axis] - 1)
        side = max(1, round(shape[axis] / factor))
        first.append(other.offset[axis] + start)
        sides.append(min(side, other.shape[axis] - start))
    return (first[0], first[1], first[2]), (sides[0], sides[1], sides[2])


def _corner(level: Level, ends: tuple[bool, ...]) -> tuple[Zyx, Zyx]:
    sides = [min(_CORNER, side) for side in level.shape]
    first = [
        offset + (most - side if end else 0)
        for offset, most, side, end in zip(level.offset, level.shape, sides, ends, strict=True)
    ]
    return (first[0], first[1], first[2]), (sides[0], sides[1], sides[2])

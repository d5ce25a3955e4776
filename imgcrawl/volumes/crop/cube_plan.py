"""Cubes of several layers at one physical place: which voxels of which levels they are made of.

All is z, y, x in nanometres. The space of a layer begins at the corner of its finest level.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Crop, Resampling
from imgcrawl.volumes.crop.box import MAX_VOXELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgcrawl.records.volume import Format, Level, Multiscale, Zyx

Lengths: TypeAlias = tuple[float, float, float]  # z, y, x in nanometres
Role: TypeAlias = Literal["image", "label"]

_NEARLY = 1e-6  # of a voxel: a rounding error is none


@dataclass(frozen=True, slots=True)
class CubeLayer:
    """A layer that cubes are cut from.

    name: as it was asked for
    role: whether its voxels are averaged, or ids that are not
    """

    name: str
    picture: Multiscale
    role: Role

    @property
    def finest(self) -> Level:
        """Its finest level."""
        return self.picture.levels[0]

    def level(self, voxel: Lengths) -> Level:
        """Return the coarsest level that is no coarser than a voxel size, else the finest."""
        fine = [
            level
            for level in self.picture.levels
            if all(
                nm <= most * (1 + _NEARLY) for nm, most in zip(voxel_of(level), voxel, strict=True)
            )
        ]
        return max(fine, key=lambda level: math.prod(voxel_of(level)), default=self.finest)

    def extent(self) -> tuple[Lengths, Lengths]:
        """Return the corners of all its voxels."""
        level = self.finest
        axes = [*zip(self.corner(level), voxel_of(level), level.offset, level.shape, strict=True)]
        low = [corner + nm * offset for corner, nm, offset, _ in axes]
        high = [corner + nm * (offset + side) for corner, nm, offset, side in axes]
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def corner(self, level: Level) -> Lengths:
        """Return where the corner of voxel 0 of a level lies.

        What documents tell as the place of a coarse level is the middle of its first voxel, as
        OME-NGFF has it, or its corner: the one that lies nearer to the finest level's is meant.
        """
        found = []
        first = self.finest
        axes = zip(
            first.translation_nm,
            voxel_of(first),
            level.translation_nm,
            voxel_of(level),
            strict=True,
        )
        for start, fine, there, coarse in axes:
            zero = start or 0.0
            moved = (zero if there is None else there) - zero
            half = (coarse - fine) / 2
            found.append(zero + (moved - half if abs(moved - half) < abs(moved) else moved))
        return found[0], found[1], found[2]


def voxel_of(level: Level) -> Lengths:
    """Return the voxel size of a level. Raises SourceError if it is not known."""
    z, y, x = level.voxel_nm
    if z is None or y is None or x is None:
        raise SourceError(
            f"{level.address.shown} does not say how large its voxels are, and without that nobody "
            "knows where it lies: cubes of several layers cannot be cut from it."
        )
    return z, y, x


@dataclass(frozen=True, slots=True)
class CubeGrid:
    """The voxels that cubes are made of.

    voxel: their size
    zero:  where one of them begins, and so each of them by whole steps
    low:   of the space that all layers cover
    high:  likewise, its end
    """

    voxel: Lengths
    zero: Lengths
    low: Lengths
    high: Lengths

    @classmethod
    def of(cls, layers: Sequence[CubeLayer], voxel: Lengths | None) -> CubeGrid:
        """Return the grid of layers, by default of the first one's voxels. Raises SourceError."""
        first = layers[0]
        extents = [layer.extent() for layer in layers]
        low = _lengths(max(low[axis] for low, _ in extents) for axis in range(3))
        high = _lengths(min(high[axis] for _, high in extents) for axis in range(3))
        if any(a >= b for a, b in zip(low, high, strict=True)):
            shown = "\n".join(f"  {layer.name}: {_shown(*layer.extent())}" for layer in layers)
            raise SourceError(f"There is no place that all layers cover:\n{shown}")
        return cls(voxel or voxel_of(first.finest), first.extent()[0], low, high)

    def snapped(self, start: Lengths) -> Lengths:
        """Return the place of the grid that is nearest to another."""
        return _lengths(
            zero + math.floor((at - zero) / step + 0.5 + _NEARLY) * step
            for at, zero, step in zip(start, self.zero, self.voxel, strict=True)
        )

    def draw(self, size: Lengths, shape: Zyx, seed: int, number: int) -> Lengths:
        """Return where draw `number` begins: uniform over all places, the same for any voxel size.

        Each axis takes the first 16 bytes of sha256("SEED/NUMBER/AXIS") as a part of 1.
        """
        start = []
        for axis, low, high, side in zip("zyx", self.low, self.high, size, strict=True):
            digest = hashlib.sha256(f"{seed}/{number}/{axis}".encode()).digest()
            part = int.from_bytes(digest[:16]) / (1 << 128)
            start.append(low + part * max(0.0, high - low - side))
        return self.inside(self.snapped(_lengths(start)), shape)

    def inside(self, start: Lengths, shape: Zyx) -> Lengths:
        """Return a place moved by whole voxels so that a cube lies within, if it fits."""
        found = []
        for at, low, high, step, side in zip(
            start, self.low, self.high, self.voxel, shape, strict=True
        ):
            over = math.ceil((at + side * step - high) / step - _NEARLY)
            under = math.ceil((low - at) / step - _NEARLY)
            found.append(at - max(0, over) * step if over > 0 else at + max(0, under) * step)
        return _lengths(found)

    def holds(self, start: Lengths, shape: Zyx) -> bool:
        """Return whether a cube lies within what all layers cover."""
        return all(
            low - step * _NEARLY <= at and at + side * step <= high + step * _NEARLY
            for at, low, high, step, side in zip(
                start, self.low, self.high, self.voxel, shape, strict=True
            )
        )

    def clipped(self, start: Lengths, shape: Zyx) -> tuple[Lengths, Zyx] | None:
        """Return the part of a cube that all layers cover, or None if there is none."""
        first, sides = [], []
        for at, low, high, step, side in zip(
            start, self.low, self.high, self.voxel, shape, strict=True
        ):
            skip = max(0, math.ceil((low - at) / step - _NEARLY))
            stop = min(side, math.floor((high - at) / step + _NEARLY))
            first.append(at + skip * step)
            sides.append(stop - skip)
        if min(sides) < 1:
            return None
        return _lengths(first), (sides[0], sides[1], sides[2])

    def shape(self, size: Lengths) -> Zyx:
        """Return how many voxels a size takes, parts of one being whole. Raises SourceError."""
        sides = [
            max(1, math.ceil(side / step - _NEARLY))
            for side, step in zip(size, self.voxel, strict=True)
        ]
        if math.prod(sides) > MAX_VOXELS:
            raise SourceError(
                f"{' x '.join(map(str, sides))} voxels are more than one crop may have."
            )
        return sides[0], sides[1], sides[2]


def crop_of(
    layer: CubeLayer, grid: CubeGrid, start: Lengths, shape: Zyx, *, format_: Format, time: int
) -> Crop:
    """Return the voxels of a layer that a cube is made of, and how."""
    level = layer.level(grid.voxel)
    corner, is_label = layer.corner(level), layer.role == "label"
    origin, sides = [], []
    for axis in range(3):
        nm, step = voxel_of(level)[axis], grid.voxel[axis]
        at = (start[axis] - corner[axis]) / nm
        length = shape[axis] * step / nm
        half = step / nm / 2 if is_label else 0.0  # of ids, only what lies in a middle is taken
        first = math.floor(at + half + _NEARLY)
        stop = math.floor(at + length - half + _NEARLY) + 1 if is_label else 0
        stop = stop or math.ceil(at + length - _NEARLY)
        low, high = level.offset[axis], level.offset[axis] + level.shape[axis]
        first = min(max(first, low), high - 1)
        origin.append(first)
        sides.append(max(1, min(stop, high) - first))
    resampling = Resampling(corner, start, grid.voxel, shape, is_label)
    return Crop(
        level,
        (origin[0], origin[1], origin[2]),
        (sides[0], sides[1], sides[2]),
        format_,
        min(time, level.times - 1),
        resampling=resampling,
    )


def _lengths(values: Iterable[float]) -> Lengths:
    z, y, x = (float(f"{value:.12g}") for value in values)
    return z, y, x


def _shown(low: Lengths, high: Lengths) -> str:
    return ",".join(f"{a:g}:{b:g}nm" for a, b in zip(low, high, strict=True))

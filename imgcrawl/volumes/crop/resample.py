"""Voxels of a level on the disk made those of a cube: averaged over areas, or ids as they are."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrawl.records.volume import Raw
from imgcrawl.volumes.crop.writing.boxes import WriteBox, open_voxels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from imgcrawl.records.volume import Crop, Zyx
    from imgcrawl.volumes.crop.writing.boxes import VoxelFile

_BLOCK = 4 << 20  # voxels of the source that are in memory at a time, where a row is not longer
_NEARLY = 1e-6


def resample(raw: Raw, crop: Crop, path: Path, start: int) -> Raw:
    """Write the voxels of a cube into a file, from byte `start` on; return it. Blocks.

    raw: the voxels of the crop's own level; raises OSError
    """
    assert crop.resampling is not None
    shape = crop.resampling.shape
    channels = raw.shape[0]
    made = Raw(str(path), (channels, *shape), raw.dtype, start, raw.chunks)
    dtype = np.dtype(raw.dtype).newbyteorder("<")
    size = channels * math.prod(shape) * dtype.itemsize
    axes = [SourceAxis(crop, axis) for axis in range(3)]
    with path.open("wb") as file, open_voxels(raw) as voxels:
        file.truncate(start + size)
        for channel in range(channels):
            for z, y in _blocks(axes, shape, raw.shape[3]):
                block = _block(voxels, axes, channel, z, y).astype(dtype)
                for number, plane in enumerate(block):
                    at = ((channel * shape[0] + z[0] + number) * shape[1] + y[0]) * shape[2]
                    os.pwrite(file.fileno(), plane.tobytes(), start + at * dtype.itemsize)
    return made


class SourceAxis:
    """One axis of a cube, in voxels of the source that was read."""

    def __init__(self, crop: Crop, axis: int) -> None:
        cube = crop.resampling
        assert cube is not None
        nm = crop.level.voxel_nm[axis] or 1.0
        self._first = (cube.origin_nm[axis] - cube.corner_nm[axis]) / nm - crop.origin[axis]
        self.step = cube.voxel_nm[axis] / nm
        self._side = crop.shape[axis]
        self.length = cube.shape[axis]
        self.is_label = cube.is_label

    def window(self, start: int, stop: int) -> tuple[int, int]:
        """Return the voxels of the source that a stretch of the cube is made of."""
        if self.is_label:
            picked = self.picks(start, stop)
            return int(picked[0]), int(picked[-1]) + 1
        low = math.floor(self._first + start * self.step + _NEARLY)
        high = math.ceil(self._first + stop * self.step - _NEARLY)
        low = min(max(low, 0), self._side - 1)
        return low, min(max(high, low + 1), self._side)

    def picks(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the voxel of the source in which the middle of each voxel of a stretch lies."""
        middles = self._first + (np.arange(start, stop) + 0.5) * self.step
        found: NDArray[np.int64] = np.floor(middles + _NEARLY).astype(np.int64)
        return found.clip(0, self._side - 1)

    def reduce(self, voxels: NDArray[Any], axis: int, start: int, stop: int) -> NDArray[Any]:
        """Return a stretch of the cube from the voxels of its window, along an axis of them."""
        low, high = self.window(start, stop)
        if self.is_label:
            return np.take(voxels, self.picks(start, stop) - low, axis)
        edges = self._first + np.arange(start, stop + 1) * self.step
        whole = np.rint(edges)
        edges = np.where(abs(edges - whole) < _NEARLY, whole, edges)
        edges = np.clip(edges, low, high) - low
        # The integral up to each edge; what lies between two of them is a voxel of the cube.
        moved = np.moveaxis(voxels, axis, 0)
        sums = np.concatenate([np.zeros((1, *moved.shape[1:]), moved.dtype), moved.cumsum(0)])
        full = np.minimum(edges.astype(np.int64), high - low - 1)
        rest = (edges - full).reshape(-1, *([1] * (moved.ndim - 1)))
        until = sums[full] + moved[full] * rest
        widths = np.diff(edges).reshape(-1, *([1] * (moved.ndim - 1)))
        empty = widths <= 0  # beyond the edge of the source: its last voxel
        means = np.diff(until, axis=0) / np.where(empty, 1, widths)
        means = np.where(empty, moved[np.minimum(full[:-1], high - low - 1)], means)
        return np.moveaxis(means, 0, axis)


def _blocks(
    axes: list[SourceAxis], shape: Zyx, width: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return stretches of z and y that cover a cube, few voxels of the source in each."""
    found = []
    for z in range(shape[0]):
        low, high = axes[0].window(z, z + 1)
        rows = max(1, _BLOCK // ((high - low) * width))
        each = max(1, int(rows / max(axes[1].step, 1e-9)))
        found += [((z, z + 1), (y, min(y + each, shape[1]))) for y in range(0, shape[1], each)]
    return found


def _block(
    voxels: VoxelFile, axes: list[SourceAxis], channel: int, z: tuple[int, int], y: tuple[int, int]
) -> NDArray[Any]:
    """Return voxels of the cube (z, y, all of x), rounded where they are whole numbers."""
    (z0, z1), (y0, y1) = axes[0].window(*z), axes[1].window(*y)
    width = voxels.raw.shape[3]
    found: NDArray[Any] = voxels.read(WriteBox(channel, (z0, y0, 0), (z1, y1, width)))
    is_whole = found.dtype.kind in "biu"
    is_label = axes[0].is_label
    if not is_label:
        found = found.astype(np.complex128 if found.dtype.kind == "c" else np.float64)
    stretches = (z, y, (0, axes[2].length))
    for axis, (start, stop) in enumerate(stretches):
        found = axes[axis].reduce(found, axis, start, stop)
    return np.rint(found) if is_whole and not is_label else found

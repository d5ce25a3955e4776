"""The voxels on the disk, a box at a time.

Read with `pread` rather than mapped: the pages of a mapping count as the process's own memory.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imgcrawl.records.volume import Raw, Zyx

CHUNK = 64  # voxels a side, of the formats that are cut into chunks
MAX_BYTES = 16 << 20  # of a box held in memory


@dataclass(frozen=True, slots=True)
class WriteBox:
    """A part of one channel: from `low` up to, without, `high` (z, y, x)."""

    channel: int
    low: Zyx
    high: Zyx


def boxes(raw: Raw) -> Iterator[WriteBox]:
    """Yield boxes of whole chunks of at most MAX_BYTES, each voxel in one of them."""
    channels, *shape = raw.shape
    item = np.dtype(raw.dtype).itemsize
    step_x = _step(shape[2], MAX_BYTES // (CHUNK * CHUNK * item))
    step_y = _step(shape[1], MAX_BYTES // (CHUNK * min(step_x, shape[2]) * item))
    steps = (CHUNK, step_y, step_x)
    starts = [range(0, size, step) for size, step in zip(shape, steps, strict=True)]
    for channel, *low in product(range(channels), *starts):
        high = [min(a + step, size) for a, step, size in zip(low, steps, shape, strict=True)]
        yield WriteBox(channel, (low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _step(size: int, most: int) -> int:
    """Return as many whole chunks as fit, at least one, in voxels."""
    return size if size <= most else max(CHUNK, most // CHUNK * CHUNK)


@dataclass(frozen=True, slots=True)
class VoxelFile:
    """An open file of voxels."""

    raw: Raw
    file: int

    def read(self, box: WriteBox) -> NDArray[np.generic]:
        """Return the voxels of a box: z, y, x. Raises OSError if the file ends before them."""
        _, depth, height, width = self.raw.shape
        dtype = np.dtype(self.raw.dtype).newbyteorder("<")
        (z0, y0, x0), (z1, y1, x1) = box.low, box.high
        found = np.empty((z1 - z0, y1 - y0, x1 - x0), dtype)
        whole_rows = x1 - x0 == width
        for z in range(z0, z1):
            plane = (box.channel * depth + z) * height
            if whole_rows:
                self._into(found[z - z0], (plane + y0) * width)
                continue
            for y in range(y0, y1):
                self._into(found[z - z0, y - y0], (plane + y) * width + x0)
        return found

    def _into(self, voxels: NDArray[np.generic], first: int) -> None:
        """Fill a piece that lies in one run in the file, from voxel number `first` on."""
        space = voxels.view(np.uint8).reshape(-1).data
        at = self.raw.start + first * voxels.itemsize
        while space:
            got = os.preadv(self.file, [space], at)
            if not got:
                raise OSError(f"{self.raw.path} ends at byte {at:,}, before its last voxel")
            space, at = space[got:], at + got


@contextmanager
def open_voxels(raw: Raw) -> Iterator[VoxelFile]:
    """Yield the open file of voxels. Raises OSError."""
    file = os.open(raw.path, os.O_RDONLY)
    try:
        yield VoxelFile(raw, file)
    finally:
        os.close(file)

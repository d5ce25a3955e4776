"""How much of a cube of labels is labelled, and which ids it holds: by its own voxels, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imgcrawl.volumes.crop.read import read_box
from imgcrawl.volumes.crop.resample import SourceAxis

if TYPE_CHECKING:
    from collections.abc import Collection

    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Crop

_SLAB = 8 << 20  # voxels of the source that are in memory at a time, where a plane is not larger


async def label_share(
    crawler: Crawler, crop: Crop, wanted: Collection[int]
) -> tuple[float, set[int]]:
    """Return which part (0 to 1) of a cube is not 0, and which of the wanted ids it holds.

    Of its first channel. Raises RecordMissing.
    """
    cube = crop.resampling
    assert cube is not None
    axes = [SourceAxis(crop, axis) for axis in range(3)]
    depth = cube.shape[0]
    low, high = axes[0].window(0, depth)
    each = max(1, depth * _SLAB // max(1, (high - low) * crop.shape[1] * crop.shape[2]))
    labelled, found = 0, set[int]()
    for start in range(0, depth, each):
        stop = min(start + each, depth)
        low, high = axes[0].window(start, stop)
        origin = (crop.origin[0] + low, *crop.origin[1:])
        shape = (high - low, *crop.shape[1:])
        voxels, _ = await read_box(crawler, crop.level, origin, shape, time=crop.time)
        ids = voxels[0][axes[0].picks(start, stop) - low]
        ids = ids[:, axes[1].picks(0, cube.shape[1])][:, :, axes[2].picks(0, cube.shape[2])]
        labelled += int(np.count_nonzero(ids))
        if wanted:
            found |= set(wanted) & set(np.unique(ids).tolist())
    whole = cube.shape[0] * cube.shape[1] * cube.shape[2]
    return labelled / whole, found

"""Where a crop lies in the space of its volume, in nanometres."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.records.volume import Crop, Nanometres


def origin_nm(crop: Crop) -> Nanometres:
    """Return the place of the crop's first voxel (z, y, x) in nanometres.

    None along an axis of unknown voxel size. The level's translation is where voxel 0 of the
    array's own numbering lies.
    """
    z, y, x = (
        None if voxel is None else (moved or 0.0) + first * voxel
        for voxel, moved, first in zip(
            crop.level.voxel_nm, crop.level.translation_nm, crop.origin, strict=True
        )
    )
    return z, y, x


def size_nm(crop: Crop) -> Nanometres:
    """Return the extent of the crop (z, y, x) in nanometres.

    None along an axis of unknown voxel size.
    """
    z, y, x = (
        None if voxel is None else voxel * size
        for voxel, size in zip(crop.level.voxel_nm, crop.shape, strict=True)
    )
    return z, y, x

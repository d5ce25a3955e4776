"""OME-TIFF: one page for each plane, uncompressed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

import imgcrawl
from imgcrawl.volumes.crop.writing.boxes import WriteBox, open_voxels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imgcrawl.records.volume import Crop, Raw
    from imgcrawl.volumes.crop.writing.boxes import VoxelFile

_CLASSIC = (1 << 32) - (1 << 26)  # bytes of voxels beside which the pages' tags still fit
_PAGE = 512  # bytes of the tags of a page, at most


def write(raw: Raw, crop: Crop, target: Path) -> None:
    """Write pages by channel and z, one in memory at a time; BigTIFF beyond 4 GB.

    OME has no place for the origin of a stack: that is in the crop's own description.
    Raises OSError.
    """
    channels, depth, height, width = raw.shape
    dtype = np.dtype(raw.dtype)
    pages = channels * depth
    size = pages * (height * width * dtype.itemsize + _PAGE)
    with open_voxels(raw) as voxels:
        tifffile.imwrite(
            target,
            _planes(voxels, raw),
            shape=raw.shape if channels > 1 else raw.shape[1:],
            dtype=dtype.newbyteorder("<"),
            byteorder="<",
            bigtiff=size > _CLASSIC,
            ome=True,
            photometric="minisblack",
            software=f"imgcrawl {imgcrawl.__version__}",
            metadata=_description(crop, has_channels=channels > 1),
        )


def _planes(voxels: VoxelFile, raw: Raw) -> Iterator[NDArray[np.generic]]:
    channels, depth, height, width = raw.shape
    for channel in range(channels):
        for z in range(depth):
            yield voxels.read(WriteBox(channel, (z, 0, 0), (z + 1, height, width)))[0]


def _description(crop: Crop, *, has_channels: bool) -> dict[str, Any]:
    level = crop.level
    place = f"{level.address.url} {level.name} {crop.origin} {crop.shape} {crop.time}"
    metadata: dict[str, Any] = {
        "axes": "CZYX" if has_channels else "ZYX",
        "Name": f"{level.address.shown} {level.name}",
        # By default it is drawn at random, and the same crop would never be the same file.
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, place)),
    }
    for axis, voxel in zip("ZYX", level.voxel_nm, strict=True):
        if voxel is not None:
            metadata |= {f"PhysicalSize{axis}": voxel, f"PhysicalSize{axis}Unit": "nm"}
    return metadata

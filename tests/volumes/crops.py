"""Crops and their voxels, made up for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrawl.records.volume import Chunks, Crop, Format, Level, Raw, VolumeAddress
from imgcrawl.volumes.crop.writing import voxels_start

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ORIGIN = (128, 192, 320)
VOXEL_NM = (2.96, 4.0, 4.0)


def made_crop(
    format_: Format,
    shape: tuple[int, int, int, int],
    dtype: str,
    **level: Any,
) -> Crop:
    channels, z, y, x = shape
    told: dict[str, Any] = {
        "name": "s0",
        "address": VolumeAddress("s3://b/a.zarr/s0", "https://b.s3.amazonaws.com/a.zarr/s0/"),
        "driver": "zarr",
        "axes": ("c", "z", "y", "x") if channels > 1 else ("z", "y", "x"),
        "shape": tuple(a + b + 7 for a, b in zip(ORIGIN, (z, y, x), strict=True)),
        "dtype": dtype,
        "chunk": (64, 64, 64),
        "sha256": "ab" * 32,
        "channels": channels,
        "voxel_nm": VOXEL_NM,
        "translation_nm": (10.0, 20.0, 0.0),
    }
    return Crop(Level(**told | level), ORIGIN, (z, y, x), format_)


def made_raw(crop: Crop, path: Path) -> tuple[Raw, NDArray[Any]]:
    """Voxels at random, with zeros where a whole chunk is empty."""
    level = crop.level
    shape = (level.channels, *crop.shape)
    rng = np.random.default_rng(7)
    voxels = rng.integers(0, 256, (*shape, np.dtype(level.dtype).itemsize), np.uint8)
    if level.dtype.startswith("float"):
        whole = rng.normal(size=shape).astype(level.dtype)
    else:
        whole = voxels.view(np.dtype(level.dtype))[..., 0].copy()
    whole[:, :64, :64, :64] = 0
    first = voxels_start(crop)
    path.write_bytes(bytes(first) + whole.astype(whole.dtype.newbyteorder("<")).tobytes())
    return Raw(str(path), shape, level.dtype, first, Chunks(1, 2, 0)), whole

"""OME-Zarr: OME-NGFF 0.4 in Zarr v2, one level, which is what most programs read today."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from imgcrawl.volumes.crop.writing.boxes import CHUNK, boxes, open_voxels
from imgcrawl.volumes.crop.writing.coordinates import origin_nm

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.volume import Crop, Raw


def write(raw: Raw, crop: Crop, target: Path) -> None:
    """Write a group with the one array "0" (z, y, x; c, z, y, x if there are channels).

    Chunks of 64 voxels a side, compressed with zstd. All of them are stored, those of zeros too:
    one that is missing is a loss. Raises OSError, and ValueError where tensorstore cannot write.
    """
    import tensorstore as ts  # noqa: PLC0415 - 20 MB that only volumes need

    has_channels = raw.shape[0] > 1
    target.mkdir()
    (target / ".zgroup").write_text('{"zarr_format": 2}', "utf-8")
    attributes = json.dumps(_attributes(crop, has_channels=has_channels), indent=2)
    (target / ".zattrs").write_text(attributes, "utf-8")
    store = ts.open(_spec(raw, target, has_channels=has_channels), create=True).result()
    with open_voxels(raw) as voxels:
        for box in boxes(raw):
            z, y, x = (slice(a, b) for a, b in zip(box.low, box.high, strict=True))
            place = (box.channel, z, y, x) if has_channels else (z, y, x)
            store[place].write(voxels.read(box)).result()


def _spec(raw: Raw, target: Path, *, has_channels: bool) -> dict[str, Any]:
    shape = raw.shape if has_channels else raw.shape[1:]
    dtype = np.dtype(raw.dtype).newbyteorder("<")
    return {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{target / '0'}/"},
        "metadata": {
            "shape": shape,
            # The array may be smaller than a chunk; no padding then.
            "chunks": [1] * has_channels + [min(CHUNK, size) for size in raw.shape[1:]],
            "dtype": dtype.str,
            "dimension_separator": "/",
            "compressor": {"id": "zstd", "level": 3},
            "fill_value": False if dtype.kind == "b" else 0 if dtype.kind != "c" else None,
        },
        "store_data_equal_to_fill_value": True,
        "context": {
            "file_io_sync": False
        },  # a kill keeps what was written; a fsync a chunk is dear
    }


def _attributes(crop: Crop, *, has_channels: bool) -> dict[str, Any]:
    """Return the attributes that make a group a multiscale: axes, voxel size and place.

    Along an axis of unknown voxel size all is in voxels, and no unit is given.
    """
    axes: list[dict[str, str]] = [{"name": "c", "type": "channel"}] * has_channels
    scale, translation = [1.0] * has_channels, [0.0] * has_channels
    voxels = crop.level.voxel_nm
    for name, voxel, moved, first in zip("zyx", voxels, origin_nm(crop), crop.origin, strict=True):
        unit = {} if voxel is None else {"unit": "nanometer"}
        axes.append({"name": name, "type": "space", **unit})
        scale.append(1.0 if voxel is None else voxel)
        translation.append(float(first) if moved is None else moved)
    transforms = [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": translation},
    ]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    return {"multiscales": [{"version": "0.4", "name": "0", "axes": axes, "datasets": datasets}]}

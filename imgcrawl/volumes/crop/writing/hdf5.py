"""HDF5 as training programs read it: the datasets ``raw`` and ``label`` of a cube in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from imgcrawl.volumes.crop.writing import LABEL, dataset_name
from imgcrawl.volumes.crop.writing.boxes import CHUNK, boxes, open_voxels
from imgcrawl.volumes.crop.writing.coordinates import origin_nm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgcrawl.records.volume import Crop, Raw


def write(parts: Sequence[tuple[Raw, Crop, str]], target: Path) -> None:
    """Write each part as a dataset: z, y, x, or c, z, y, x if there are channels.

    parts: voxels, what they are of, and the name of the dataset; "" for that of its role
    Attributes: element_size_um (z, y, x; what Fiji and ilastik read), origin_nm, source; one
    that is not known is left out. The same parts are the same bytes.
    Raises OSError.
    """
    with h5py.File(target, "w") as file:
        for raw, crop, name in parts:
            _write_one(file, raw, crop, name or dataset_name(crop))


def _write_one(file: h5py.File, raw: Raw, crop: Crop, name: str) -> None:
    has_channels = raw.shape[0] > 1
    shape = raw.shape if has_channels else raw.shape[1:]
    chunks = tuple(min(CHUNK, side) for side in raw.shape[1:])
    made = file.create_dataset(
        name,
        shape,
        np.dtype(raw.dtype).newbyteorder("<"),
        chunks=(1, *chunks) if has_channels else chunks,
        # Ids pack well; pictures do not, and would be slower to read.
        compression="gzip" if dataset_name(crop) == LABEL else None,
        track_times=False,
    )
    with open_voxels(raw) as voxels:
        for box in boxes(raw):
            ranges = tuple(slice(a, b) for a, b in zip(box.low, box.high, strict=True))
            made[(box.channel, *ranges) if has_channels else ranges] = voxels.read(box)
    made.attrs["source"] = f"{crop.level.address.shown} {crop.level.name}"
    if None not in crop.level.voxel_nm:
        made.attrs["element_size_um"] = [(nm or 0.0) / 1000 for nm in crop.level.voxel_nm]
        made.attrs["origin_nm"] = [at or 0.0 for at in origin_nm(crop)]

"""HDF5 as training programs read it: the dataset ``raw`` or ``label``, and links to the others'.

Members of a cube are files of their own, so that each can be checked alone; by HDF5's external
links each of them holds ``raw`` and ``label``, whatever file it is that one opens.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import h5py
import numpy as np

from imgcrawl.volumes.crop.writing.boxes import CHUNK, boxes, open_voxels
from imgcrawl.volumes.crop.writing.coordinates import origin_nm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgcrawl.records.volume import Crop, CubeMember, Raw


def write(raw: Raw, crop: Crop, target: Path, others: Sequence[CubeMember]) -> None:
    """Write the voxels as z, y, x, or c, z, y, x if there are channels.

    Attributes: element_size_um (z, y, x; what Fiji and ilastik read), origin_nm, source; one
    that is not known is left out.
    others: the members of the same cube, which lie in the same folder
    Raises OSError.
    """
    has_channels = raw.shape[0] > 1
    shape = raw.shape if has_channels else raw.shape[1:]
    chunks = tuple(min(CHUNK, side) for side in raw.shape[1:])
    with h5py.File(target, "w") as file, open_voxels(raw) as voxels:
        made = file.create_dataset(
            _role(crop),
            shape,
            np.dtype(raw.dtype).newbyteorder("<"),
            chunks=(1, *chunks) if has_channels else chunks,
            # Ids pack well; pictures do not, and would be slower to read.
            compression="gzip" if _role(crop) == "label" else None,
        )
        for box in boxes(raw):
            ranges = tuple(slice(a, b) for a, b in zip(box.low, box.high, strict=True))
            made[(box.channel, *ranges) if has_channels else ranges] = voxels.read(box)
        made.attrs["source"] = f"{crop.level.address.shown} {crop.level.name}"
        if None not in crop.level.voxel_nm:
            made.attrs["element_size_um"] = [(nm or 0.0) / 1000 for nm in crop.level.voxel_nm]
            made.attrs["origin_nm"] = [at or 0.0 for at in origin_nm(crop)]
        for other in others:
            name, path = _role(other.crop), PurePosixPath(other.path)
            there = name if name not in file else f"{name}_{path.stem}"
            file[there] = h5py.ExternalLink(path.name, f"/{name}")


def _role(crop: Crop) -> str:
    """Return the name of a crop's dataset."""
    return "label" if crop.resampling is not None and crop.resampling.is_label else "raw"

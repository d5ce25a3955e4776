"""neuroglancer's precomputed format: one scale, unsharded, uncompressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.volumes.crop.writing.boxes import CHUNK, boxes, open_voxels

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.volume import Crop, Raw

_LABELS = frozenset({"uint32", "uint64"})


def write(raw: Raw, crop: Crop, target: Path) -> None:
    """Write a volume whose voxels keep the numbers that they have in the source.

    Chunks of 64 voxels a side, x, y, z, channel. An unknown voxel size becomes 1 nm, as the format
    cannot express it. Raises OSError, and ValueError where tensorstore cannot write.
    """
    import tensorstore as ts  # noqa: PLC0415 - 20 MB that only volumes need

    store = ts.open(_spec(raw, crop, target), create=True).result()
    with open_voxels(raw) as voxels:
        for box in boxes(raw):
            z, y, x = (
                slice(first + a, first + b)
                for first, a, b in zip(crop.origin, box.low, box.high, strict=True)
            )
            store[x, y, z, box.channel].write(voxels.read(box).transpose()).result()


def _spec(raw: Raw, crop: Crop, target: Path) -> dict[str, Any]:
    sizes = [1.0 if voxel is None else voxel for voxel in crop.level.voxel_nm]
    return {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{target}/"},
        "multiscale_metadata": {
            "data_type": raw.dtype,
            "num_channels": raw.shape[0],
            "type": "segmentation" if raw.dtype in _LABELS else "image",
        },
        "scale_metadata": {
            "size": [*reversed(crop.shape)],
            "resolution": [*reversed(sizes)],
            "voxel_offset": [*reversed(crop.origin)],
            "chunk_size": [CHUNK] * 3,
            "encoding": "raw",
        },
        # Readers take a missing chunk for an error, and rightly.
        "store_data_equal_to_fill_value": True,
        "context": {
            "file_io_sync": False
        },  # a kill keeps what was written; a fsync a chunk is dear
    }

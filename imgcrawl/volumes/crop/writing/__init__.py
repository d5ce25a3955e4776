"""From the voxels of a crop on the disk to a file or folder that other programs open.

One module a format. Each writes in constant memory, and is imported when it is needed only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.extras import is_importable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.records.volume import Crop, Format, Raw

FORMAT_NAMES: dict[Format, str] = {
    "ome-zarr": "OME-Zarr",
    "tiff": "OME-TIFF",
    "precomputed": "precomputed",
    "npy": "NPY",
    "hdf5": "HDF5",
}
EXTENSIONS: dict[Format, str] = {
    "ome-zarr": ".ome.zarr",
    "tiff": ".ome.tif",
    "precomputed": ".precomputed",
    "npy": ".npy",
    "hdf5": ".h5",
}

IN_ONE_FILE: frozenset[Format] = frozenset({"hdf5"})  # all members of a cube
LABEL = "label"

_SMALL = frozenset({"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32"})
_WIDE = _SMALL | {"int64", "uint64"}
_ANY = _WIDE | {"bool", "float16", "float64", "complex64", "complex128"}
_TYPES_OF: dict[Format, frozenset[str]] = {
    "ome-zarr": _ANY,
    "tiff": _SMALL | {"float64", "complex64", "complex128"},  # what the OME schema has words for
    "precomputed": _WIDE,
    "npy": _ANY,
    "hdf5": _ANY,
}


def check_dtype(format_: Format, dtype: str) -> None:
    """Raise ValueError if a format cannot hold a type, with the formats that can.

    dtype: numpy's name
    Also if what writes the format is not installed.
    """
    if format_ == "hdf5" and not is_importable("h5py"):
        raise ValueError("HDF5 needs h5py; type: pip install 'imgcrawl[volumes]'")
    if dtype in _TYPES_OF[format_]:
        return
    others = [name for name, types in _TYPES_OF.items() if dtype in types]
    if not others:
        raise ValueError(f"voxels of type {dtype} cannot be stored in any format here")
    raise ValueError(
        f"{FORMAT_NAMES[format_]} cannot hold {dtype}: type format={' or format='.join(others)}"
    )


def voxels_start(crop: Crop) -> int:
    """Return the byte at which the voxels begin in the file that they are read into.

    Not the first if that file is to become the result.
    """
    if crop.format != "npy":
        return 0
    from imgcrawl.volumes.crop.writing import npy  # noqa: PLC0415 - numpy

    return len(npy.header((crop.level.channels, *crop.shape), crop.level.dtype))


def dataset_name(crop: Crop) -> str:
    """Return the name of a crop's dataset in HDF5: ``raw`` or ``label``."""
    return LABEL if crop.resampling is not None and crop.resampling.is_label else "raw"


def write(parts: Sequence[tuple[Raw, Crop, str]], target: Path) -> Path:
    """Write voxels in the format of their crops; return where the result lies. Blocks.

    parts:  one; or of a format that holds several (`IN_ONE_FILE`), all: voxels that begin at
            `voxels_start(crop)`, their crop as it is stored, and the name of the dataset
    target: a file or folder that is not there yet
    The result lies at `target`, or where `raw` was if that is the result now.
    Raises ValueError for a type that the format cannot hold, and OSError.
    """
    raw, crop, _ = parts[0]
    # Each brings a library that a crawl of pictures does not need.
    for each, of, _ in parts:
        check_dtype(of.format, each.dtype)
    match crop.format:
        case "ome-zarr":
            from imgcrawl.volumes.crop.writing import ome_zarr  # noqa: PLC0415

            ome_zarr.write(raw, crop, target)
        case "tiff":
            from imgcrawl.volumes.crop.writing import tiff  # noqa: PLC0415

            tiff.write(raw, crop, target)
        case "precomputed":
            from imgcrawl.volumes.crop.writing import precomputed  # noqa: PLC0415

            precomputed.write(raw, crop, target)
        case "hdf5":
            from imgcrawl.volumes.crop.writing import hdf5  # noqa: PLC0415

            hdf5.write(parts, target)
        case "npy":
            from imgcrawl.volumes.crop.writing import npy  # noqa: PLC0415

            npy.finish(raw)
            return Path(raw.path)
    return target

"""The middle slice of a cube that is a folder of chunks: OME-Zarr or precomputed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.records.extras import is_installed

if TYPE_CHECKING:
    from pathlib import Path

_DRIVERS = {
    ".ome.zarr": ("zarr", "0"),  # as crops are written: one level, called 0
    ".precomputed": ("neuroglancer_precomputed", ""),
}
_LONGEST = 64 << 20  # bytes of a slice, as its documents say
_MOST_AXES = 6
_MOST_FILES = 20_000


def is_cube_folder(name: str) -> bool:
    """Return whether a file name of OUT is that of such a cube, and it can be read here."""
    return name.endswith(tuple(_DRIVERS)) and is_installed("volumes")


def middle_slice(folder: Path) -> Any:
    """Return the middle z slice of a cube, (y, x). Raises ValueError if it cannot be read.

    A folder may have come from others: what its documents promise is looked at before it is read.
    """
    import tensorstore as ts  # noqa: PLC0415 - 50 MB, and few have such cubes

    for number, path in enumerate((folder, *folder.rglob("*"))):
        if path.is_symlink() or number > _MOST_FILES:
            raise ValueError("a link may lead to what is none of the dataset's")
    driver, level = next(found for end, found in _DRIVERS.items() if folder.name.endswith(end))
    kvstore = {"driver": "file", "path": f"{folder / level}/"}
    context = ts.Context({"cache_pool": {"total_bytes_limit": 0}})
    found = ts.open({"driver": driver, "kvstore": kvstore}, read=True, context=context).result()
    if driver == "neuroglancer_precomputed":  # x, y, z, channel
        found = found[..., 0].transpose([2, 1, 0])
    if not 2 < found.rank <= _MOST_AXES:
        raise ValueError("it is no cube")
    while found.rank > 2:
        found = found[(found.domain[0].inclusive_min + found.domain[0].exclusive_max) // 2]
    chunk = found.chunk_layout.read_chunk.shape or found.shape
    if found.dtype.numpy_dtype.itemsize * max(found.size, _product(chunk)) > _LONGEST:
        raise ValueError("its slices are too large for a small picture")
    return found.read().result()


def _product(numbers: Any) -> int:
    product = 1
    for number in numbers:
        product *= int(number or 1)
    return product

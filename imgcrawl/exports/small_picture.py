"""A small picture of any record: of a picture, of a cube its middle slice."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from imgcrawl.exports.cube_folder import is_cube_folder, middle_slice
from imgcrawl.pictures.thumbnail import thumbnail
from imgcrawl.records.errors import StoreError
from imgcrawl.storage.base import require_name

if TYPE_CHECKING:
    from imgcrawl.storage.base import Storage

_LONGEST = 64 << 20  # bytes of a file that is opened for a picture of it


def small_picture(storage: Storage, row: dict[str, Any], side: int) -> bytes | None:
    """Return a JPEG or PNG of a record's file, or None if none can be made of it.

    side: the longest side, pixels. Of a cube it is the middle slice.
    """
    name = str(row.get("file_name") or "")
    try:
        if storage.is_local and is_cube_folder(name):
            require_name(name)
            return _small(_middle(middle_slice(Path(str(storage)) / name)), "PNG", side)
        if not name or (size := storage.size(name)) is None or size > _LONGEST:
            return None
        with storage.open(name) as file:
            body = file.read()
        if name.endswith(".npy"):
            body, kind = _middle(np.load(BytesIO(body), allow_pickle=False)), "PNG"
        elif name.endswith((".tif", ".tiff")) and not row.get("format"):
            import tifffile  # noqa: PLC0415 - few have cubes

            body, kind = _middle(tifffile.imread(BytesIO(body))), "PNG"
        else:
            with Image.open(BytesIO(body)) as opened:
                kind = str(opened.format)
    except (OSError, StoreError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return _small(body, kind, side)


def _small(body: bytes, kind: str, side: int) -> bytes | None:
    made = thumbnail(body, kind, (side, side))
    return made.data if made is not None else None


def _middle(cube: np.ndarray[Any, Any]) -> bytes:
    """Return the middle z slice of a cube (..., z, y, x) as a PNG, its range made visible."""
    while cube.ndim > 2:
        cube = cube[cube.shape[0] // 2]
    values = cube.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    made = BytesIO()
    Image.fromarray(grey).save(made, "PNG")
    return made.getvalue()

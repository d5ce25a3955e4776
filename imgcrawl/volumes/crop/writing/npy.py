"""NumPy's own format: the file that the voxels were read into, with a header before them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy_format

if TYPE_CHECKING:
    from imgcrawl.records.volume import Raw


def header(shape: tuple[int, int, int, int], dtype: str) -> bytes:
    """Return the header before the voxels: z, y, x, or c, z, y, x if there are channels.

    shape: c, z, y, x
    """
    header_fields = {
        "descr": np.dtype(dtype).newbyteorder("<").str,
        "fortran_order": False,
        "shape": shape if shape[0] > 1 else shape[1:],
    }
    buffer = BytesIO()
    npy_format.write_array_header_1_0(buffer, header_fields)
    return buffer.getvalue()


def finish(raw: Raw) -> None:
    """Make the file of the voxels a complete one, where it is.

    Raises ValueError if the voxels do not begin after the header, and OSError.
    """
    head = header(raw.shape, raw.dtype)
    if len(head) != raw.start:
        raise ValueError(
            f"the voxels begin at byte {raw.start}, and the header has {len(head)} bytes"
        )
    with Path(raw.path).open("r+b") as file:
        file.write(head)

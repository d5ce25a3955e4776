"""EXIF orientation, read from a TIFF structure without a decoder. Source: TIFF 6.0 section 2."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112
_MAX_EXIF_ENTRIES = 1000  # IFD0 of a camera has about a dozen


def orientation(exif: bytes) -> int | None:
    """Return the orientation (1 to 8) in a block of EXIF, or None without one.

    exif: the TIFF structure itself, with or without the six bytes "Exif" before it
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(order + "H", exif, start)
    room = (len(exif) - start - 2) // 12
    for index in range(min(count, room, _MAX_EXIF_ENTRIES)):
        tag, kind = struct.unpack_from(order + "HH", exif, start + 2 + 12 * index)
        if tag == _ORIENTATION:
            # A short by the standard; some cameras write a long.
            code = {3: "H", 4: "I"}.get(kind)
            if code is None:
                return None
            (value,) = struct.unpack_from(order + code, exif, start + 10 + 12 * index)
            return value if 1 <= value <= 8 else None
    return None

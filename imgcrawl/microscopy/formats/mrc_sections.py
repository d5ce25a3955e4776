"""The extended headers of MRC: what a microscope noted of each picture of a series.

FEI1 and FEI2 (Thermo Fisher): a block of 768 or 888 bytes a picture. SERI (SerialEM): so many
integers and floats a section. Sources: the descriptions of both, mrcfile's dtypes for the first.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgcrawl.microscopy.units import nanometres, positive
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import Extra
    from imgcrawl.microscopy.ranges import ByteRanges

_MAX_SECTIONS = 1000
_MAX_ANGLES = 200  # in one cell
_MAX_BYTES = 4 << 20
_FEI = {b"FEI1": 768, b"FEI2": 888}
_VOLTAGE, _DOSE, _TILT, _PIXEL, _DEFOCUS, _MAGNIFICATION, _EXPOSURE = (
    84,
    92,
    100,
    156,
    220,
    289,
    419,
)
_CAMERA, _MICROSCOPE = 435, 20
_TILT_FLAG, _SERIALEM_TILT = 1, 0.01  # degrees
_SERIALEM_SHORTS = {1: 1, 2: 3, 4: 2, 8: 1, 16: 1, 32: 2}  # by flag, in this order


@dataclass(frozen=True, slots=True)
class MrcSections:
    """What an extended header says; is_series: its sections are pictures, not slices."""

    is_series: bool = False
    pixel_nm: float | None = None
    voltage_v: float | None = None
    magnification: float | None = None
    detector: str | None = None
    acquired: str | None = None
    extra: Extra = field(default_factory=dict)


def read_sections(
    ranges: ByteRanges, kind: bytes, order: str, length: int, sections: int
) -> MrcSections:
    """Return what the extended header of `length` bytes says of `sections` pictures."""
    data = ranges.read(1024, min(length, _MAX_BYTES))
    if kind in _FEI:
        return _fei(data, order, min(sections, _MAX_SECTIONS))
    if kind == b"SERI":
        head = ranges.read(0, 1024)
        size, flags = struct.unpack_from(order + "2h", head, 128)
        return _serialem(data, order, size, flags, min(sections, _MAX_SECTIONS))
    return MrcSections()


def _fei(data: bytes, order: str, sections: int) -> MrcSections:
    size = struct.unpack_from(order + "i", data)[0] if len(data) >= 4 else 0
    if size < 768 or len(data) < size:
        return MrcSections()

    def of(place: int, block: int = 0) -> float:
        found: float = struct.unpack_from(order + "d", data, block * size + place)[0]
        return found if math.isfinite(found) else 0.0

    blocks = range(min(sections, len(data) // size))
    extra = _angles([of(_TILT, block) for block in blocks])
    for column, place, factor in (
        ("dose", _DOSE, 1e-20),  # electrons to a square metre: to a square angstrom
        ("exposure", _EXPOSURE, 1.0),  # seconds
        ("defocus_um", _DEFOCUS, 1e6),
    ):
        if value := of(place):
            extra[column] = float(f"{value * factor:.6g}")
    if name := _text(data, _MICROSCOPE):
        extra["instrument"] = name
    return MrcSections(
        is_series=sections > 1,
        pixel_nm=nanometres(of(_PIXEL), "m"),
        voltage_v=positive(of(_VOLTAGE)),
        magnification=positive(of(_MAGNIFICATION)),
        detector=_text(data, _CAMERA),
        extra=extra,
    )


def _serialem(data: bytes, order: str, size: int, flags: int, sections: int) -> MrcSections:
    """Return the tilt angles, which come first of what a section has."""
    least = 2 * sum(shorts for flag, shorts in _SERIALEM_SHORTS.items() if flags & flag)
    if not flags & _TILT_FLAG or size < max(least, 2):
        return MrcSections(is_series=True)
    there = range(min(sections, len(data) // size))
    angles = [struct.unpack_from(order + "h", data, index * size)[0] for index in there]
    return MrcSections(is_series=True, extra=_angles([each * _SERIALEM_TILT for each in angles]))


def _angles(angles: list[float]) -> Extra:
    """Return the column of tilt angles in degrees; nothing of a picture that was not tilted."""
    if not any(angles) or not all(abs(angle) <= 180 for angle in angles):
        return {}
    shown = " ".join(f"{angle:.6g}" for angle in angles[:_MAX_ANGLES])
    return {"tilt_angles": shown + (" ..." if len(angles) > _MAX_ANGLES else "")}


def _text(data: bytes, place: int) -> str | None:
    raw = data[place : place + 16].partition(b"\0")[0]
    return printable(raw.decode("ascii", "replace")) or None

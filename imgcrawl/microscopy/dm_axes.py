"""What each axis of a DM image is: space, time, a spectrum, a detector, the places of a scan.

Their units tell most of it. A wavelength has a unit of length and is none, and the pixels of a
diffraction pattern are a detector's: that is said by the tags of what was measured. Axes count from
the fastest. Source: GMS, as rosettasciio's reader was found to read its files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.dm import Tags, at, group
from imgcrawl.microscopy.units import nanometres, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPECTRA = {"Spectrum", "Spectrum image"}
_DIFFRACTION = {"Diffraction image", "Diffraction"}
_SPECTRAL_SIGNALS = {"CL", "EELS", "X-ray"}
_ANGLES = ("rad", "deg", "\u00b0")


def axis_roles(data: Tags, info: Tags, sides: Sequence[int]) -> list[str]:
    """Return what each axis is: x, y, z, t, c (a spectrum), scan, or "" for a detector's.

    data, info: ImageData and ImageTags of the picture; sides: its dimensions, x first
    """
    units = [_unit(data, index) for index in range(len(sides))]
    count = len(group(data, "Dimensions"))  # of a profile, one, though its sides are two
    format_ = str(at(info, "Meta Data", "Format") or "")
    spectrum = _spectral_axis(info, format_, units[:count])
    is_reciprocal = [_is_reciprocal(unit) for unit in units[:2]]
    is_pattern = format_ in _DIFFRACTION or (len(is_reciprocal) == 2 and all(is_reciprocal))
    roles = []
    for index, unit in enumerate(units):
        if index == spectrum or unit.lower().endswith("ev"):
            roles.append("c")
        elif seconds(1, unit) is not None:
            roles.append("t")
        elif index < 2:
            roles.append("" if is_pattern else "xy"[index])
        elif is_pattern:
            roles.append("scan" if nanometres(1, unit) or len(sides) > 3 else "z")
        else:
            roles.append("z")
    return roles


def _spectral_axis(info: Tags, format_: str, units: Sequence[str]) -> int | None:
    """Return the axis of a spectrum; an axis of energies is known by its unit anyway."""
    signal = str(at(info, "Meta Data", "Signal") or "")
    is_light = bool(group(group(info, "Acquisition"), "Monarc Spectrometer"))
    if not (format_ in _SPECTRA or signal in _SPECTRAL_SIGNALS or is_light or "spim" in info):
        return None
    if any(unit.lower().endswith("ev") for unit in units):
        return None
    timeless = [index for index, unit in enumerate(units) if seconds(1, unit) is None]
    if len(timeless) == 1 or (len(units) == 2 and format_ in _SPECTRA):
        return timeless[0]
    # A picture at one wavelength has no such axis.
    return timeless[-1] if len(timeless) > 2 else None


def _unit(data: Tags, index: int) -> str:
    return str(at(data, "Calibrations", "Dimension", str(index), "Units") or "").strip()


def _is_reciprocal(unit: str) -> bool:
    return unit.startswith("1/") or unit.endswith("-1") or unit.lower().endswith(_ANGLES)

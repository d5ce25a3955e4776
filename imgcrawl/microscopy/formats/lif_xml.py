"""The description of a LIF or LOF: the XML that lists its images."""

from __future__ import annotations

import math
from typing import Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.markup import elements
from imgcrawl.microscopy.units import nanometres, positive, seconds
from imgcrawl.text.redact import printable

# Emission and excitation count as channels do: a picture for each wavelength.
_AXES = {"1": "x", "2": "y", "3": "z", "4": "t", "5": "emission", "9": "excitation"}
_MAX_IMAGES = 10_000


def read_lif_xml(text: str) -> dict[str, Any]:
    """Return the arguments of FileFacts of the largest image that the XML lists."""
    parts = text.split("<ImageDescription")[1 : 1 + _MAX_IMAGES]
    if not parts:
        return {}
    part = max(parts, key=lambda each: math.prod(_sizes(each).values()))
    sizes = _sizes(part)
    channels = elements(part, "ChannelDescription")
    bits = positive(channels[0].get("Resolution")) if channels else None
    waves = sizes.pop("emission", 1) * sizes.pop("excitation", 1)
    extra: Extra = {"images": len(parts)} if len(parts) > 1 else {}
    if waves > 1:
        extra["wavelengths"] = waves
    if names := ", ".join(filter(None, (each.get("LUTName", "") for each in channels))):
        extra["channels"] = printable(names)
    voxels = VoxelSizes()
    for each in elements(part, "DimensionDescription"):
        axis = _AXES.get(each.get("DimID", ""))
        steps = (positive(each.get("NumberOfElements")) or 0) - 1
        length = positive(each.get("Length"))
        if length is None or steps < 1:
            continue
        if axis in {"x", "y", "z"}:
            voxels.add(axis, nanometres(length / steps, each.get("Unit")), "file: LIF XML")
        elif axis == "t" and (step := seconds(length / steps, each.get("Unit"))):
            extra["time_step_s"] = step
    settings = elements(part, "ATLConfocalSettingDefinition")
    return {
        **{f"size_{axis}": size for axis, size in sizes.items()},
        **voxels.facts(),
        "size_c": max(1, len(channels)) * waves if channels or waves > 1 else None,
        "dtype": {8: "uint8", 12: "uint16", 16: "uint16", 32: "float32"}.get(int(bits or 0)),
        "magnification": positive(settings[0].get("Magnification")) if settings else None,
        "extra": extra,
    }


def _sizes(part: str) -> dict[str, int]:
    sizes = {}
    for each in elements(part, "DimensionDescription"):
        axis, size = _AXES.get(each.get("DimID", "")), positive(each.get("NumberOfElements"))
        if axis and size and size < 1 << 31:
            sizes[axis] = int(size)
    return sizes

"""The description of SerialEM's MDOC: lines of name and value, a section for each picture.

Source: SerialEM's documentation, "Format of the .mdoc file".
"""

from __future__ import annotations

import re
from typing import Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.units import nanometres, number, positive
from imgcrawl.text.redact import printable

_FIELD = re.compile(r"^[ \t]*(\w{1,40}) = ([^\r\n]{0,200})", re.MULTILINE)
_SECTION = re.compile(r"^\[(?:ZValue|FrameSet) = ", re.MULTILINE)
_TYPES = {0: "uint8", 1: "int16", 2: "float32", 6: "uint16"}
_MAX_ANGLES = 200


def read_mdoc(text: str) -> dict[str, Any]:
    """Return the arguments of FileFacts that an MDOC gives: of the stack beside it."""
    fields = _FIELD.findall(text)
    first: dict[str, str] = {}
    for name, value in fields:
        first.setdefault(name, value.strip())
    voxels = VoxelSizes()
    for axis in "xy":
        voxels.add(axis, nanometres(first.get("PixelSpacing"), "angstrom"), "file: PixelSpacing")
    sides = [positive(word) for word in first.get("ImageSize", "").split()]
    voltage = positive(first.get("Voltage"))
    return {
        **voxels.facts(),
        "size_x": int(sides[0]) if len(sides) == 2 and sides[0] else None,
        "size_y": int(sides[1]) if len(sides) == 2 and sides[1] else None,
        "size_z": len(_SECTION.findall(text)) or None,
        "dtype": _TYPES.get(int(number(first.get("DataMode")) or -1)),
        "voltage_v": voltage and voltage * 1000,
        "magnification": positive(first.get("Magnification")),
        "extra": _extra(fields, first),
    }


def _extra(fields: list[tuple[str, str]], first: dict[str, str]) -> Extra:
    extra: Extra = {}
    angles = [found for n, v in fields if n == "TiltAngle" and (found := number(v)) is not None]
    if angles:
        shown = " ".join(f"{angle:.6g}" for angle in angles[:_MAX_ANGLES])
        extra["tilt_angles"] = shown + (" ..." if len(angles) > _MAX_ANGLES else "")
    if dose := sum(number(v) or 0.0 for n, v in fields if n == "ExposureDose"):
        extra["dose"] = float(f"{dose:.6g}")  # of all pictures together
    if (exposure := positive(first.get("ExposureTime"))) is not None:
        extra["exposure"] = exposure
    if image := printable(first.get("ImageFile", "").replace("\\", "/").rpartition("/")[2]):
        extra["image_file"] = image
    return extra

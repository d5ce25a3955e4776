"""The description of Olympus FluoView: OIF, a text beside its pictures, and OIB, which holds both.

Source: files of the FV1000; oiffile (BSD) reads them so.
"""

from __future__ import annotations

import re
from typing import Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.units import iso_date, nanometres, number, positive, seconds
from imgcrawl.text.redact import printable

_SECTION = re.compile(r"^\[([^\]\r\n]{1,80})\]", re.MULTILINE)
_FIELD = re.compile(r"^([^=\r\n]{1,80})=[\"']?([^\r\n]{0,200}?)[\"']?\r?$", re.MULTILINE)
_TYPES = {1: "uint8", 2: "uint16", 4: "uint32"}


def decoded(data: bytes) -> str:
    """Return the text of an OIF, which is UTF-16 as a rule."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")


def main_stream(info: str) -> str:
    """Return which stream of an OIB is its OIF; info: the text of OibInfo.txt."""
    return _fields(info).get("OibSaveInfo", {}).get("MainFileName", "")


def read_oif(text: str) -> dict[str, Any]:
    """Return the arguments of FileFacts that the text of an OIF gives."""
    sections = _fields(text)
    sizes: dict[str, int] = {}
    voxels, extra = VoxelSizes(), Extra()
    picture = sections.get("Reference Image Parameter", {})
    for axis, name in (("x", "Width"), ("y", "Height")):
        size = nanometres(picture.get(f"{name}ConvertValue"), picture.get(f"{name}Unit"))
        voxels.add(axis, size, "file: OIF image parameters")
    for index in range(9):
        fields = sections.get(f"Axis {index} Parameters Common", {})
        axis, size = fields.get("AxisCode", "").lower(), positive(fields.get("MaxSize"))
        if axis not in {"x", "y", "z", "c", "t"} or not size:
            continue
        sizes[f"size_{axis}"] = int(size)
        ends = (number(fields.get("StartPosition")), number(fields.get("EndPosition")))
        if size > 1 and None not in ends:
            step = abs((ends[1] or 0) - (ends[0] or 0)) / (size - 1)
            if axis == "z":
                step = positive(fields.get("Interval")) or step
                voxels.add("z", nanometres(step, fields.get("UnitName")), "file: OIF axis")
            elif axis == "t" and (duration := seconds(step, fields.get("UnitName"))):
                extra["time_step_s"] = duration
    common = sections.get("Acquisition Parameters Common", {})
    if device := printable(common.get("Acquisition Device", "")):
        extra["instrument"] = device
    depth = int(positive(picture.get("ImageDepth")) or 0)
    return {
        **sizes,
        **voxels.facts(),
        "dtype": _TYPES.get(depth),
        "acquired": iso_date(common.get("ImageCaputreDate")),  # so it is written
        "extra": extra,
    }


def _fields(text: str) -> dict[str, dict[str, str]]:
    parts = _SECTION.split(text)
    return {
        name: dict(_FIELD.findall(body))
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }

"""The few attributes of an OME-XML description that are of use, found without an XML parser.

A hostile file could be a bomb for a parser; a search for start tags is safe.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from imgcrawl.microscopy.units import iso_date, nanometres, positive
from imgcrawl.text.redact import printable

_ATTRIBUTE = re.compile(r"\b(\w{1,64})\s?=\s?[\"']([^\"'<]{0,200})[\"']")
_DATE = re.compile(r"<(?:\w{1,20}:)?AcquisitionDate>([^<]{1,64})<")
_MICROMETRE = "\u00b5m"  # what the schema has where no unit is given
_MAX_SIZE = 1 << 31


@dataclass(frozen=True, slots=True)
class OmeXml:
    """The attributes of the first image of an OME-XML description.

    sizes:  pixels, by axis: z, y, x, c, t
    voxels: nanometres, by axis: z, y, x
    """

    sizes: dict[str, int] = field(default_factory=dict)
    voxels: dict[str, float] = field(default_factory=dict)
    acquired: str | None = None
    magnification: float | None = None
    detector: str | None = None


def parse_ome_xml(text: str) -> OmeXml:
    """Return what the description says of its first image."""
    pixels = _attributes(text, "Pixels")
    sizes = {}
    for axis in "zyxct":
        size = pixels.get(f"Size{axis.upper()}", "")
        if size.isascii() and size.isdigit() and 0 < int(size) < _MAX_SIZE:
            sizes[axis] = int(size)
    voxels = {}
    for axis in "zyx":
        name = f"PhysicalSize{axis.upper()}"
        size_nm = nanometres(pixels.get(name), pixels.get(f"{name}Unit", _MICROMETRE))
        if size_nm is not None:
            voxels[axis] = size_nm
    date = _DATE.search(text)
    detector = _attributes(text, "Detector")
    return OmeXml(
        sizes=sizes,
        voxels=voxels,
        acquired=iso_date(date[1]) if date else None,
        magnification=positive(_attributes(text, "Objective").get("NominalMagnification")),
        detector=printable(detector.get("Model") or detector.get("Type") or "") or None,
    )


def _attributes(text: str, element: str) -> dict[str, str]:
    """Return the attributes of the first start tag of an element."""
    tag = re.search(rf"<(?:\w{{1,20}}:)?{element}\s([^<>]{{0,4000}})>", text)
    if tag is None:
        return {}
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag[1])}

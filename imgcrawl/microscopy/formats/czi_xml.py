"""The description of a CZI: the XML of its metadata segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.markup import content, elements, section
from imgcrawl.microscopy.units import iso_date, nanometres, positive
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

_MAX_XML = 8 << 20
_START = 32 + 256  # of the XML in its segment
PIXEL_TYPES: dict[str, tuple[str, int | None]] = {
    "Gray8": ("uint8", None),
    "Gray16": ("uint16", None),
    "Gray32": ("uint32", None),
    "Gray32Float": ("float32", None),
    "Bgr24": ("uint8", 3),
    "Bgr48": ("uint16", 3),
    "Bgr96Float": ("float32", 3),
    "Bgra32": ("uint8", 4),
    "Gray64ComplexFloat": ("complex64", None),
}


def read_czi_xml(ranges: ByteRanges, place: int) -> dict[str, Any]:
    """Return the arguments of FileFacts that the metadata segment at byte `place` gives."""
    length = int.from_bytes(ranges.read(place + 32, 4), "little")
    if not place or not 0 < length <= _MAX_XML:
        return {}
    text = ranges.read(place + _START, length).decode("utf-8", "replace")
    information = section(text, "Information")
    image = section(information, "Image")
    dtype, samples = PIXEL_TYPES.get(content(image, "PixelType") or "", (None, None))
    sizes = {axis: positive(content(image, f"Size{axis.upper()}")) for axis in "xyzct"}
    facts: dict[str, Any] = {f"size_{axis}": n and int(n) for axis, n in sizes.items()}
    facts["size_c"] = (facts["size_c"] or 1) * samples if samples else facts["size_c"]
    return {
        **facts,
        **_voxels(text).facts(),
        "dtype": dtype,
        "acquired": iso_date(content(image, "AcquisitionDateAndTime")),
        "magnification": _magnification(information),
        "extra": _extra(image),
    }


def _voxels(text: str) -> VoxelSizes:
    voxels = VoxelSizes()
    scaling = section(text, "Scaling")
    for part in scaling.split("<Distance")[1:]:
        axis = (elements(f"<Distance{part}", "Distance") or [{}])[0].get("Id", "").lower()
        if axis in {"x", "y", "z"}:
            voxels.add(axis, nanometres(content(part, "Value"), "m"), "file: CZI scaling")
    return voxels


def _magnification(information: str) -> float | None:
    """Return the magnification of the objective that was used, or of the only one."""
    used = [each.get("Id") for each in elements(information, "ObjectiveRef")]
    found = {}
    for part in section(information, "Objectives").split("<Objective ")[1:]:
        name = (elements(f"<Objective {part}", "Objective") or [{}])[0].get("Id")
        found[name] = positive(content(part, "NominalMagnification"))
    if used and used[0] in found:
        return found[used[0]]
    return next(iter(found.values())) if len(found) == 1 else None


def _extra(image: str) -> Extra:
    extra: Extra = {}
    names = [each.get("Name", "") for each in elements(section(image, "Channels"), "Channel")]
    if shown := ", ".join(filter(None, names)):
        extra["channels"] = printable(shown)
    for column, name in (("scenes", "SizeS"), ("tiles", "SizeM")):
        if (count := positive(content(image, name))) and count > 1:
            extra[column] = int(count)
    return extra

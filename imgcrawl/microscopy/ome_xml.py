"""What an OME-XML description says of the picture in one file, found without an XML parser.

A hostile file could be a bomb for a parser; a walk over tags is safe. A set of files has the
description of all its images in each: `TiffData` and `UUID` tell which of them this file holds, and
which planes of it. Source: the OME model of 2016-06.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from imgcrawl.microscopy.markup import attributes
from imgcrawl.microscopy.units import iso_date, nanometres, positive, seconds
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import Extra

_TAG = re.compile(r"<(/?)(?:\w{1,20}:)?(\w{1,40})((?:\s[^<>]{0,4000})?)>([^<]{0,300})")
_MICROMETRE = "\u00b5m"  # what the schema has where no unit is given
_MAX_SIZE = 1 << 31
_MAX_TAGS = 300_000  # of a hundred thousand planes
_MAX_PLANES = 1_000_000
_MAX_CHANNELS = 100


@dataclass(frozen=True, slots=True)
class OmeXml:
    """What a description says of the image that the file holds; empty if it holds none of them.

    sizes:  pixels, by axis: z, y, x, c, t; of the planes that are in this file
    voxels: nanometres, by axis: z, y, x
    images: how many images the file holds
    """

    sizes: dict[str, int] = field(default_factory=dict)
    voxels: dict[str, float] = field(default_factory=dict)
    acquired: str | None = None
    magnification: float | None = None
    detector: str | None = None
    images: int = 0
    extra: Extra = field(default_factory=dict)


@dataclass(slots=True)
class _Planes:
    """A `TiffData`: attributes, and UUID and name of the file that has these planes."""

    attributes: dict[str, str]
    uuid: str = ""
    file_name: str = ""


@dataclass(slots=True)
class _Image:
    pixels: dict[str, str] = field(default_factory=dict)
    planes: list[_Planes] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    acquired: str = ""
    objective: str = ""
    detectors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Document:
    """The tags of a description that are of use, in order.

    objectives: magnification by ID; detectors: name by ID
    """

    uuid: str = ""
    images: list[_Image] = field(default_factory=list)
    objectives: dict[str, str] = field(default_factory=dict)
    detectors: dict[str, str] = field(default_factory=dict)


def parse_ome_xml(text: str, name: str = "") -> OmeXml:
    """Return what the description says of the image that its file holds.

    name: of the file, for a description without UUIDs
    """
    document = _read(text)
    held = [image for image in document.images if _own_planes(image, document.uuid, name)]
    if not held and len(document.images) == 1:
        held = document.images
    if not held:
        return OmeXml()
    image = held[0]
    voxels = {}
    for axis in "zyx":
        size = f"PhysicalSize{axis.upper()}"
        unit = image.pixels.get(f"{size}Unit", _MICROMETRE)
        if (size_nm := nanometres(image.pixels.get(size), unit)) is not None:
            voxels[axis] = size_nm
    return OmeXml(
        sizes=_sizes(image, _own_planes(image, document.uuid, name)),
        voxels=voxels,
        acquired=iso_date(image.acquired),
        magnification=positive(_used(document.objectives, [image.objective])),
        detector=printable(_used(document.detectors, image.detectors)) or None,
        images=len(held),
        extra=_extra(image),
    )


def _read(text: str) -> _Document:
    found = _Document()
    image: _Image | None = None
    for tag in islice(_TAG.finditer(text), _MAX_TAGS):
        closing, element, inner, content = tag.groups("")
        if closing:
            image = None if element == "Image" else image
            continue
        match element:
            case "OME":
                found.uuid = attributes(inner).get("UUID", "")
            case "Objective":
                own = attributes(inner)
                magnification = own.get("NominalMagnification", "")
                found.objectives[own.get("ID", "")] = magnification
            case "Detector":
                own = attributes(inner)
                model = own.get("Model") or own.get("Type") or ""
                found.detectors[own.get("ID", "")] = model
            case "Image":
                image = _Image()
                found.images.append(image)
            case "Pixels" if image is None:  # a fragment
                image = _Image()
                found.images.append(image)
                image.pixels = attributes(inner)
            case _ if image is not None:
                _note(image, element, inner, content)
            case "AcquisitionDate" if not found.images:
                found.images.append(_Image(acquired=content))
    return _joined(found)


def _joined(document: _Document) -> _Document:
    """Give a fragment's date, which stands before its pixels, to these."""
    first = document.images[0] if document.images else None
    if first is not None and not first.pixels and len(document.images) == 2 and first.acquired:
        document.images[1].acquired = first.acquired
        del document.images[0]
    return document


def _note(image: _Image, element: str, inner: str, content: str) -> None:
    match element:
        case "Pixels" if not image.pixels:
            image.pixels = attributes(inner)
        case "TiffData" if len(image.planes) < _MAX_PLANES:
            image.planes.append(_Planes(attributes(inner)))
        case "UUID" if image.planes:
            image.planes[-1].uuid = content.strip()
            image.planes[-1].file_name = attributes(inner).get("FileName", "")
        case "Channel" if len(image.channels) < _MAX_CHANNELS:
            image.channels.append(attributes(inner).get("Name", ""))
        case "AcquisitionDate":
            image.acquired = image.acquired or content
        case "ObjectiveSettings" | "ObjectiveRef":
            image.objective = image.objective or attributes(inner).get("ID", "")
        case "DetectorSettings" | "DetectorRef" if len(image.detectors) < _MAX_CHANNELS:
            image.detectors.append(attributes(inner).get("ID", ""))


def _own_planes(image: _Image, uuid: str, name: str) -> list[_Planes]:
    """Return which planes of an image are in this file."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return [
        planes
        for planes in image.planes
        if not (planes.uuid or planes.file_name)
        or (planes.uuid and planes.uuid == uuid)
        or (planes.file_name and planes.file_name == base)
    ]


def _sizes(image: _Image, planes: list[_Planes]) -> dict[str, int]:
    """Return the sizes of the part of an image that is in this file."""
    sizes = {}
    for axis in "zyxct":
        size = image.pixels.get(f"Size{axis.upper()}", "")
        if size.isascii() and size.isdigit() and 0 < int(size) < _MAX_SIZE:
            sizes[axis] = int(size)
    elsewhere = len(planes) < len(image.planes)
    order = [axis.lower() for axis in image.pixels.get("DimensionOrder", "")[2:]]
    if not (elsewhere and planes and sorted(order) == ["c", "t", "z"] and "z" in sizes):
        return sizes
    return sizes | _sizes_of_planes(sizes, planes, order)


def _sizes_of_planes(
    sizes: dict[str, int], planes: list[_Planes], order: list[str]
) -> dict[str, int]:
    """Return along each axis how many different places the planes have."""
    seen: dict[str, set[int]] = {axis: set() for axis in order}
    shape = [sizes.get(axis, 1) for axis in order]
    left = _MAX_PLANES
    for each in planes:
        first = [_index(each.attributes.get(f"First{axis.upper()}")) for axis in order]
        flat = first[0] + shape[0] * (first[1] + shape[1] * first[2])
        count = _index(each.attributes.get("PlaneCount"), 1) or 1
        for index in range(flat, min(flat + count, math.prod(shape), flat + left)):
            seen[order[0]].add(index % shape[0])
            seen[order[1]].add(index // shape[0] % shape[1])
            seen[order[2]].add(index // shape[0] // shape[1])
        left -= count
        if left < 0:
            return {}
    return {axis: len(places) for axis, places in seen.items() if places}


def _index(text: str | None, default: int = 0) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default


def _used(names: dict[str, str], used: list[str]) -> str:
    """Return the name of the instrument's part that was used, or of its only one."""
    wanted = dict.fromkeys(names[each] for each in used if each in names)
    if not any(used) and len(names) == 1:
        return next(iter(names.values()))
    return ", ".join(filter(None, wanted))


def _extra(image: _Image) -> Extra:
    extra: Extra = {}
    if names := ", ".join(filter(None, image.channels)):
        extra["channels"] = printable(names)
    step = seconds(image.pixels.get("TimeIncrement"), image.pixels.get("TimeIncrementUnit", "s"))
    if step is not None:
        extra["time_step_s"] = step
    return extra

"""How large the pixels of an HDF5 file's picture are, as its writers note it beside the picture.

Velox (Thermo Fisher) keeps a JSON document; NCEM's EMD an array of places along each axis; HyperSpy
a group for each axis; ilastik, MoBIE and others an attribute. Sources: files of these programs.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import Extra, VoxelSizes
from imgcrawl.microscopy.formats.hdf5_objects import attributes, links, read_object
from imgcrawl.microscopy.formats.hdf5_values import read_bytes, read_numbers
from imgcrawl.microscopy.units import nanometres, number, positive, seconds
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgcrawl.microscopy.formats.hdf5_objects import Hdf5Object
    from imgcrawl.microscopy.ranges import ByteRanges

_MAX_JSON = 60_000  # what Velox keeps for it
_EVEN = 1e-3  # by how much steps of an axis may differ
_YEARS = range(1990, 2100)


def read_velox(ranges: ByteRanges, metadata: Hdf5Object) -> dict[str, Any]:
    """Return the arguments of FileFacts that Velox' document of a picture gives."""
    text = read_bytes(ranges, metadata, _MAX_JSON).partition(b"\0")[0].decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}

    def at(*path: str) -> Any:
        found: Any = document
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    voxels = VoxelSizes()
    for axis, side, letter in (("x", "width", "X"), ("y", "height", "Y")):
        unit = at("BinaryResult", f"PixelUnit{letter}")
        step = nanometres(at("BinaryResult", "PixelSize", side), unit)
        voxels.add(axis, step, "file: Velox PixelSize")
    extra: Extra = {}
    if model := printable(str(at("Instrument", "InstrumentModel") or ""), 80):
        extra["instrument"] = model
    detector = at("BinaryResult", "Detector")
    return {
        "voltage_v": positive(at("Optics", "AccelerationVoltage")),
        "magnification": positive(at("Optics", "NominalMagnification")),
        "detector": printable(detector, 80) or None if isinstance(detector, str) else None,
        "acquired": _moment(at("Acquisition", "AcquisitionStartDatetime", "DateTime")),
        "extra": extra,
        **voxels.facts(),
    }


def _moment(value: object) -> str | None:
    """Return seconds since 1970 as ISO 8601, or None."""
    ticks = positive(value)
    if ticks is None or ticks > 1 << 33:
        return None
    moment = datetime.fromtimestamp(int(ticks), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment.year in _YEARS else None


def emd_axes(ranges: ByteRanges, beside: Mapping[str, int], rank: int) -> list[str] | None:
    """Return the letters of the axes by their names and units in NCEM's `dim1` ...; or None.

    An axis of angles, energies or of no unit has none.
    """
    places = [beside.get(f"dim{index + 1}") for index in range(rank)]
    if not all(places):
        return None
    letters = []
    for place in places:
        own = attributes(read_object(ranges, place or 0), ranges)
        unit = _emd_unit(next(iter(own.get("units", ())), None))
        name = str(next(iter(own.get("name", ())), "")).lower()
        letter = next((axis for axis in "xyz" if name in {axis, f"r_{axis}"}), "")
        is_time = seconds(1.0, unit) is not None
        letters.append(letter if nanometres(1.0, unit) else "t" if is_time else "")
    return letters if len(set(letters)) > 1 and len(letters) == len(set(letters)) else None


def read_axes(
    ranges: ByteRanges, beside: Mapping[str, int], axes: Sequence[str], picture: Hdf5Object
) -> VoxelSizes:
    """Return the sizes of pixels that stand beside a picture.

    beside: the objects of its group, by name; axes: the letters of its axes, slowest first
    """
    voxels = VoxelSizes()
    for index, axis in enumerate(axes):
        if axis not in {"x", "y", "z"}:
            continue
        if (place := beside.get(f"axis-{index}")) is not None:
            own = attributes(read_object(ranges, place), ranges)
            scale, unit = (next(iter(own.get(name, ())), None) for name in ("scale", "units"))
            voxels.add(axis, nanometres(scale, unit), "file: HyperSpy axes")
        elif (place := beside.get(f"dim{index + 1}")) is not None:
            dim = read_object(ranges, place)
            unit = next(iter(attributes(dim, ranges).get("units", ())), None)
            step = _step(read_numbers(ranges, dim, 1 << 16))
            voxels.add(axis, nanometres(step, _emd_unit(unit)), "file: EMD dimensions")
    # As ilastik and MoBIE write it: micrometres, in the order of the axes.
    sizes = [positive(size) for size in attributes(picture).get("element_size_um", ())]
    for axis, size in zip("zyx"[-len(sizes) :] if sizes else "", sizes, strict=False):
        voxels.add(axis, nanometres(size, "um"), "file: element_size_um")
    return voxels


def _step(places: tuple[float, ...]) -> float | None:
    """Return the distance of places that are evenly spaced, or None."""
    if len(places) < 2:
        return None
    step = (places[-1] - places[0]) / (len(places) - 1)
    even = all(
        abs(after - before - step) <= _EVEN * abs(step) + 1e-6 * abs(after)
        for before, after in pairwise(places)
    )
    return number(abs(float(f"{step:.6g}"))) if even else None


def _emd_unit(unit: object) -> object:
    """Return a unit as others write it: NCEM's "[n_m]" is nm."""
    return re.sub(r"[\[\]_]", "", unit) if isinstance(unit, str) else unit


def members(ranges: ByteRanges, group: Hdf5Object, most: int) -> dict[str, int]:
    """Return the objects of a group by name, at most so many."""
    found: dict[str, int] = {}
    for name, place in links(ranges, group):
        if len(found) >= most:
            break
        found.setdefault(name, place)
    return found

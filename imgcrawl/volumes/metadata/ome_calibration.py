"""The axes and voxel sizes that OME-NGFF says of a level, in each of its versions."""

from __future__ import annotations

from typing import Any, TypeAlias

from imgcrawl.microscopy.ome_transforms import OmeAxis, axes_in_system
from imgcrawl.microscopy.units import number
from imgcrawl.volumes.metadata.levels import Calibration, axes_of

_ScaleAndShift: TypeAlias = tuple[list[float | None], list[float]]


def ome_calibration(
    scales: dict[str, Any], dataset: dict[str, Any], count: int, where: str
) -> Calibration:
    """Return what a multiscale of OME-NGFF (0.1 to 0.6) says of a level of `count` dimensions.

    Until 0.5 these are transformations of the level, then those of all; in 0.6 those that lead to
    the level's coordinate system. Raises SourceError for axes that no picture has.
    """
    if (dimensions := axes_in_system(scales, dataset, count)) is not None:
        return _in_system(dimensions, where)
    names, units = _axes(scales.get("axes"))
    found = Calibration(axes_of(names, count, where))
    found.note_names(names)
    told = _transforms(dataset, count), _transforms(scales, count)
    (inner, shift), (outer, outer_shift) = (each or _nothing(count) for each in told)
    if None in told:
        found.problems.append(
            "its transformations are not one scale and one shift of numbers: voxel sizes are left "
            "empty"
        )
        inner, outer = [None] * count, [None] * count
    units += [None] * (count - len(units))
    for axis, unit, one, two, step, last in zip(
        found.axes, units, inner, outer, shift, outer_shift, strict=False
    ):
        size = None if one is None and two is None else _or_one(one) * _or_one(two)
        found.add(axis, unit, size, step * _or_one(two) + last)
    return found


def _in_system(dimensions: list[OmeAxis], where: str) -> Calibration:
    """Return what OME-NGFF 0.6 says of a level."""
    names = [each.name for each in dimensions]
    found = Calibration(axes_of(names, len(names), where))
    found.note_names(names)
    if any(each.factor is None for each in dimensions):
        taken = ", ".join(found.axes)
        found.problems.append(
            "its transformations are more than scales and shifts, or unknown here: voxel sizes are "
            f"left empty, and the axes are taken to be {taken}"
        )
    for axis, each in zip(found.axes, dimensions, strict=True):
        found.add(axis, each.unit, each.factor, each.shift)
    return found


def _axes(axes: object) -> tuple[list[object], list[object]]:
    """Return names and units of axes; in the first versions they were names only."""
    listed = _list(axes)
    names = [each.get("name") if isinstance(each, dict) else each for each in listed]
    return names, [each.get("unit") if isinstance(each, dict) else None for each in listed]


def _transforms(holder: dict[str, Any], count: int) -> _ScaleAndShift | None:
    """Return the scale and the translation of a list of transformations.

    None if there are others, or more of them, or values that are not `count` numbers.
    """
    scale, shift = _nothing(count)
    seen: set[object] = set()
    for each in _list(holder.get("coordinateTransformations")):
        kind = each.get("type") if isinstance(each, dict) else None
        if kind == "identity":
            continue
        values = _list(each.get(kind)) if kind in {"scale", "translation"} else []
        numbers = [number(value) for value in values]
        if len(numbers) != count or None in numbers or kind in seen:
            return None
        seen.add(kind)
        if kind == "scale":
            scale = numbers
        else:
            shift = [value or 0.0 for value in numbers]
    return scale, shift


def _nothing(count: int) -> _ScaleAndShift:
    return [None] * count, [0.0] * count


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

"""One array as a level: which of its axes is which, and its voxel size in nanometres."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.units import nanometres, number, positive
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Level
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgcrawl.microscopy.zarr_documents import ZarrArray
    from imgcrawl.records.volume import Driver, Nanometres, VolumeAddress, Zyx

_USUAL = ("t", "c", "z", "y", "x")
_SAME = {"channel": "c", "channels": "c", "time": "t"}
_MAX_SIDE = 1 << 40
_MAX_VOXELS = 1 << 60
_MAX_CHUNK = 1 << 31  # voxels: a chunk is held in memory as a whole


@dataclass(slots=True)
class Calibration:
    """The axes of an array in C order; by axis, voxel size and origin in nanometres if known."""

    axes: tuple[str, ...]
    voxel: dict[str, float] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=dict)  # of the first voxel

    def scaled(self, factors: Mapping[str, float]) -> Calibration:
        """Return the calibration of a level that is coarser by these factors."""
        found = {a: nanometres(nm * factors.get(a, 1.0), "nm") for a, nm in self.voxel.items()}
        voxel = {axis: nm for axis, nm in found.items() if nm is not None}
        return Calibration(self.axes, voxel, dict(self.origin))


def axes_of(names: Sequence[object], count: int, where: str) -> tuple[str, ...]:
    """Return the axes of an array of `count` dimensions, in C order.

    names: their names, if the documents have any; names without y and x are ignored, and the usual
          order is taken: t, c, z, y, x, of which the first may lack
    Raises SourceError.
    """
    found = [_SAME.get(str(name).lower(), str(name).lower()) for name in names]
    if len(found) == count and len(set(found)) == count and {"y", "x"} <= set(found):
        if strange := set(found) - set(_USUAL):
            words = printable(", ".join(sorted(strange)))
            raise SourceError(f"{where} has axes that are not known here: {words}.")
        return tuple(found)
    if not 2 <= count <= len(_USUAL):
        raise SourceError(f"{where} has {count} dimensions; a picture has 2 to {len(_USUAL)}.")
    return _USUAL[-count:]


def ome_calibration(
    scales: dict[str, Any], dataset: dict[str, Any], count: int, where: str
) -> Calibration:
    """Return what OME-NGFF (0.1 to 0.5) says of a level: its transformations, then those of all."""
    listed = _list(scales.get("axes"))
    axes = axes_of([e.get("name") if isinstance(e, dict) else e for e in listed], count, where)
    units = [e.get("unit") if isinstance(e, dict) else None for e in listed]
    inner, shift = _transforms(dataset, count)
    outer, outer_shift = _transforms(scales, count)
    found = Calibration(axes)
    for axis, unit, one, two, step, last in zip(
        axes, units, inner, outer, shift, outer_shift, strict=False
    ):
        size = None if one is None and two is None else (one or 1.0) * (two or 1.0)
        _add(found, axis, unit, size, step * (two or 1.0) + last)
    return found


def _transforms(holder: dict[str, Any], count: int) -> tuple[list[float | None], list[float]]:
    """Return the scale and the translation of a list of transformations."""
    scale: list[float | None] = [None] * count
    shift = [0.0] * count
    for each in _list(holder.get("coordinateTransformations")):
        kind = each.get("type") if isinstance(each, dict) else None
        values = _list(each.get(kind)) if isinstance(kind, str) else []
        if len(values) != count:
            continue
        if kind == "scale":
            scale = [positive(value) for value in values]
        elif kind == "translation":
            shift = [number(value) or 0.0 for value in values]
    return scale, shift


def array_calibration(array: ZarrArray, where: str, shift: Sequence[object] = ()) -> Calibration:
    """Return what an array says of itself.

    shift: the place of its first voxel, in the array's units
    """
    found = Calibration(axes_of(array.axes, len(array.shape), where))
    steps = [*shift] + [None] * (len(found.axes) - len(shift))
    for axis, unit, size, step in zip(found.axes, array.units, array.scale, steps, strict=False):
        _add(found, axis, unit, size, number(step) or 0.0)
    return found


def _add(found: Calibration, axis: str, unit: object, size: object, step: float) -> None:
    one, length = nanometres(1, unit), nanometres(size, unit)
    if axis in {"z", "y", "x"} and one is not None and length is not None:
        found.voxel[axis] = length
        if abs(step * one) <= 1e12:
            found.origin[axis] = _tidy(step * one)


def make_level(
    name: str,
    address: VolumeAddress,
    driver: Driver,
    array: ZarrArray,
    *,
    calibration: Calibration,
    sha256: str,
) -> Level:
    """Return the level that an array of Zarr or N5 is. Raises SourceError if it cannot be read."""
    where = f"{address.shown}"
    if array.dtype is None:
        raise SourceError(f"{where} has a data type that cannot be read here.")
    if len(array.chunks) != len(array.shape):
        raise SourceError(f"{where} does not say what its chunks are.")
    sides = dict(zip(calibration.axes, array.shape, strict=True))
    chunks = dict(zip(calibration.axes, array.chunks, strict=True))
    check_sizes(where, array.shape, array.chunks)
    # The dimensions of N5 count from x, and so do those that tensorstore gives them.
    axes = calibration.axes[::-1] if driver == "n5" else calibration.axes
    return Level(
        name=name,
        address=address,
        driver=driver,
        axes=axes,
        shape=_zyx(sides),
        dtype=array.dtype,
        chunk=_zyx(chunks),
        sha256=sha256,
        channels=sides.get("c", 1),
        times=sides.get("t", 1),
        voxel_nm=_nm(calibration.voxel),
        translation_nm=_nm(calibration.origin),
        encoding=array.compression or "",
    )


def check_sizes(where: str, shape: Sequence[int], chunk: Sequence[int]) -> None:
    """Raise SourceError for sizes that no volume has, or chunks that no memory holds."""
    if max(shape) > _MAX_SIDE or prod(shape) > _MAX_VOXELS:
        words = " x ".join(f"{side:,}" for side in shape)
        raise SourceError(f"{where} says that it has {words} voxels: that cannot be.")
    if prod(chunk) > _MAX_CHUNK:
        words = " x ".join(f"{side:,}" for side in chunk)
        raise SourceError(f"{where} has chunks of {words} voxels: they fit into no memory.")


def _zyx(sides: Mapping[str, int]) -> Zyx:
    return sides.get("z", 1), sides.get("y", 1), sides.get("x", 1)


def _nm(values: Mapping[str, float]) -> Nanometres:
    return values.get("z"), values.get("y"), values.get("x")


def _tidy(value: float) -> float:
    return float(f"{value:.12g}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

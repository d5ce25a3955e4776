"""One array as a level: which of its axes is which, and its voxel size in nanometres."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from imgcrawl.microscopy.units import nanometres, number
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
_FURTHEST = 1e12  # nanometres from the origin
_MAX_CHUNK = 1 << 31  # voxels: a chunk is held in memory as a whole


class NotVoxelsError(SourceError):
    """An array is there, and is no picture whose voxels can be read here: a copy needs none."""


@dataclass(slots=True)
class Calibration:
    """The axes of an array in C order; by axis, voxel size and origin in nanometres if known.

    origin:   of the first voxel
    problems: what the documents say and is not understood, in words
    """

    axes: tuple[str, ...]
    voxel: dict[str, float] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, axis: str, unit: object, size: object, step: float) -> None:
        """Add what the documents say of an axis, in their unit; step: the first voxel's place."""
        one, length = nanometres(1, unit), nanometres(size, unit)
        if axis not in {"z", "y", "x"} or size is None:
            return
        if unit in (None, ""):
            if number(size) not in {None, 1.0}:  # what nobody has set is 1
                self.problems.append("its voxel sizes have no unit: they are left empty")
            return
        if one is None or length is None:
            told = printable(f"{size} {unit}", 60)
            self.problems.append(f"the size of a voxel along {axis} is {told}: it is left empty")
            return
        self.voxel[axis] = length
        if abs(step * one) <= _FURTHEST:
            self.origin[axis] = _tidy(step * one)

    def note_names(self, names: Sequence[object]) -> None:
        """Note where the axes have names that do not say which is which."""
        told = {str(name).lower() for name in names if name} - _SAME.keys()
        if told and not told <= {*self.axes}:
            shown = printable(", ".join(map(str, names)), 100)
            taken = ", ".join(self.axes)
            self.problems.append(f"its axes are called {shown}, and are taken to be {taken}")

    def scaled(self, factors: Mapping[str, float]) -> Calibration:
        """Return the calibration of a level that is coarser by these factors."""
        found = {a: nanometres(nm * factors.get(a, 1.0), "nm") for a, nm in self.voxel.items()}
        voxel = {axis: nm for axis, nm in found.items() if nm is not None}
        return Calibration(self.axes, voxel, dict(self.origin), list(self.problems))


def axes_of(names: Sequence[object], count: int, where: str) -> tuple[str, ...]:
    """Return the axes of an array of `count` dimensions, in C order.

    names: their names, if the documents have any; names without y and x say nothing, and the usual
          order is taken: t, c, z, y, x, of which the first may lack
    Raises SourceError.
    """
    found = [_SAME.get(str(name).lower(), str(name).lower()) for name in names]
    if len(found) == count and len(set(found)) == count and {"y", "x"} <= set(found):
        if strange := set(found) - set(_USUAL):
            words = printable(", ".join(sorted(strange)))
            raise NotVoxelsError(f"{where} has axes that are not known here: {words}.")
        return tuple(found)
    if not 2 <= count <= len(_USUAL):
        raise NotVoxelsError(f"{where} has {count} dimensions; a picture has 2 to {len(_USUAL)}.")
    return _USUAL[-count:]


def array_calibration(array: ZarrArray, where: str, shift: Sequence[object] = ()) -> Calibration:
    """Return what an array says of itself.

    shift: the place of its first voxel, in the array's units
    """
    found = Calibration(axes_of(array.axes, len(array.shape), where))
    found.note_names(array.axes)
    steps = [*shift] + [None] * (len(found.axes) - len(shift))
    units = array.units or (None,) * len(array.scale)
    for axis, unit, size, step in zip(found.axes, units, array.scale, steps, strict=False):
        found.add(axis, unit, size, number(step) or 0.0)
    return found


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
        raise NotVoxelsError(f"{where} has a data type that cannot be read here.")
    if len(array.chunks) != len(array.shape):
        raise SourceError(f"{where} has no regular grid of chunks, or does not say what they are.")
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

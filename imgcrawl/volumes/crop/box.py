"""Boxes and sizes as people type them: z, y, x, in voxels or in lengths."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from imgcrawl.records.errors import SourceError

if TYPE_CHECKING:
    from imgcrawl.records.volume import Level, Zyx

MAX_VOXELS = 1 << 40  # of one crop
_MAX_SIDE = 1 << 40
_NUMBER = re.compile(r"(-?\d{1,18}(?:\.\d{1,12})?)\s*(nm|um|µm|μm)?\Z")
_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3}
_EXAMPLE = "0:100,200:300,400:500, or with units 0:800nm,1um:2um,0:4um"


@dataclass(frozen=True, slots=True)
class AxisRange:
    """A range of one axis, from `start` to before `stop`, in voxels or in nanometres."""

    start: float
    stop: float
    is_length: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A box: ranges along z, y, x."""

    ranges: tuple[AxisRange, AxisRange, AxisRange]

    @property
    def in_lengths(self) -> bool:
        """Whether all ranges are in nanometres, and so the same at every level."""
        return all(each.is_length for each in self.ranges)


@dataclass(frozen=True, slots=True)
class Size:
    """The lengths of three sides, z, y, x: each in voxels, or in nanometres."""

    sides: tuple[tuple[float, bool], tuple[float, bool], tuple[float, bool]]


def parse_box(text: str) -> Box:
    """Parse ``z0:z1,y0:y1,x0:x1``. A unit after the end is that of the start too.

    Raises ValueError that says what to type.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise ValueError(f"three ranges, z, y and x, as in {_EXAMPLE}")
    z, y, x = (_range(part, axis) for part, axis in zip(parts, "zyx", strict=True))
    box = Box((z, y, x))
    if not any(each.is_length for each in box.ranges):
        _check_voxels(tuple(int(each.stop - each.start) for each in box.ranges))
    return box


def parse_size(text: str) -> Size:
    """Parse ``z,y,x``, or one number for a cube. Raises ValueError that says what to type."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        parts *= 3
    if len(parts) != 3:
        raise ValueError("three numbers, z, y and x, as in 100,200,200; or one for a cube")
    sides = [_side(part) for part in parts]
    if any(value <= 0 for value, _ in sides):
        raise ValueError("a cube of no size; type numbers above 0")
    if not any(is_length for _, is_length in sides):
        _check_voxels(tuple(int(value) for value, _ in sides))
    return Size((sides[0], sides[1], sides[2]))


def box_in_level(box: Box, level: Level) -> tuple[Zyx, Zyx]:
    """Return origin and shape of a box in a level's own numbering, not clipped.

    Lengths begin at the corner of voxel 0. Voxels that are cut are taken whole: the start is
    rounded down, the end up. Raises SourceError for a length in a level of unknown voxel size.
    """
    origin, shape = [], []
    for axis, each, nm in zip("zyx", box.ranges, level.voxel_nm, strict=True):
        step = _step(level, axis, nm) if each.is_length else 1.0
        # A rounding error is not a voxel: 0.3 / 0.1 is 2.9999999999999996.
        start = math.floor(each.start / step + 1e-6)
        stop = math.ceil(each.stop / step - 1e-6)
        origin.append(start)
        shape.append(max(1, stop - start))
    return (origin[0], origin[1], origin[2]), (shape[0], shape[1], shape[2])


def size_in_level(size: Size, level: Level) -> Zyx:
    """Return a size in the voxels of a level, not clipped; lengths are rounded up.

    Raises SourceError for a length in a level of unknown voxel size.
    """
    sides = []
    for axis, (value, is_length), nm in zip("zyx", size.sides, level.voxel_nm, strict=True):
        step = _step(level, axis, nm) if is_length else 1.0
        sides.append(max(1, math.ceil(value / step - 1e-6)))
    return sides[0], sides[1], sides[2]


def clip(level: Level, origin: Zyx, shape: Zyx) -> tuple[Zyx, Zyx]:
    """Return the part of a box that lies in a level. Raises SourceError if there is none."""
    first, last = [], []
    for start, side, offset, most in zip(origin, shape, level.offset, level.shape, strict=True):
        first.append(max(start, offset))
        last.append(min(start + side, offset + most))
    if any(stop <= start for start, stop in zip(first, last, strict=True)):
        whole = format_box(level.offset, level.shape)
        raise SourceError(
            f"box={format_box(origin, shape)} lies outside of {level.name}, which has {whole} "
            "(z, y, x). Type a box within that."
        )
    sides = [stop - start for start, stop in zip(first, last, strict=True)]
    try:
        _check_voxels(tuple(sides))
    except ValueError as error:
        raise SourceError(f"{error}.") from error
    return (first[0], first[1], first[2]), (sides[0], sides[1], sides[2])


def format_box(origin: Zyx, shape: Zyx) -> str:
    """Format a box as it is typed: z0:z1,y0:y1,x0:x1."""
    pairs = zip(origin, shape, strict=True)
    return ",".join(f"{start}:{start + side}" for start, side in pairs)


def _range(text: str, axis: str) -> AxisRange:
    first, has_colon, second = text.partition(":")
    if not has_colon:
        raise ValueError(f"{axis}: {text!r} is no range; type START:STOP, as in {_EXAMPLE}")
    stop, stop_is_length = _number(second, axis)
    unit = re.search(r"[a-zµμ]+\Z", second.strip())
    if unit and not re.search(r"[a-zµμ]\Z", first.strip()):
        first += unit[0]
    start, start_is_length = _number(first, axis)
    if start_is_length != stop_is_length:
        raise ValueError(f"{axis}: {text!r} begins with a unit and ends without; type both")
    if stop <= start:
        raise ValueError(f"{axis}: {text!r} ends where it begins, or before; type START:STOP")
    return AxisRange(start, stop, stop_is_length)


def _side(text: str) -> tuple[float, bool]:
    if _NUMBER.match(text) is None:
        raise ValueError(
            f"{text!r} is no size; type voxels or lengths, as in 100,200,200 or 1um,800nm,800nm"
        )
    return _number(text, "size")


def _number(text: str, axis: str) -> tuple[float, bool]:
    """Return a number of voxels and False, or of nanometres and True."""
    match = _NUMBER.match(text.strip())
    if match is None:
        raise ValueError(f"{axis}: {text.strip()!r} is no number; type as in {_EXAMPLE}")
    if match[2]:
        return float(match[1]) * _NM[match[2]], True
    if "." in match[1]:
        raise ValueError(f"{axis}: {match[1]} is no number of voxels; a length has a unit: nm, um")
    if abs(int(match[1])) > _MAX_SIDE:
        raise ValueError(f"{axis}: {match[1]} voxels: no volume is that large")
    return float(match[1]), False


def _check_voxels(sides: tuple[int, ...]) -> None:
    if prod(sides) > MAX_VOXELS:
        words = " x ".join(f"{side:,}" for side in sides)
        raise ValueError(f"{words} voxels are more than one crop may have; type less")


def _step(level: Level, axis: str, nm: float | None) -> float:
    if nm is None:
        raise SourceError(
            f"{level.address.shown} does not say how large its voxels are along {axis}: "
            "type voxels, without units."
        )
    return nm

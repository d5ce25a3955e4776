"""Known places in a CSV file: a row for each cube."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Unreadable
from imgcrawl.volumes.crop.columns import OWN_COLUMNS
from imgcrawl.volumes.crop.cube_plan import voxel_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.records.volume import Zyx
    from imgcrawl.volumes.crop.cube_plan import CubeGrid, CubeLayer, Lengths

POINT = ("z", "y", "x")
BOUNDS = ("z0", "z1", "y0", "y1", "x0", "x1")
_EXAMPLE = "columns z,y,x (nm, with size=), or z0,z1,y0,y1,x0,x1 (voxels of the first layer)"


@dataclass(frozen=True, slots=True)
class ListedBox:
    """A place of a list: where its cube begins, how many voxels it has, and the other columns.

    where: its line in the list
    """

    start: Lengths
    shape: Zyx
    columns: dict[str, Any]
    where: str = ""


def read_boxes(
    path: Path, first: CubeLayer, grid: CubeGrid, size: Lengths | None
) -> Iterator[ListedBox | Unreadable]:
    """Yield the places of a list, and the rows that are none. Blocks.

    first: the layer whose finest voxels bounds are counted in
    size:  of the cubes around points, in nm
    Raises SourceError for a file that is no such list.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = {(name or "").strip() for name in reader.fieldnames or ()}
            has_bounds = set(BOUNDS) <= names
            if not has_bounds and not set(POINT) <= names:
                raise SourceError(f"{path} has not the {_EXAMPLE}.")
            if not has_bounds and size is None:
                raise SourceError(f"{path} has points: type size=z,y,x of the cubes around them.")
            for row in reader:
                where = f"{path.name}, line {reader.line_num:,}"
                yield _box({(k or "").strip(): v for k, v in row.items()}, first, grid, size, where)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read: {error}.") from error


def _box(
    row: dict[str, Any], first: CubeLayer, grid: CubeGrid, size: Lengths | None, where: str
) -> ListedBox | Unreadable:
    has_bounds = all(row.get(name) not in {None, ""} for name in BOUNDS)
    names = BOUNDS if has_bounds else POINT
    try:
        numbers = [float(row[name]) for name in names]
        if not has_bounds and size is None:
            raise ValueError("a point without size=")
        if any(abs(number) > 1e12 for number in numbers):
            raise ValueError("a place that is nowhere")
        start, length = _bounds(numbers, first) if has_bounds else _around(numbers, size)
        if min(length) <= 0:
            raise ValueError("it ends where it begins, or before")
        if row.get("") and not isinstance(row[""], str):
            raise ValueError("more cells than the list has columns")
        columns = {_free(name): value for name, value in row.items() if name and name not in names}
        return ListedBox(grid.snapped(start), grid.shape(length), columns, where)
    except (KeyError, TypeError, ValueError, SourceError) as error:
        return Unreadable(where, f"no place: {error}")


def _free(name: str) -> str:
    """Return a column's name, with an underscore if it is one that cubes have themselves."""
    return f"{name}_" if name in OWN_COLUMNS else name


def _bounds(numbers: list[float], first: CubeLayer) -> tuple[Lengths, Lengths]:
    corner, voxel = first.corner(first.finest), voxel_of(first.finest)
    low = [zero + n * nm for zero, n, nm in zip(corner, numbers[::2], voxel, strict=True)]
    length = [(b - a) * nm for a, b, nm in zip(numbers[::2], numbers[1::2], voxel, strict=True)]
    return (low[0], low[1], low[2]), (length[0], length[1], length[2])


def _around(numbers: list[float], size: Lengths | None) -> tuple[Lengths, Lengths]:
    assert size is not None
    low = [middle - side / 2 for middle, side in zip(numbers, size, strict=True)]
    return (low[0], low[1], low[2]), size

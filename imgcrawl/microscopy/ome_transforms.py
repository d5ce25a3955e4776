"""Coordinate transformations of OME-NGFF 0.6 (RFC-5), as far as a grid of voxels can follow them.

Source: rfc/5 of ome/ngff. A transformation leads from the dimensions of an array to the axes of a
coordinate system. Voxels have a size where it only scales, moves and reorders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from imgcrawl.microscopy.units import number

Matrix: TypeAlias = list[list[float]]  # a row for each axis: factors by dimension, then the shift

_MAX_RANK = 32


@dataclass(frozen=True, slots=True)
class OmeAxis:
    """One dimension of an array, as the axis of a coordinate system that it is.

    factor: the size of a voxel in `unit`, below 0 where the axis runs backwards; None if unknown
    shift:  the place of the first voxel, in `unit`
    """

    name: object
    unit: object = None
    factor: float | None = None
    shift: float = 0.0


def axes_in_system(
    scales: dict[str, Any], dataset: dict[str, Any], rank: int
) -> list[OmeAxis] | None:
    """Return the dimensions of a level in the coordinate system that it is placed in, in C order.

    Without factors where a transformation is not known here, rotates, or shears: then it is not
    known which axis is which either; without names too if no system has `rank` axes. None if the
    multiscale has no coordinate systems.
    """
    if not isinstance(scales.get("coordinateSystems"), list):
        return None
    transforms = dataset.get("coordinateTransformations")
    axes = _axes_of_system(scales["coordinateSystems"], transforms, rank)
    if axes is None:
        return [OmeAxis(None)] * rank
    placed = _placed(transforms, rank)
    if placed is None:
        return [OmeAxis(axis.get("name"), axis.get("unit")) for axis in axes]
    found = {
        dimension: OmeAxis(axis.get("name"), axis.get("unit"), factor, shift)
        for axis, (dimension, factor, shift) in zip(axes, placed, strict=True)
    }
    return [found[dimension] for dimension in range(rank)]


def _axes_of_system(
    systems: list[Any], transforms: object, rank: int
) -> list[dict[str, Any]] | None:
    """Return the axes of the system that a level's transformation leads to; else of the first.

    None if no system has `rank` of them.
    """
    last = transforms[-1] if isinstance(transforms, list) and transforms else None
    output = last.get("output") if isinstance(last, dict) else None
    name = output.get("name") if isinstance(output, dict) else output
    axes = {
        (system.get("name") == name, -n): listed
        for n, system in enumerate(each for each in systems if isinstance(each, dict))
        if len(listed := [e for e in _list(system.get("axes")) if isinstance(e, dict)]) == rank
    }
    return axes[max(axes)] if axes else None


def _placed(transforms: object, rank: int) -> list[tuple[int, float, float]] | None:
    """Return dimension, factor and shift of each axis that transformations lead to."""
    matrix = _compose(transforms, rank) if 0 < rank <= _MAX_RANK else None
    found = []
    for row in matrix or ():
        used = [dimension for dimension in range(rank) if row[dimension]]
        if len(used) != 1:
            return None
        found.append((used[0], row[used[0]], row[rank]))
    return found if found and len({dimension for dimension, *_ in found}) == rank else None


def _compose(transforms: object, rank: int) -> Matrix | None:
    """Return the matrix of transformations that follow each other, or None."""
    whole = _diagonal([1.0] * rank, [0.0] * rank)
    for each in transforms if isinstance(transforms, list) else [None]:
        step = _matrix(each, rank)
        if step is None:
            return None
        whole = [_multiplied(row, whole, rank) for row in step]
    return whole


def _multiplied(row: list[float], whole: Matrix, rank: int) -> list[float]:
    products = [sum(row[n] * whole[n][at] for n in range(rank)) for at in range(rank + 1)]
    return [*products[:rank], products[rank] + row[rank]]


def _matrix(transform: object, rank: int) -> Matrix | None:
    kind = transform.get("type") if isinstance(transform, dict) else None
    if not isinstance(transform, dict) or not isinstance(kind, str):
        return None
    ones, zeros = [1.0] * rank, [0.0] * rank
    match kind:
        case "identity":
            return _diagonal(ones, zeros)
        case "scale":
            factors = _numbers(transform.get("scale"), rank)
            return None if factors is None else _diagonal(factors, zeros)
        case "translation":
            shift = _numbers(transform.get("translation"), rank)
            return None if shift is None else _diagonal(ones, shift)
        case "mapAxis":
            return _permutation(transform.get("mapAxis"), rank)
        case "affine":
            return _rows(transform.get("affine"), rank, rank + 1)
        case "rotation":
            rows = _rows(transform.get("rotation"), rank, rank)
            return None if rows is None else [[*row, 0.0] for row in rows]
        case "sequence":
            inner = transform.get("transformations")
            nested = any(isinstance(e, dict) and e.get("type") == kind for e in _list(inner))
            return None if nested else _compose(inner, rank)
    return None


def _diagonal(factors: list[float], shift: list[float]) -> Matrix:
    rank = len(factors)
    return [
        [*(factors[at] if at == n else 0.0 for at in range(rank)), shift[n]] for n in range(rank)
    ]


def _permutation(order: object, rank: int) -> Matrix | None:
    """Return the matrix whose axis n is dimension ``order[n]``."""
    listed = _list(order)
    if sorted(n for n in listed if type(n) is int) != [*range(rank)] or len(listed) != rank:
        return None
    return [[*(float(at == n) for at in range(rank)), 0.0] for n in listed]


def _rows(rows: object, count: int, length: int) -> Matrix | None:
    found = [_numbers(row, length) for row in _list(rows)]
    good = [row for row in found if row is not None]
    return good if len(good) == len(found) == count else None


def _numbers(values: object, count: int) -> list[float] | None:
    found = [number(value) for value in _list(values)]
    good = [value for value in found if value is not None]
    return good if len(good) == len(found) == count else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []

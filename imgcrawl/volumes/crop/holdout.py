"""Cubes to train on and cubes to validate with, such that none of one touches one of the other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imgcrawl.records.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcrawl.volumes.crop.cube_plan import CubeGrid, Lengths

TRAIN, VAL = "train", "val"


class CutPlane:
    """A plane across the longest side: cubes before it are trained on, cubes behind it are not.

    It depends on the space, the size, the share and the gap alone: more cubes change nothing.
    Raises SourceError where there is no room on both sides.
    """

    def __init__(self, grid: CubeGrid, size: Lengths, share: float, gap: float) -> None:
        lengths = [high - low for low, high in zip(grid.low, grid.high, strict=True)]
        self._axis = max(range(3), key=lambda axis: (lengths[axis], -axis))
        self._gap = gap
        side, length = size[self._axis], lengths[self._axis]
        room = length - 2 * side - gap
        if room <= 0:
            raise SourceError(
                f"holdout={share:g}: two cubes of {side:g} nm, {gap:g} nm apart, do not fit into "
                f"{length:g} nm. Type a smaller size or gap."
            )
        self._plane = grid.high[self._axis] - side - share * room

    def split(self, start: Lengths, size: Lengths) -> str | None:
        """Return the split of a cube, or None if it lies in both."""
        at = start[self._axis]
        if at >= self._plane:
            return VAL
        return TRAIN if at + size[self._axis] + self._gap <= self._plane else None


def split_boxes(boxes: Sequence[tuple[Lengths, Lengths]], share: float, gap: float) -> list[str]:
    """Return the split of each of some boxes (start, size): those that touch are in the same.

    Groups of boxes that touch, or lie nearer than `gap`, go to val in the order of a hash of their
    first member, until about `share` of all boxes are there.
    """
    group = [*range(len(boxes))]

    def root(n: int) -> int:
        while group[n] != n:
            group[n] = group[group[n]]
            n = group[n]
        return n

    order = sorted(range(len(boxes)), key=lambda n: boxes[n][0])
    near: list[int] = []
    for n in order:
        start = boxes[n][0]
        near = [m for m in near if boxes[m][0][0] + boxes[m][1][0] + gap >= start[0]]
        for m in near:
            if _touch(boxes[m], boxes[n], gap):
                group[root(n)] = root(m)
        near.append(n)
    members: dict[int, list[int]] = {}
    for n in range(len(boxes)):
        members.setdefault(root(n), []).append(n)
    splits, left = [TRAIN] * len(boxes), round(share * len(boxes))
    for mine in sorted(members.values(), key=lambda mine: _hash(boxes[mine[0]][0])):
        if len(mine) <= left:
            left -= len(mine)
            for n in mine:
                splits[n] = VAL
    return splits


def _touch(one: tuple[Lengths, Lengths], other: tuple[Lengths, Lengths], gap: float) -> bool:
    return all(
        a <= b + side_b + gap and b <= a + side_a + gap
        for a, side_a, b, side_b in zip(*one, *other, strict=True)
    )


def _hash(start: Lengths) -> bytes:
    return hashlib.sha256(repr(start).encode()).digest()

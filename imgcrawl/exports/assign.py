"""Groups of records dealt out to splits, so that each split has its share of each class.

Each group goes where its classes are most wanting: the divisor method of Sainte-Lague, for all
classes of the group at once. Then groups are moved while that brings the shares nearer, and, where
there are few, two of them change places: a share that is off can lack a group and have no room.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FAR = 30  # what a share weighs more where it is farther off than may be
_TOTAL = 0.25  # what the size of a split weighs beside the share of a class
TOLERANCE = 0.05  # of the share of a class in a split; what is farther off is told
_PASSES = 4  # over the groups, to move some
_MOST_PAIRS = 150_000  # of groups that are looked at in a pass, to change places: about a second
_MOST_MOVED = 20_000  # groups looked at in a pass: where there are more, shares are near already


@dataclass(slots=True)
class Group:
    """Records that stay together. classes: how many of each class; split: where it is, or None."""

    classes: dict[int, int]
    split: int | None = None
    kept: bool = False  # it had its split before

    @property
    def size(self) -> int:
        """Number of its records."""
        return sum(self.classes.values())


@dataclass(slots=True)
class Shares:
    """How many records of each class each split has, and should have.

    ratios: of the splits, in their order; they sum to 1
    """

    ratios: Sequence[float]
    totals: Mapping[int, int]  # records by class
    have: list[dict[int, int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    n: int = 0

    def __post_init__(self) -> None:
        self.have = [defaultdict(int) for _ in self.ratios]
        self.sizes = [0] * len(self.ratios)
        self.n = sum(self.totals.values())

    def add(self, group: Group, split: int, sign: int = 1) -> None:
        """Put a group into a split, or take it out of it."""
        for each, count in group.classes.items():
            self.have[split][each] += sign * count
        self.sizes[split] += sign * group.size

    def best(self, group: Group) -> int:
        """Return the split that lacks the classes of a group most."""
        size = group.size

        def fullness(split: int) -> float:
            ratio, have = self.ratios[split], self.have[split]
            full = sum(
                count * (have[each] + count / 2) / self.totals[each]
                for each, count in group.classes.items()
            )
            return (full / size + _TOTAL * (self.sizes[split] + size / 2) / self.n) / ratio

        return min(range(len(self.ratios)), key=fullness)

    def is_off(self, group: Group) -> bool:
        """Return whether a class of a group has another share in its split than it should."""
        assert group.split is not None
        ratio, have = self.ratios[group.split], self.have[group.split]
        return any(
            abs(have[each] / self.totals[each] - ratio) > TOLERANCE for each in group.classes
        )

    def cost(self, split: int, classes: Iterable[int]) -> float:
        """Return how far the shares of some classes in a split are from what they should be."""
        ratio, have = self.ratios[split], self.have[split]
        off = 0.0
        for each in classes:
            by = abs(have[each] / self.totals[each] - ratio)
            off += by**2 + _FAR * max(by - TOLERANCE, 0.0) ** 2
        return off + _TOTAL * (self.sizes[split] / self.n - ratio) ** 2


def assign(groups: Sequence[Group], ratios: Sequence[float]) -> None:
    """Give every group its split; a group that is kept stays where it is.

    groups: in the order that equal ones are dealt out in
    """
    totals: dict[int, int] = defaultdict(int)
    for group in groups:
        for each, count in group.classes.items():
            totals[each] += count
    shares = Shares(ratios, totals)
    for group in groups:
        if group.split is not None:
            shares.add(group, group.split)
    left = [group for group in groups if group.split is None]
    # The largest first, and of these the rarest classes: they are the hardest to place.
    left.sort(key=lambda group: (-group.size, min(totals[each] for each in group.classes)))
    for group in left:
        group.split = shares.best(group)
        shares.add(group, group.split)
    if len(left) > _MOST_MOVED:
        return
    for _ in range(_PASSES):
        if not sum(_move(group, shares) for group in left):
            break
    for _ in range(_PASSES):
        off = [group for group in left if shares.is_off(group)]
        if len(off) * len(left) > _MOST_PAIRS or not sum(_swap(one, left, shares) for one in off):
            break


def _move(group: Group, shares: Shares) -> bool:
    """Move a group to where it brings the shares nearer; return whether there is such a split."""
    here = group.split
    assert here is not None
    best, gain = here, 1e-12
    for there in range(len(shares.ratios)):
        if there == here:
            continue
        before = shares.cost(here, group.classes) + shares.cost(there, group.classes)
        shares.add(group, here, -1)
        shares.add(group, there)
        after = shares.cost(here, group.classes) + shares.cost(there, group.classes)
        shares.add(group, there, -1)
        shares.add(group, here)
        if before - after > gain:
            best, gain = there, before - after
    if best == here:
        return False
    shares.add(group, here, -1)
    shares.add(group, best)
    group.split = best
    return True


def _swap(one: Group, others: Sequence[Group], shares: Shares) -> bool:
    """Have a group change places with the one that brings the shares nearest; False for none."""
    best, gain = None, 1e-12
    for other in others:
        if other.split == one.split or other.classes == one.classes:
            continue
        classes = one.classes.keys() | other.classes.keys()
        before = _exchange(one, other, shares, classes)
        after = _exchange(one, other, shares, classes)  # and back
        if before - after > gain:
            best, gain = other, before - after
    if best is None:
        return False
    _exchange(one, best, shares, ())
    return True


def _exchange(one: Group, other: Group, shares: Shares, classes: Iterable[int]) -> float:
    """Have two groups change places; return what the shares of some classes cost before."""
    here, there = one.split, other.split
    assert here is not None
    assert there is not None
    cost = shares.cost(here, classes) + shares.cost(there, classes)
    for group, source, target in ((one, here, there), (other, there, here)):
        shares.add(group, source, -1)
        shares.add(group, target)
        group.split = target
    return cost

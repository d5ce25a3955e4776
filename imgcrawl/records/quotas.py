"""Quotas: a number of stored records of a class, whichever of its candidates they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@dataclass(slots=True, eq=False)
class Quota:
    """A class of which `wanted` records are promised.

    A spider yields it before its first candidate and hands out candidates while there is `room`;
    the run keeps count, and calls `changed` whenever it does.

    key:    stable and unique in the dataset (a wnid)
    label:  for people
    listed: how many candidates there are, once that is known
    note:   why there are no candidates, if there are none
    """

    key: str
    wanted: int
    label: str = ""
    changed: Callable[[], None] = lambda: None
    stored: int = field(default=0, init=False)
    in_flight: int = field(default=0, init=False)
    listed: int | None = field(default=None, init=False)
    note: str = field(default="", init=False)

    @property
    def room(self) -> int:
        """The number of candidates that could still be needed."""
        return max(0, self.wanted - self.stored - self.in_flight)

    @property
    def short(self) -> int:
        """The number of records that are missing as things stand."""
        return max(0, self.wanted - self.stored)

    def hand_out(self) -> None:
        """Count a candidate that is handed out."""
        self.in_flight += 1

    def ended(self) -> None:
        """Count a candidate that has its outcome."""
        self.in_flight -= 1
        self.changed()

    def count(self, number: int) -> None:
        """Add to the number of stored candidates; negative for one that is revoked."""
        self.stored += number
        self.changed()


def describe_quotas(quotas: Collection[Quota]) -> str:
    """Return how many classes are complete, and how far those under way are."""
    short = [quota for quota in quotas if quota.short]
    under_way = [quota for quota in short if quota.in_flight][:3]
    now = ", ".join(f"{quota.label} {quota.stored}/{quota.wanted}" for quota in under_way)
    return f"{len(quotas) - len(short):,} classes complete" + (f"; {now}" if now else "")

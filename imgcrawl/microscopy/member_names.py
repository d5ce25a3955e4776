"""The names of an archive's members, as one cell of a table."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 100  # names that are looked at
_LONGEST = 1000  # characters of a cell


def member_names(names: Iterable[str], count: int) -> str:
    """Return the first names, with semicolons between, and how many more there are of `count`."""
    shown: list[str] = []
    room = _LONGEST
    for name in islice(names, MOST):
        shown.append(printable(name, _LONGEST))
        room -= len(shown[-1]) + 2
        if room < 0:
            shown.pop()
            break
    more = count - len(shown)
    return "; ".join([*shown, f"and {more:,} more"] if more > 0 else shown)

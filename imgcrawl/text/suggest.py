"""The nearest known name, for an error message."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``": did you mean 'x'?"`` if a known name is near, else ``"."``."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f": did you mean {near[0]!r}?" if near else "."

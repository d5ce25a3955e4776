"""What to type in place of a query that matches nothing, by the values that the archive has."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from imgcrawl.sources.isic.query_fields import FIELDS
from imgcrawl.sources.isic.query_values import excerpt, folded, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHOWN = 6  # values of a field
_NONE = frozenset({"unknown", "none", "null", "missing", "na", "n/a", "nan", "empty"})


def no_match(
    query: str, words: Iterable[tuple[str, str]], facets: Mapping[str, Mapping[str, int]]
) -> str:
    """Return that no image matches a query, and what may have been meant.

    words:  the fields of words in it, each with the value that is asked for
    facets: how many images of the archive have each value, by field
    """
    hints = [hint for field, value in words if (hint := _hint(field, value, facets.get(field, {})))]
    return " ".join((f"No image of the archive matches {query}.", *dict.fromkeys(hints)))


def _hint(field: str, value: str, counts: Mapping[str, int]) -> str:
    if "*" in value or value in counts:
        return ""
    if value.lower() in _NONE:
        return f"Type -{field}:* for images without {field}."
    known = [*counts] or [*FIELDS[field].values]
    near = get_close_matches(folded(value)[:60], [folded(name) for name in known], n=3)
    same = [name for name in known if folded(name) in near]
    begins = [name for name in known if folded(name).startswith(folded(value)) and folded(value)]
    shown = [*dict.fromkeys((*begins, *same))] or known
    if not shown:
        return ""
    values = ", ".join(_described(field, name, counts) for name in shown[:_SHOWN])
    return f"{field} has no {excerpt(value)!r}: type {values}."


def _described(field: str, value: str, counts: Mapping[str, int]) -> str:
    count = f" ({counts[value]:,} images)" if value in counts else ""
    return f"{field}:{quoted(value)}{count}"

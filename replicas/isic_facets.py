"""The facets of the ISIC Archive: how many images have each value of each field.

Source: the server's code (ImageMarkup/isic, ``core/search.py``): terms of words and flags, steps of
numbers, and their shape in its tests. Undocumented, and kept for a day.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from replicas.isic_query import BOOLEANS, WITHOUT_COLUMN, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_IDS = frozenset({"isic_id", "patient_id", "lesion_id", "rcm_case_id", "public"})
_TERMS = (WORDS | BOOLEANS) - WITHOUT_COLUMN - _IDS
_SHOWN = 10  # values of a field, the most frequent: as many as a search engine names unasked
_STEP = 5.0  # years
_MILLIMETRES = (0.0, 0.5, 1.0, 2.0, 4.0)  # of thickness, the last without an end


def facets(images: Iterable[Mapping[str, Any]], total: int) -> dict[str, Any]:
    """Return the facets of images, each given by its fields. total: of the images"""
    counts: dict[str, Counter[Any]] = {name: Counter() for name in sorted(_TERMS)}
    ages: Counter[Any] = Counter()
    thick: Counter[Any] = Counter()
    for fields in images:
        for name, counter in counts.items():
            if (value := fields.get(name)) is not None:
                counter[value] += 1
        if (age := fields.get("age_approx")) is not None:
            ages[age // _STEP * _STEP] += 1
        if (depth := fields.get("mel_thick_mm")) is not None:
            thick[max(low for low in _MILLIMETRES if low <= float(depth))] += 1
    answer = {
        name: _facet(total, counter.total(), [_term(v, n) for v, n in counter.most_common(_SHOWN)])
        for name, counter in counts.items()
    }
    steps = [{"key": step, "doc_count": ages[step]} for step in sorted(ages)]
    answer["age_approx"] = _facet(total, ages.total(), steps)
    answer["mel_thick_mm"] = _facet(total, thick.total(), [*_ranges(thick)])
    return answer


def _facet(total: int, present: int, buckets: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "meta": {"missing_count": total - present, "present_count": present},
        "buckets": buckets,
    }


def _term(value: Any, count: int) -> dict[str, Any]:
    """Return a bucket of a value; a search engine has 1 and 0 for true and false."""
    if isinstance(value, bool):
        return {"key": int(value), "key_as_string": str(value).lower(), "doc_count": count}
    return {"key": value, "doc_count": count}


def _ranges(counts: Counter[Any]) -> Iterable[dict[str, Any]]:
    for low, high in zip(_MILLIMETRES, [*_MILLIMETRES[1:], "*"], strict=True):
        yield {"key": f"{low}-{high}", "from": low, "to": high, "doc_count": counts[low]}

"""The boxes and segmentations in a record's columns, each with the category of its own.

One annotation stands at one place of each of the lists ``bbox``, ``bbox_label_id``, ``bbox_label``,
``segmentation``, ``area``, ``iscrowd`` and so on, as the JSON of contests has them.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imgcrawl.records.items import Metadata

BOX, OUTLINE = "bbox", "segmentation"
LABEL_ID, LABEL = "bbox_label_id", "bbox_label"
# What else COCO says of an annotation: https://cocodataset.org/#format-data
OTHERS = ("area", "iscrowd", "keypoints", "num_keypoints")
CATEGORIES = "categories"  # the bookmark that holds a contest's categories: {id: name}


@dataclass(frozen=True, slots=True)
class Outline:
    """One annotation of a picture.

    box:          [x, y, width, height], pixels; None where there is a segmentation alone
    segmentation: polygons ([[x, y, x, y, ...], ...]) or a run-length encoding; or None
    category:     its id in the source, "" without one; label: its name, or that id
    others:       area, iscrowd, keypoints, num_keypoints, where the source has them
    """

    box: list[float] | None
    segmentation: Any
    category: str
    label: str
    others: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the fields of an annotation of COCO's but for its ids; an area is made of a box.

        A segmentation alone has the box around its polygons.
        """
        box = self.box or _around(self.segmentation)
        found: dict[str, Any] = {} if box is None else {BOX: box, "area": box[2] * box[3]}
        found["iscrowd"] = 0
        if self.segmentation:
            found[OUTLINE] = self.segmentation
        return found | self.others

    def scaled(self, scale: float) -> Outline:
        """Return what it is on a picture that is so much larger, its category the same."""
        if scale == 1:
            return self
        box = None if self.box is None else [number * scale for number in self.box]
        others = dict(self.others)
        if isinstance(others.get("area"), int | float):
            others["area"] *= scale * scale
        if isinstance(points := others.get("keypoints"), list):  # x, y, visibility, x, ...
            others["keypoints"] = [p if n % 3 == 2 else p * scale for n, p in enumerate(points)]
        polygons = self.segmentation if isinstance(self.segmentation, list) else []
        outline = [[number * scale for number in polygon] for polygon in polygons]
        return replace(self, box=box, segmentation=outline or None, others=others)


def outlines_of(row: Metadata) -> Iterator[Outline]:
    """Yield the boxes and segmentations in a row, whose lists may be the JSON of them."""
    boxes, segmentations = _listed(row, BOX), _listed(row, OUTLINE)
    if boxes and not isinstance(boxes[0], list) and _box(boxes) is not None:
        boxes = [boxes]  # of the only one
    ids, names = _listed(row, LABEL_ID), _listed(row, LABEL)
    others = {name: _listed(row, name) for name in OTHERS}
    for n in range(max(len(boxes), len(segmentations))):
        box, outline = _box(_at(boxes, n)), _segmentation(_at(segmentations, n))
        if box is None and outline is None:
            continue
        category = _at(ids, n)
        category = "" if category is None else str(category)
        label = _at(names, n)
        own = {
            name: value for name in OTHERS if (value := _other(_at(others[name], n))) is not None
        }
        yield Outline(box, outline, category, category if label is None else str(label), own)


class Categories:
    """The categories of COCO: under the ids of the source where these are numbers.

    known: names by id, such as all of a contest's
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._of_names: dict[str, int] = {}
        for key in sorted(known, key=lambda key: (not _is_number(key), len(key), key)):
            self.number(key, known[key])

    def number(self, key: str, name: str) -> int:
        """Return the id of a category, a new one the first time."""
        if (known := self._ids.get(key)) is not None:
            return known
        number = int(key) if _is_number(key) else None
        if number is None or number in self._names:
            number = max(self._names, default=0) + 1
        self._ids[key], self._names[number] = number, name
        self._of_names.setdefault(name, number)
        return number

    def of_name(self, name: str) -> int:
        """Return the id of a category by its name, a new one the first time."""
        known = self._of_names.get(name)
        return self.number(name, name) if known is None else known

    def entries(self) -> list[dict[str, Any]]:
        """Return COCO's table of categories."""
        return [{"id": n, "name": self._names[n]} for n in sorted(self._names)]


def _listed(row: Metadata, name: str) -> list[Any]:
    value = row.get(name)
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _other(value: Any) -> Any:
    """Return a number, or a list of numbers; None for anything else."""
    if isinstance(value, list):
        return _numbers(value)
    numbers = _numbers([value])
    return numbers[0] if numbers else None


def _at(values: list[Any], n: int) -> Any:
    return values[n] if n < len(values) else None


def _box(value: Any) -> list[float] | None:
    numbers = _numbers(value)
    return numbers if numbers is not None and len(numbers) == 4 else None


def _segmentation(value: Any) -> Any:
    """Return polygons, or a run-length encoding; None for what is neither."""
    if isinstance(value, dict):
        return value if {"counts", "size"} <= value.keys() else None
    if not isinstance(value, list) or not value:
        return None
    polygons = [_numbers(each) for each in (value if isinstance(value[0], list) else [value])]
    return polygons if polygons and all(polygons) else None


def _numbers(value: Any) -> list[float] | None:
    try:
        numbers = [each if type(each) is int else float(each) for each in value]
        return numbers if all(map(math.isfinite, numbers)) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _around(segmentation: Any) -> list[float] | None:
    """Return the box around polygons."""
    if not isinstance(segmentation, list):
        return None
    flat = [polygon[n : n + 2] for polygon in segmentation for n in range(0, len(polygon) - 1, 2)]
    if not flat:
        return None
    (x, y), (right, bottom) = (tuple(map(edge, *flat, flat[0])) for edge in (min, max))
    return [x, y, right - x, bottom - y]


def _is_number(key: str) -> bool:
    return re.fullmatch(r"0|[1-9][0-9]{0,8}", key) is not None

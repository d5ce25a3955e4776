"""What the text of a page says of its images: the size of a voxel, where nothing else tells it."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = r"(\d{1,6}(?:\.\d+)?)"
_UNIT = r"\s*(nm|\u00b5m|\u03bcm|um|micrometers?|nanometers?)"
_SIZE = re.compile(
    rf"{_NUMBER}{_UNIT}?\s*[x\u00d7]\s*{_NUMBER}{_UNIT}?\s*[x\u00d7]\s*{_NUMBER}{_UNIT}",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"voxel|resolution|pixel", re.IGNORECASE)
_NEAR = 120  # characters before the size in which the text must be about voxels
MAX_TEXT = 1 << 20


def voxel_columns(text: str) -> dict[str, Any]:
    """Return ``voxel_x_nm`` and its kin, and the words they are from; {} if the text is not plain.

    Plain is one size, the same along all axes: a page does not say in which order it names them,
    and a region is measured in the same way.
    """
    found = set()
    words = ""
    text = " ".join(text[:MAX_TEXT].split())
    for match in _SIZE.finditer(text):
        before = text[max(0, match.start() - _NEAR) : match.start()]
        sizes = {float(match[1]), float(match[3]), float(match[5])}
        about = [*_ABOUT.finditer(before)]
        if not about or len(sizes) != 1:
            continue
        factor = 1.0 if match[6].lower().startswith("n") else 1000.0
        found.add(sizes.pop() * factor)
        words = before[about[-1].start() :] + match[0]
    if len(found) != 1:
        return {}
    size = found.pop()
    columns: dict[str, Any] = {}
    for axis in "xyz":
        columns[f"voxel_{axis}_nm"] = size
        columns[f"voxel_{axis}_from"] = f"page text: {words}"
    return columns

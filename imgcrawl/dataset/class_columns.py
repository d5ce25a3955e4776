"""The columns of a record that name its class and its split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.records.items import Metadata

CLASS_COLUMNS = ("wnid", "label_id", "class", "label", "class_id", "category_id", "category",
                 "labelid", "landmark_id", "diagnosis_1")  # fmt: skip
SPLIT_COLUMNS = ("split", "subset")


def class_of(metadata: Metadata) -> str:
    """Return the class of a record, or an empty string."""
    return _first(metadata, CLASS_COLUMNS)


def split_of(metadata: Metadata) -> str:
    """Return the split of a record, or an empty string."""
    return _first(metadata, SPLIT_COLUMNS)


def _first(metadata: Metadata, names: tuple[str, ...]) -> str:
    lower = {name.lower(): value for name, value in metadata.items()}
    values = (lower[name] for name in names if lower.get(name) not in (None, ""))
    return str(next(values, ""))

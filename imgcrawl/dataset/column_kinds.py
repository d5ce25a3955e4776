"""The kind of value that a column holds, from all of its values or from the text of its cells."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any

from imgcrawl.text.csv_cells import safe_cell
from imgcrawl.text.redact import utf8

_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)  # 64 bits; "007" is a name
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TRUTH = {"true": True, "false": False}
# What pandas takes for no value in a CSV; source: pandas 3.1, ``read_csv``, na_values.
_NO_VALUES = frozenset(
    [
        *["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"],
        *["1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"],
    ]
)


class Kind(StrEnum):
    """What the values of a column are."""

    NONE = "none"  # there is no value
    TRUTH = "truth"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"


def joined(one: Kind, other: Kind) -> Kind:
    """Return the kind of a column that has values of both kinds."""
    if one is other or other is Kind.NONE:
        return one
    if one is Kind.NONE:
        return other
    return Kind.NUMBER if {one, other} == {Kind.INTEGER, Kind.NUMBER} else Kind.TEXT


def kind_of(value: Any) -> Kind:
    """Return the kind of a value of a record. Text that says a number is one, as in a CSV."""
    if value is None or value == "":
        return Kind.NONE
    if isinstance(value, bool):
        return Kind.TRUTH
    if isinstance(value, int):
        return Kind.INTEGER if abs(value) < 1 << 63 else Kind.TEXT
    if isinstance(value, float):
        return Kind.NUMBER
    if not isinstance(value, str):
        return Kind.TEXT
    if value[0].isalpha():
        return Kind.TRUTH if value.lower() in _TRUTH else Kind.TEXT
    if _INTEGER.fullmatch(value):
        return Kind.INTEGER
    is_padded = value.lstrip("+-")[:1] == "0" and value.lstrip("+-")[1:2].isdigit()
    return Kind.NUMBER if not is_padded and _is_decimal(value) else Kind.TEXT


def _is_decimal(text: str) -> bool:
    """Return whether a text is a number that a float can hold, and no long row of digits."""
    return _NUMBER.fullmatch(text) is not None and (len(text) < 16 or "." in text or "e" in text)


def typed(value: Any, kind: Kind) -> Any:
    """Return a value as its column has it: True, 1, 1.5, a text, or None."""
    if value is None or value == "":
        return None
    if kind is Kind.TRUTH:
        return value if isinstance(value, bool) else _TRUTH[value.lower()]
    if kind is Kind.INTEGER:
        return int(value)
    if kind is Kind.NUMBER:
        return float(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return utf8(value if isinstance(value, str) else safe_cell(value))


def kind_of_cell(cell: str) -> Kind:
    """Return what pandas takes a cell of a CSV for."""
    if cell[:1].isalpha() and len(cell) > 5:
        return Kind.TEXT
    if cell in _NO_VALUES:
        return Kind.NONE
    if cell.isdigit():
        return Kind.INTEGER
    if cell in {"True", "TRUE", "true", "False", "FALSE", "false"}:
        return Kind.TRUTH
    if not _NUMBER.fullmatch(cell):
        return Kind.TEXT
    return Kind.NUMBER if "." in cell or "e" in cell.lower() else Kind.INTEGER

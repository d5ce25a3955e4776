"""Cells of a CSV table that no spreadsheet runs as a formula.

Source: OWASP, "CSV Injection". Quoting as of RFC 4180 is the csv module's work.
"""

from __future__ import annotations

import json
import re

LONGEST_CELL = 1 << 30  # bytes; the csv module's own limit is 128 KiB, and a caption may be longer

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# What a spreadsheet may pass over before it looks for a formula: blanks, and marks without width.
_PASSED_OVER = r"[\s\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
# The signs = + - @, and the same in full width.
_FORMULA = re.compile(rf"{_PASSED_OVER}[=+\-@\uff1d\uff0b\uff0d\uff20\t\n]")
_REMOVED = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # cannot be written as UTF-8


def safe_cell(value: object) -> str:
    """Return the text of a cell.

    None is empty, numbers are as Python writes them, lists and dicts are compact JSON. Text loses
    control characters other than line feeds and tabs, and gets an apostrophe in front if it begins
    like a formula and is no plain number.
    """
    if value is None:
        return ""
    if type(value) is str and value.isprintable() and value[:1].isalnum():
        return value  # nearly always, and ten times as fast
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)  # subclasses may write themselves otherwise
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, dict | list | tuple):
        value = json.dumps(
            value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
        )
    text = str(value)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _SURROGATE.sub("\ufffd", _REMOVED.sub("", text))
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def unescaped(cell: str) -> str:
    """Return a cell without the apostrophe that keeps it from being a formula."""
    if cell.startswith("'") and safe_cell(cell[1:]) == cell:
        return cell[1:]
    return cell

"""What every reader of a list gives: rows, and what is no row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_EXCERPT = 120  # characters


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a list, with its fields as the list names them.

    number: from 1, of the line or record, whatever junk came before
    table:  the array that it stood in, where a file has several
    """

    number: int
    fields: dict[str, Any]
    table: str = ""


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """What cannot be read: where it stands, what is wrong with it, and how it begins."""

    number: int
    where: str  # "line 12"
    problem: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" + (f": {self.text}" if self.text else "")


def excerpt(text: str | bytes) -> str:
    """The beginning of a text, fit to be shown: in one line, without control characters."""
    if isinstance(text, bytes):
        text = text[: 4 * MAX_EXCERPT].decode("utf-8", "replace")
    shown = "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in text[: MAX_EXCERPT + 1])
    return shown if len(shown) <= MAX_EXCERPT else f"{shown[:MAX_EXCERPT]}..."

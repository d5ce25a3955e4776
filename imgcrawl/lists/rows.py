"""The rows that every reader of a list yields, and those that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_EXCERPT = 120  # characters


class Row(NamedTuple):
    """One record of a list, its fields under the list's own names.

    number: of the line or record, from 1, malformed ones included
    table:  the name of its array, if the file has several
    """

    number: int
    fields: dict[str, Any]
    table: str = ""


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A piece of a list that cannot be read: its place, its problem and its beginning."""

    number: int
    where: str  # "line 12"
    problem: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" + (f": {self.text}" if self.text else "")


def excerpt(text: str | bytes) -> str:
    """Return the beginning of a text in one line, without control characters."""
    if isinstance(text, bytes):
        text = text[: 4 * MAX_EXCERPT].decode("utf-8", "replace")
    shown = "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in text[: MAX_EXCERPT + 1])
    return shown if len(shown) <= MAX_EXCERPT else f"{shown[:MAX_EXCERPT]}..."

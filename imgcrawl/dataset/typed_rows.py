"""Rows of a CSV in an order that shows the types of its columns early.

Hugging Face's loader reads metadata.csv in pieces of 10,000 rows and takes the types of the first:
a clinical column that is empty there is one of numbers for it, and fails at the first word. The
rows that show such a type come first; all others keep their order. Source: datasets 5.2.0,
``folder_based_builder.py``.
"""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING

from imgcrawl.dataset.column_kinds import Kind, joined, kind_of_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Rows = Callable[[], Iterable[list[str]]]

PIECE = 9_000  # rows: the loader's 10,000, less those that may come before them


def write_rows(
    file: IO[str], header: Sequence[str], rows: Rows, fixed: int
) -> tuple[dict[int, Kind], list[list[str]]]:
    """Write a table, those rows first that show the type of a column which the first do not.

    Return the kinds of the columns that are not text, by number, and the rows that came first.

    rows:  yields the cells of each row; called twice if there are such rows
    fixed: the number of columns, from the left, whose type is always the same
    """
    types = ColumnTypes(fixed, len(header))
    first = _write(file, header, rows(), types)
    if not first:
        return types.open, []
    file.seek(0)
    file.truncate()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(first.values())
    writer.writerows(row for n, row in enumerate(rows()) if n not in first)
    return types.open, [*first.values()]


def _write(
    file: IO[str], header: Sequence[str], rows: Iterable[list[str]], types: ColumnTypes
) -> dict[int, list[str]]:
    """Write a table in the order of its rows; return those that have to come first, by number."""
    writer = csv.writer(file)
    writer.writerow(header)
    first: dict[int, list[str]] = {}
    for n, row in enumerate(rows):
        if types.learn(row) and n >= PIECE:
            first[n] = row
        writer.writerow(row)
    return first


class ColumnTypes:
    """The kinds of the columns of a table, as far as its rows have been read."""

    def __init__(self, fixed: int, width: int) -> None:
        self.open = dict.fromkeys(range(fixed, width), Kind.NONE)  # what is text already is left

    @classmethod
    def of(cls, kinds: dict[int, Kind]) -> ColumnTypes:
        """Return what has been learnt before."""
        types = cls(0, 0)
        types.open = dict(kinds)
        return types

    def learn(self, row: list[str]) -> bool:
        """Learn the kinds of a row's cells; return whether one of them tells something new."""
        is_new = False
        for n, before in [*self.open.items()]:
            if (cell := row[n]) == "":
                continue
            now = joined(before, kind_of_cell(cell))
            if now is before:
                continue
            is_new = True
            if now is Kind.TEXT:
                del self.open[n]
            else:
                self.open[n] = now
        return is_new

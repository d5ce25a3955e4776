"""Ids of images in any table that people have: a list, a challenge's CSV, a sheet of Excel.

Tables of the challenges call the column ``image``, ``image_name``, ``image_id`` or ``isic_id``, put
it first or behind ``lesion_id``, and add ``_downsampled`` to ids of smaller copies of 2019; those
of 2016 have no header.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.lines import MAX_LINE, lines
from imgcrawl.lists.opening import open_list
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.recoding import recoded
from imgcrawl.lists.rows import MalformedRow, Row
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.isic.query_values import parse_id

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOKED_AT = 100  # rows, which tell the column
_NAMES = (
    "isic_id",
    "image_name",
    "image_id",
    "image",
    "isic_ids",
    "id",
    "name",
    "file_name",
    "url",
)
_SMALLER = "_downsampled"


@dataclass(frozen=True, slots=True)
class ListedId:
    """An id of an image in a table.

    fields:     all cells of its row, by the names of their columns
    is_smaller: whether the table means a smaller copy of the image
    """

    isic_id: str
    fields: dict[str, Any]
    is_smaller: bool = False


def read_id_table(name: str, member: str = "") -> Iterator[ListedId]:
    """Yield the ids in a table, in its order: text, CSV, TSV, JSON or Parquet, also compressed.

    name: a path, or ``-`` for standard input; member: of a zip
    Raises ArgumentError for a file without ids, and at the first row that has none in its column.
    """
    where = "standard input" if name == "-" else name
    with open_rows(name, member) as found:
        rows = map(_parted, found)
        head = [*islice(rows, _LOOKED_AT)]
        if not head:
            yield from _of_one_line(name, member, where)
            return
        column = _column(head, where)
        first = head[0]
        if isinstance(first, Row) and _is_id(column):  # a table without a header
            yield _listed({each: each for each in first.fields}, column, where, 1)
        for row in chain(head, rows):
            if isinstance(row, MalformedRow):
                raise ArgumentError(f"{where}, {row}")
            cells = [cell for value in row.fields.values() if (cell := str(value or "").strip())]
            is_header = row is first and any(cell.lower() in _NAMES for cell in cells)
            if cells and not cells[0].startswith("#") and not is_header:
                yield _listed(row.fields, column, where, row.number)


def _parted(row: Row | MalformedRow) -> Row | MalformedRow:
    """Return a row with its cells apart, where remarks between the rows hid that there are some."""
    if isinstance(row, MalformedRow) or len(row.fields) > 1:
        return row
    cells = re.split(r"[,;\t]", str(next(iter(row.fields.values()), "")))
    if len(cells) < 2:
        return row
    return Row(row.number, {f"column_{n}": cell.strip(' "') for n, cell in enumerate(cells, 1)})


def _of_one_line(name: str, member: str, where: str) -> Iterator[ListedId]:
    """Yield the ids of a file of one line, which was taken for a header."""
    with open_list(name, member) as file:
        raw = file.read(MAX_LINE)
    text = recoded(BytesIO(raw), raw[:400])
    found = [line for line in lines(text) if not isinstance(line, MalformedRow)]
    cells = [cell.strip().strip('"') for _, line in found for cell in line.split(",")]
    ids = [cell for cell in cells if _is_id(cell)]
    if not ids:
        raise ArgumentError(f"{where} holds no ids.")
    for cell in ids:
        yield _listed({"id": cell}, "id", where, 1)


def _column(head: list[Row | MalformedRow], where: str) -> str:
    """Return the column of ids: the one that most of the first rows have one in."""
    rows = [row for row in head if isinstance(row, Row)]
    counts = Counter(name for row in rows for name, value in row.fields.items() if _is_id(value))
    if not counts:
        first = head[0]
        if isinstance(first, MalformedRow):
            raise ArgumentError(f"{where}, {first}")
        cells = [str(value) for value in first.fields.values() if value]
        try:
            parse_id(cells[0] if cells else "")
        except ValueError as error:
            raise ArgumentError(
                f"{where}, line {first.number}: {error}; none of its columns "
                f"({', '.join(map(str, first.fields))}) has ids"
            ) from error
    known = {name: rank for rank, name in enumerate(reversed(_NAMES), 1)}
    return max(counts, key=lambda name: (counts[name], known.get(name.strip().lower(), 0)))


def _is_id(value: Any) -> bool:
    try:
        parse_id(str(value))
    except ValueError:
        return False
    return True


def _listed(fields: dict[str, Any], column: str, where: str, number: int) -> ListedId:
    cell = str(fields.get(column) or "" if column in fields else next(iter(fields.values())))
    try:
        return ListedId(parse_id(cell), fields, _SMALLER in cell.lower())
    except ValueError as error:
        raise ArgumentError(f"{where}, line {number}: {error}") from error

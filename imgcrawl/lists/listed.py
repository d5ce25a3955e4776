"""ListedPictures: the pictures that a list asks for, row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.columns import digests_of, other_columns
from imgcrawl.lists.nested import value_at
from imgcrawl.lists.row_pictures import Several, pictures_of
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.items import Read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgcrawl.lists.look import Found


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """One picture of a list. id: that of its row, "" without one; fields: all columns of it."""

    id: str
    urls: list[str]
    fields: dict[str, Any]
    metadata: dict[str, Any]
    digests: dict[str, str]


@dataclass(slots=True)
class ListedPictures:
    """Reads rows as pictures, and counts what it makes of them.

    several: whether several addresses of a row are those of several pictures or of one
    split:   of all pictures, where the list says nothing of it
    """

    found: Found
    several: Several = "auto"
    split: str = ""
    rows: int = 0
    pictures: int = 0
    malformed: int = 0
    several_rows: int = 0
    passed: Counter[str] = field(default_factory=Counter)  # rows of other tables, by table

    def read(self, rows: Iterable[Row | MalformedRow]) -> Iterator[ListedPicture | MalformedRow]:
        """Yield the pictures of all rows, and what is none."""
        for row in rows:
            self.rows += 1
            if isinstance(row, Row) and row.table not in self.found.tables:
                self.passed[row.table or "no table"] += 1
                continue
            found = [row] if isinstance(row, MalformedRow) else self._of_row(row)
            self.several_rows += len(found) > 1
            for each in found:
                self.pictures += isinstance(each, ListedPicture)
                self.malformed += isinstance(each, MalformedRow)
                yield each

    def _of_row(self, row: Row) -> list[ListedPicture | MalformedRow]:
        columns = self.found.columns
        problem = f"no URL in {columns.url!r}"
        try:
            pictures = pictures_of(row.fields, columns, self.several, self.found.template)
        except ValueError as error:
            pictures, problem = [], str(error)
        if not pictures:
            shown = excerpt(" ".join(str(value) for value in row.fields.values()))
            where = f"{row.table} row {row.number}".strip()
            return [MalformedRow(row.number, where, problem, shown)]
        return [self._picture(each.urls, each.fields) for each in pictures]

    def _picture(self, urls: list[str], fields: dict[str, Any]) -> ListedPicture:
        columns = self.found.columns
        given = value_at(fields, columns.id) if columns.id else None
        own_id = "" if given is None or isinstance(given, (list, dict)) else str(given).strip()
        if self.split:
            fields = {"split": self.split} | fields
        metadata = other_columns(fields, columns)
        return ListedPicture(own_id, urls, fields, metadata, digests_of(fields, columns))

    def read_so_far(self) -> Read:
        """Return the sum of what was read."""
        return Read(self.rows, self.pictures, self.malformed, self.passed.total())

    def told(self) -> list[str]:
        """Return sentences on what was not one row for one picture."""
        lines = []
        if self.several_rows:
            lines.append(
                f"{self.several_rows:,} rows have several addresses, each taken for a picture of "
                "its own; -a several=mirrors takes them for one picture's"
            )
        lines += [f"{n:,} rows of {table} passed over" for table, n in self.passed.items()]
        return lines

"""ListedPictures: the pictures that a list asks for, row by row."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.columns import digests_of, other_columns
from imgcrawl.lists.json_shapes import SPLITS
from imgcrawl.lists.look import Found, may_be_pictures
from imgcrawl.lists.nested import value_at
from imgcrawl.lists.row_bytes import bodies_of, path_beside, without_bytes
from imgcrawl.lists.row_pictures import RowPicture, Several, pictures_of
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.items import Read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """One picture of a list. id: that of its row, "" without one; fields: all columns of it.

    body: its bytes, where the list has them: then there is no address; place: the row of these
    """

    id: str
    urls: list[str]
    fields: dict[str, Any]
    metadata: dict[str, Any]
    digests: dict[str, str]
    place: str = ""
    body: bytes = b""


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
    _later: dict[str, bool] = field(default_factory=dict)  # tables behind those looked at

    def read(self, rows: Iterable[Row | MalformedRow]) -> Iterator[ListedPicture | MalformedRow]:
        """Yield the pictures of all rows, and what is none."""
        for row in rows:
            self.rows += 1
            if isinstance(row, Row) and not self._is_of_pictures(row):
                self.passed[row.table or "no table"] += 1
                continue
            found = [row] if isinstance(row, MalformedRow) else self._of_row(row)
            self.several_rows += len(found) > 1
            for each in found:
                self.pictures += isinstance(each, ListedPicture)
                self.malformed += isinstance(each, MalformedRow)
                yield each

    def _is_of_pictures(self, row: Row) -> bool:
        """Return True for a row of a table of pictures; one that is new is judged by its first."""
        if row.table in self.found.tables:
            return True
        if row.table in self.found.others:
            return False
        if row.table not in self._later:
            has_url = looks_like_url(value_at(row.fields, self.found.columns.url))
            self._later[row.table] = has_url and may_be_pictures(row.table)
        return self._later[row.table]

    def _of_row(self, row: Row) -> list[ListedPicture | MalformedRow]:
        columns = self.found.columns
        if (role := self.found.of_table) and role not in row.fields:
            row = Row(row.number, {role: row.table.rpartition(".")[2], **row.fields}, row.table)
        if split := _split_of(row):
            row = row._replace(fields={"split": split, **row.fields})
        if self.found.bodies:
            if found := self._of_bytes(row):
                return found
            columns = replace(columns, url=path_beside(columns.url))
        beside = f"no bytes in {self.found.columns.url!r}, and " if self.found.bodies else ""
        problem = f"{beside}no URL in {columns.url!r}"
        try:
            pictures = pictures_of(row.fields, columns, self.several, self.found.template)
        except ValueError as error:
            pictures, problem = [], str(error)
        if not pictures:
            shown = excerpt(" ".join(map(str, without_bytes(row.fields).values())))
            where = f"{row.table} row {row.number}".strip()
            return [MalformedRow(row.number, where, problem, shown)]
        ids = value_at(row.fields, columns.id) if columns.id else None
        return [self._picture(each, ids) for each in pictures]

    def _of_bytes(self, row: Row) -> list[ListedPicture | MalformedRow]:
        """Return the pictures that lie in a row itself; none where its cell is empty."""
        columns = self.found.columns
        if not (bodies := bodies_of(row.fields, columns.url)):
            return []
        fields = without_bytes(row.fields)
        if self.split:
            fields = {"split": self.split} | fields
        metadata, promised = other_columns(fields, columns), digests_of(fields, columns)
        given = value_at(fields, columns.id) if columns.id else None
        is_id = given is not None and not isinstance(given, (list, dict))
        found: list[ListedPicture | MalformedRow] = []
        for body, name in bodies:
            digests = {"sha256": hashlib.sha256(body).hexdigest()} | promised
            place = f"{row.number}.{len(found) + 1}" if found else f"{row.number}"
            own_id = str(given).strip() if is_id else name
            found.append(ListedPicture(own_id, [], fields, metadata, digests, place, body))
        return found

    def _picture(self, picture: RowPicture, given: Any) -> ListedPicture:
        urls, fields, (n, n_all) = picture
        columns = self.found.columns
        if isinstance(given, list):
            given = given[n] if len(given) == n_all else None
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
        if len(self.found.bodies) > 1:
            taken, *others = self.found.bodies
            lines.append(
                f"The files in {taken} are taken; there are others in {', '.join(others)}: "
                "-a url= takes these"
            )
        if self.several_rows:
            lines.append(
                f"{self.several_rows:,} rows have several addresses, each taken for a picture of "
                "its own; -a several=mirrors takes them for one picture's"
            )
        lines += [f"{n:,} rows of {table} passed over" for table, n in self.passed.items()]
        return lines


def _split_of(row: Row) -> str:
    """Return the split that the tables around a row's are called by, "" for none."""
    *around, _ = row.table.split(".")
    if not around or "split" in row.fields:
        return ""
    return next((name for name in around if name.lower() in SPLITS), "")

"""Arrays that are the columns of one table, put together again in constant memory."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

logger = logging.getLogger(__name__)


class ColumnArrays:
    """Takes the elements of arrays one array after the other; gives rows. In a temporary file."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.execute("CREATE TABLE cells (array INTEGER, value TEXT)")
        self._db.execute("BEGIN")
        self._lengths: dict[str, int] = {}
        self._of_urls: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._at: dict[str, int] = {}
        self._total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, name: str, value: Any) -> None:
        """Take the next element of an array."""
        self._total += 1
        self._starts.setdefault(name, self._total)
        at = self._at.setdefault(name, len(self._at))
        self._lengths[name] = self._lengths.get(name, 0) + 1
        self._of_urls[name] = self._of_urls.get(name, 0) + looks_like_url(value)
        self._db.execute("INSERT INTO cells VALUES (?, ?)", (at, json.dumps(value)))

    def rows(self, *, beside: bool) -> Iterator[Row]:
        """Yield the rows that the arrays make: those as long as the one of addresses.

        beside: the list has tables of objects too; then only arrays of addresses are rows
        """
        names = list(self._lengths)
        urls = [name for name in names if 2 * self._of_urls[name] > self._lengths[name]]
        if not urls:
            if not beside:
                yield from (Row(1, {name: None}) for name in names)
            return
        length = max(self._lengths[name] for name in urls)
        columns = urls if beside else [n for n in names if self._lengths[n] == length]
        if left := [name for name in names if name not in columns]:
            logger.warning("%s: no columns of the list: of another length", ", ".join(left))
        self._db.execute("COMMIT")
        cursors = [self._values(name) for name in columns]
        for n in range(1, length + 1):
            values = [next(cursor, None) for cursor in cursors]
            yield Row(n, dict(zip(columns, values, strict=True)))

    def _values(self, name: str) -> Iterator[Any]:
        # The elements of an array come one after the other: they are not looked for.
        query = "SELECT value FROM cells WHERE rowid >= ? AND array = ? ORDER BY rowid LIMIT ?"
        cells = self._db.execute(query, (self._starts[name], self._at[name], self._lengths[name]))
        for (text,) in cells:
            yield json.loads(text)

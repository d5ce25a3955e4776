"""Read CSV, TSV and similar tables (RFC 4180), with or without a header."""

from __future__ import annotations

import csv
from collections import deque
from itertools import islice
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.columns import is_header, looks_like_url
from imgcrawl.lists.lines import MAX_LINE, lines
from imgcrawl.lists.rows import MalformedRow, Row, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINES = 50  # of one record whose cells hold line breaks


def read_delimited(file: IO[bytes], delimiter: str) -> Iterator[Row | MalformedRow]:
    """Yield the rows of a table; the first line is its header, unless it holds a URL.

    Without a header the columns are ``column_1`` and so on. A quote that is never closed spoils
    only its own line. Rows are numbered by their lines.
    """
    header: list[str] | None = None
    for number, record in _records(file):
        if isinstance(record, MalformedRow):
            yield record
            continue
        try:
            cells = next(csv.reader([record], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            yield MalformedRow(number, f"line {number}", f"no row ({error})", excerpt(record))
            continue
        if header is None:
            if is_header(cells):
                header = [name.strip() for name in cells]
                continue
            header = [f"column_{n}" for n in range(1, len(cells) + 1)]
        if len(cells) < len(header) and not any(map(looks_like_url, cells)):
            problem = f"{len(cells)} columns in place of {len(header)}, and no URL in them"
            yield MalformedRow(number, f"line {number}", problem, excerpt(record))
        else:
            yield Row(number, dict(zip(header, cells, strict=False)))


def _records(file: IO[bytes]) -> Iterator[tuple[int, str | MalformedRow]]:
    """Yield (line number, text) of each record; lines are joined if a quoted cell spans them."""
    stream = lines(file)
    ahead: deque[tuple[int, str] | MalformedRow] = deque()
    while (first := ahead.popleft() if ahead else next(stream, None)) is not None:
        if isinstance(first, MalformedRow):
            yield first.number, first
            continue
        number, text = first
        if text.count('"') % 2 == 0:
            yield number, text
            continue
        ahead.extend(islice(stream, MAX_LINES - len(ahead)))
        joined = _join_quoted(text, ahead)
        if joined is None:
            problem = "a quote that is not closed"
            yield number, MalformedRow(number, f"line {number}", problem, excerpt(text))
        else:
            taken, text = joined
            for _ in range(taken):
                ahead.popleft()
            yield number, text


def _join_quoted(text: str, ahead: deque[tuple[int, str] | MalformedRow]) -> tuple[int, str] | None:
    """Return how many of the lines ahead it takes to close the quote, and the text; or None."""
    for taken, line in enumerate(ahead, 1):
        if isinstance(line, MalformedRow) or len(text) > MAX_LINE:
            return None
        text = f"{text}\n{line[1]}"
        if line[1].count('"') % 2:
            return taken, text
    return None

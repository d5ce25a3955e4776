"""Read text as rows: CSV, TSV and their kin, with or without a header, or an address a line."""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.addresses import looks_like_url, within_text
from imgcrawl.lists.cells import fit_cells, nested_value, opens_quote
from imgcrawl.lists.dialect import Dialect, find_dialect
from imgcrawl.lists.lines import MAX_LINE, lines
from imgcrawl.lists.rows import MalformedRow, Row, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINES = 50  # of one record whose cells hold line breaks
LOOKED_AT = 100  # lines, which tell the dialect
MAX_REMARKS = 5000  # lines, with the remarks before the first row


def read_text(file: IO[bytes]) -> Iterator[Row | MalformedRow]:
    """Yield the rows of a text; its first lines tell its dialect.

    Without a header the columns are ``column_1`` and so on; of one column it is ``url``. A quote
    that is never closed spoils at most its own line. Rows are numbered by their lines.
    """
    stream = lines(file)
    head = _first_lines(stream)
    dialect = find_dialect([line[1] for line in head if not isinstance(line, MalformedRow)])
    table = _Table(dialect)
    passed = 0
    for number, record in _records(chain(head, stream), dialect):
        if isinstance(record, MalformedRow):
            yield record
        elif passed < dialect.passed:
            passed += 1
        elif (row := table.row(number, record)) is not None:
            yield row


def _first_lines(
    stream: Iterator[tuple[int, str] | MalformedRow],
) -> list[tuple[int, str] | MalformedRow]:
    """Return the lines that tell the dialect: so many, remarks before them apart."""
    head, n = [], 0
    for line in islice(stream, MAX_REMARKS):
        head.append(line)
        n += isinstance(line, MalformedRow) or not line[1].lstrip().startswith("#")
        if n == LOOKED_AT:
            break
    return head


class _Table:
    """Makes rows of records."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        names = dialect.header
        if names is None:
            width = dialect.width
            names = ["url"] if width == 1 else [f"column_{n}" for n in range(1, width + 1)]
        self._names = _distinct(names)

    def row(self, number: int, record: str) -> Row | MalformedRow | None:
        """Return the row of a record; None for a remark."""
        names, dialect, where = self._names, self._dialect, f"line {number}"
        cells = dialect.cells(record)
        if '"' in record and len(names) > 1 and any(map(_is_open_address, cells)):
            return MalformedRow(number, where, "a quote that is not closed", excerpt(record))
        if record.lstrip().startswith("#") and (len(names) == 1 or len(cells) < len(names)):
            return None
        if len(names) == 1:
            cell = cells[0].strip()
            return Row(number, {names[0]: cell if dialect.header else within_text(cell)})
        if dialect.is_ruled and not record.strip("|-: \t"):
            return None
        if dialect.is_ruled:
            cells = [cell.strip() for cell in cells]
        if len(cells) > len(names):
            fitted = fit_cells(cells, len(names), dialect.url_at, dialect.delimiter)
            if fitted is None:
                quote = f"quote cells with {dialect.delimiter!r}"
                problem = f"{len(cells)} columns in place of {len(names)}: {quote}"
                return MalformedRow(number, where, problem, excerpt(record))
            cells = fitted
        if len(cells) < len(names) and not any(map(looks_like_url, cells)):
            problem = f"{len(cells)} columns in place of {len(names)}, and no URL in them"
            return MalformedRow(number, where, problem, excerpt(record))
        if "{" in record and "://" in record:
            return Row(number, dict(zip(names, map(nested_value, cells), strict=False)))
        return Row(number, dict(zip(names, cells, strict=False)))


def _is_open_address(cell: str) -> bool:
    return cell.startswith('"') and looks_like_url(cell)


def _distinct(names: list[str]) -> list[str]:
    """Return names of columns, those that are empty or there already by their numbers."""
    found: dict[str, None] = {}
    for at, name in enumerate(names, 1):
        found.setdefault(name if name and name not in found else f"column_{at}")
    return list(found)


def _records(
    stream: Iterator[tuple[int, str] | MalformedRow], dialect: Dialect
) -> Iterator[tuple[int, str | MalformedRow]]:
    """Yield (line number, text) of each record; lines are joined if a quoted cell spans them."""
    ahead: deque[tuple[int, str] | MalformedRow] = deque()
    while (first := ahead.popleft() if ahead else next(stream, None)) is not None:
        if isinstance(first, MalformedRow):
            yield first.number, first
            continue
        number, text = first
        if '"' in text and dialect.delimiter and opens_quote(text, dialect.delimiter):
            ahead.extend(islice(stream, MAX_LINES - len(ahead)))
            taken, text = _join_quoted(text, ahead, dialect)
            for _ in range(taken):
                ahead.popleft()
        yield number, text


def _closes_quote(text: str, delimiter: str) -> bool:
    """Return whether a line ends a cell with a quote that it did not begin: a row has both."""
    return text.count('"') % 2 == 1 and (f'"{delimiter}' in text or text.endswith('"'))


def _is_row(line: str, dialect: Dialect) -> bool:
    cells = dialect.cells(line)
    return len(cells) == dialect.width and any(map(looks_like_url, cells))


def _join_quoted(
    text: str, ahead: deque[tuple[int, str] | MalformedRow], dialect: Dialect
) -> tuple[int, str]:
    """Return how many of the lines ahead a quoted cell spans, and the text with them.

    None of them, if one that would be swallowed is a row by itself, or the whole is no row. A line
    that ends a cell is one of its own only where the first is one too, as where ``"c`` and ``d 8"``
    are captions.
    """
    joined = text
    is_whole = _is_row(text, dialect)
    for taken, line in enumerate(ahead, 1):
        if isinstance(line, MalformedRow) or len(joined) > MAX_LINE:
            break
        may_be_of_it = not is_whole and _closes_quote(line[1], dialect.delimiter)
        if _is_row(line[1], dialect) and not may_be_of_it:
            break
        joined = f"{joined}\n{line[1]}"
        if '"' in line[1] and not opens_quote(joined, dialect.delimiter):
            if len(dialect.cells(joined)) == dialect.width:
                return taken, joined
            break
    return 0, text

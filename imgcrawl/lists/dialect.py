"""How a table is written, found from its first lines: the delimiter, the header, the quotes.

What holds an address decides. A comma, a pipe or a blank parts columns only where what is left on
both sides can be meant so; a comma that may be the address's own is left in it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from imgcrawl.lists.addresses import looks_like_url
from imgcrawl.lists.cells import split_cells
from imgcrawl.lists.names import is_known_name, is_url_name
from imgcrawl.lists.parting import (
    ENOUGH,
    bare,
    delimiter_of,
    is_of_addresses,
    names_columns,
    nearly_all,
    place_of_url,
)

_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE | re.DOTALL)
_URL = re.compile(r"(https?|s3|gs)://[^\s/]|(^|[\s,;|\"])(//[\w-]+\.|www\.\w)", re.IGNORECASE)
_SINGLE = re.compile(r"'[ ]*([,;|\t])[ ]*'")
_SWAPPED = str.maketrans("\"'", "'\"")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written.

    delimiter: of its columns, a blank for any white space; "" if a line is one cell
    header:    the names of the columns; None if it has none
    passed:    how many of the first lines are no rows: the header, and what stands before it
    quoted:    whether quotes around cells are not of their text
    single:    whether the quotes are single ones
    width:     number of columns
    url_at:    the column of the first address, if the first lines have one
    """

    delimiter: str
    header: list[str] | None
    passed: int
    quoted: bool
    width: int
    url_at: int | None
    single: bool = False

    def cells(self, line: str) -> list[str]:
        """Return the cells of a line."""
        if not self.delimiter:
            return [line.strip()]
        if self.single:
            cells = split_cells(line.translate(_SWAPPED), self.delimiter)
            return [cell.translate(_SWAPPED) for cell in cells]
        cells = split_cells(line, self.delimiter, quoted=self.quoted)
        if self.delimiter == " " and len(cells) > self.width > 1 and self.url_at is not None:
            return _of_blanks(line, self.width, self.url_at)
        return cells

    @property
    def is_ruled(self) -> bool:
        """Whether it is a table of Markdown: bars at both ends of each line, and blanks within."""
        names = self.header or ["?"]
        return self.delimiter == "|" and not names[0] and not names[-1]

    def __str__(self) -> str:
        names = {"": "a line is one address", " ": "blanks", "\t": "tabs"}
        words = names.get(self.delimiter, f"{self.delimiter!r}")
        between = f"columns between {words}" if self.delimiter else words
        before = self.passed - (self.header is not None)
        passed = f"; {before} lines before the header passed over" if before > 0 else ""
        return between + passed


def find_dialect(lines: list[str]) -> Dialect:
    """Return the dialect of a table from its first lines, blank ones left out."""
    if len(lines) > 1 and nearly_all(_is_single_quoted(line) for line in lines):
        found = find_dialect([line.translate(_SWAPPED) for line in lines])
        names = found.header and [name.translate(_SWAPPED) for name in found.header]
        return replace(found, header=names, single=bool(found.delimiter))
    if lines and (match := _SEP.fullmatch(lines[0])):
        return _with_header(lines, 1, match[1])
    first = next((n for n, line in enumerate(lines) if _has_url(line)), None)
    if first is None:
        return _without_url(lines)
    data = [line for line in lines[first:] if _has_url(line)]
    delimiter = delimiter_of(data, lines[:first])
    if delimiter and not (delimiter == "," and first == 0 and is_of_addresses(data)):
        return _with_header(lines, 0, delimiter)
    named = (n for n in range(first) if is_known_name(bare(lines[n])))
    at = next(named, None)
    if at is None:
        return Dialect("", None, 0, quoted=True, width=1, url_at=0)
    return Dialect("", [bare(lines[at])], at + 1, quoted=True, width=1, url_at=0)


def _is_single_quoted(line: str) -> bool:
    """Return whether a line is cells in single quotes, two or more of them."""
    text = line.strip()
    return text[:1] == text[-1:] == "'" and _SINGLE.search(text) is not None


def _with_header(lines: list[str], passed: int, delimiter: str) -> Dialect:
    """Return the dialect of a table with this delimiter, its header found if it has one."""
    rows = [split_cells(line, delimiter) for line in lines[passed:]]
    # An address may stand within a cell of JSON: then the header is the first line with names.
    named = int(bool(rows) and names_columns(lines[passed], delimiter))
    first = next((n for n, row in enumerate(rows) if place_of_url(row) is not None), named)
    data = rows[first:]
    width, url_at = _blank_shape(data) if delimiter == " " else _shape(data)
    header = _header_of(lines[passed:], rows[:first], delimiter, width)
    last, names = header or (-1, None)
    if names is not None and len(names) == width - 1 and url_at and is_url_name(names[url_at - 1]):
        names = ["", *names]  # R's write.table numbers the rows, and names no column for that
    if names is not None and len(names) != width:
        width = len(names)
        url_at = next((at for at, name in enumerate(names) if is_url_name(name)), None)
    quoted = delimiter != "\t" or _is_quoted(lines[passed:], last, first)
    return Dialect(delimiter, names, passed + last + 1, quoted, width, url_at)


def _shape(data: list[list[str]]) -> tuple[int, int | None]:
    """Return how many columns most rows have, and in which of these most have an address."""
    width = Counter(map(len, data)).most_common(1)[0][0] if data else 0
    places = Counter(place_of_url(row) for row in data if len(row) == width)
    places.pop(None, None)
    return width, places.most_common(1)[0][0] if places else None


def _blank_shape(data: list[list[str]]) -> tuple[int, int | None]:
    """Return the same of rows between blanks, where text has several cells."""
    width, url_at = _shape(data)
    if sum(len(row) == width for row in data) >= ENOUGH * len(data):
        return width, url_at
    places = {place_of_url(row) for row in data} - {None}
    if len(places) == 1:
        at = places.pop()
        return (at or 0) + 2, at
    return 2, 1  # a text of several words, and the address behind it


def _header_of(
    lines: list[str], before: list[list[str]], delimiter: str, width: int
) -> tuple[int, list[str]] | None:
    """Return which of the lines before the first row is the header, and its names."""
    found: list[tuple[int, list[str]]] = []
    for at in range(len(before)):
        cells = before[at]
        if lines[at].lstrip().startswith("#"):  # "#<tab>person<tab>url" has a remark's beginning
            bare = lines[at].lstrip("# ").removeprefix(delimiter)
            cells = split_cells(bare, delimiter)
        names = [name.strip().strip('"').strip() for name in cells]
        if len(names) > 1 and any(names):
            found.append((at, names))
    known = [each for each in found if any(map(is_known_name, each[1]))]
    of_width = [each for each in known or found if len(each[1]) == width]
    best = of_width or known
    return max(best, key=lambda each: sum(map(is_known_name, each[1])), default=None)


def _without_url(lines: list[str]) -> Dialect:
    """Return the dialect of a table of ids: the delimiter that all lines have alike."""
    for delimiter in "\t,;|":
        widths = Counter(len(split_cells(line, delimiter)) for line in lines)
        if not widths:
            break
        width, count = widths.most_common(1)[0]
        if width > 1 and count >= ENOUGH * len(lines):
            names = [name.strip().strip('"') for name in split_cells(lines[0], delimiter)]
            quoted = delimiter != "\t" or _is_quoted(lines, 0, 1)
            return Dialect(delimiter, names, 1, quoted, len(names), None)
    if lines and is_known_name(bare(lines[0])):
        return Dialect("", [bare(lines[0])], 1, quoted=True, width=1, url_at=None)
    return Dialect("", None, 0, quoted=True, width=1, url_at=None)


def _of_blanks(line: str, width: int, url_at: int) -> list[str]:
    """Return the cells between blanks; what is too much is text before or behind the address."""
    words = line.split()
    at = place_of_url(words)
    if at is not None and at > url_at > 0:
        first = at - url_at + 1
        words = [" ".join(words[:first]), *words[first:]]
    return [*words[: width - 1], *filter(None, [" ".join(words[width - 1 :])])]


def _has_url(line: str) -> bool:
    return _URL.search(line) is not None


def _is_quoted(lines: list[str], header: int, first: int) -> bool:
    """Return True if all of a TSV's cells are quoted: its header, or the first row's address."""
    if 0 <= header < len(lines) and all(
        len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in lines[header].split("\t")
    ):
        return True
    cells = lines[first].split("\t") if first < len(lines) else []
    return any(cell.startswith('"') and looks_like_url(cell) for cell in cells)

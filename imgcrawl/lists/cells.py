"""The cells of one line of a table, whoever wrote it: RFC 4180, and what is not.

What is published as TSV has no quoting at all: an inch mark is an inch mark. CSV written by hand
has quotes that open and never close. A quote counts as one only where a cell begins with it and
ends with it.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from functools import lru_cache
from typing import Any

from imgcrawl.lists.addresses import looks_like_picture, looks_like_url

_DATA = re.compile(r"data:image/[\w.+-]+(;[\w=-]+)*;base64")  # a comma and the picture follow
_OBJECTS = {("{", "}"), ("[", "]")}
# Cells between blanks, some in quotes, as R's write.table has them.
_WORDS = re.compile(r'"(?:[^"\\]|""|\\.)*+"(?=\s|$)|\S+')


def split_cells(line: str, delimiter: str, *, quoted: bool = True) -> list[str]:
    """Return the cells of a line; `delimiter` is one character, or a blank for any white space.

    quoted: quotes around a cell are not of its text; if not, they are, unless the cell cannot be
            meant without them: a doubled quote, a line break, or the delimiter is inside
    A quote that is not closed, or that has text behind it, is text.
    """
    if delimiter == " ":
        return line.split() if '"' not in line else [_bare(cell) for cell in _WORDS.findall(line)]
    if '"' not in line:
        return line.split(delimiter)
    if quoted:
        try:
            return next(csv.reader([line], delimiter=delimiter, strict=True))
        except (csv.Error, StopIteration):
            pass
    return [_text_of(cell, delimiter, quoted=quoted) for cell in _tolerant(line, delimiter)]


def nested_value(cell: str) -> Any:
    """Return a cell with objects as they are, written as JSON or as Python has them; others so."""
    text = cell.strip()
    if "://" not in text or "{" not in text or (text[0], text[-1]) not in _OBJECTS:
        return cell
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell


def opens_quote(line: str, delimiter: str) -> bool:
    """Return True if the last quoted cell of a line is not closed in it."""
    if delimiter == " " or '"' not in line:
        return False
    last = next(reversed(_tolerant(line, delimiter, to_the_end=True)), "")
    return last.startswith('"') and _unquoted(last) == last


def fit_cells(
    cells: list[str], width: int, url_at: int | None, delimiter: str = ","
) -> list[str] | None:
    """Return cells that are too many in as many as the table has, or None if nobody can tell.

    url_at: which cell of a row has the address
    Delimiters that nobody quoted belong to the address if only so it names a picture; else to the
    text before the address, or to the last column behind it.
    """
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    more = len(cells) - width
    data = next((at for at, cell in enumerate(cells[:-1]) if _DATA.fullmatch(cell)), None)
    if more == 1 and data is not None:
        return _joined(cells, data, 1, delimiter)
    if more <= 0:
        return cells
    urls = [at for at, cell in enumerate(cells) if looks_like_url(cell)]
    whole = [at for at in urls if _is_cut(cells, at, more, delimiter)]
    if len(whole) == 1 and len(urls) > 1:
        return _joined(cells, whole[0], more, delimiter)  # another address stands before it
    found = urls[0] if urls else None
    if found is None or url_at is None or not url_at <= found <= url_at + more:
        return None
    if found > url_at:
        at = _of_text(cells, url_at, more) if found == url_at + more else None
        return None if at is None else _joined(cells, at, more, delimiter)
    if found == width - 1 or _is_cut(cells, found, more, delimiter):
        return _joined(cells, found, more, delimiter)
    is_whole = looks_like_picture(cells[found]) or cells[found + 1].startswith(" ")
    return _joined(cells, width - 1, more, delimiter) if is_whole else None


def _is_cut(cells: list[str], at: int, more: int, delimiter: str) -> bool:
    """Return whether an address names a picture only with the cells behind it."""
    address = delimiter.join(cells[at : at + more + 1])
    is_of_picture = looks_like_picture(address) and not looks_like_picture(cells[at])
    return is_of_picture and " " not in address


def _of_text(cells: list[str], url_at: int, more: int) -> int | None:
    """Return the column before the address that has all the commas: a blank stands behind each."""
    if url_at == 1:
        return 0
    behind = [cells[at + 1 : at + more + 1] for at in range(url_at)]
    found = [at for at, rest in enumerate(behind) if all(each.startswith(" ") for each in rest)]
    return found[0] if len(found) == 1 else None


def _joined(cells: list[str], at: int, more: int, delimiter: str) -> list[str]:
    return [*cells[:at], delimiter.join(cells[at : at + more + 1]), *cells[at + more + 1 :]]


def _tolerant(line: str, delimiter: str, *, to_the_end: bool = False) -> list[str]:
    """Return the cells with the quotes that are around them.

    to_the_end: a quoted cell that is not closed is the rest of the line
    """
    quoted, open_ = _patterns(delimiter)
    cells, at = [], 0
    while True:
        match = quoted.match(line, at) or (open_.match(line, at) if to_the_end else None)
        end = match.end() if match else line.find(delimiter, at)
        end = len(line) if end < 0 else end
        cells.append(line[at:end].strip() if match else line[at:end])
        if end >= len(line):
            return cells
        at = end + 1


@lru_cache(maxsize=8)
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    edge = re.escape(delimiter)
    blanks = "" if delimiter.isspace() else " *+"
    quoted = rf'{blanks}"(?:[^"]|"")*+"{blanks}(?={edge}|$)'
    return re.compile(quoted), re.compile(rf'{blanks}"(?:[^"]|"")*+$')


def _bare(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] == '"':
        return word[1:-1].replace('\\"', '"').replace('""', '"')
    return word


def _unquoted(cell: str) -> str:
    if len(cell) < 2 or cell[0] != '"' or not re.fullmatch(r'"(?:[^"]|"")*+"', cell):
        return cell
    return cell[1:-1].replace('""', '"')


def _text_of(cell: str, delimiter: str, *, quoted: bool) -> str:
    plain = _unquoted(cell)
    is_needed = any(each in plain for each in ('"', delimiter, "\n"))
    return plain if quoted or is_needed else cell

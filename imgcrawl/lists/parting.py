"""What parts the columns of a table without quoting, found from its first lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgcrawl.lists.addresses import looks_like_picture, looks_like_url
from imgcrawl.lists.cells import split_cells
from imgcrawl.lists.names import is_known_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_][\w-]*")
_HIVE = "\x01"  # between the columns of its text files
ENOUGH = 0.8  # share of the first lines that must agree


def delimiter_of(data: list[str], before: list[str]) -> str:
    """Return what parts the columns of lines that each hold an address; "" for nothing."""
    if sum("\t" in line for line in data) >= ENOUGH * len(data):
        return "\t"
    if sum(_HIVE in line for line in data) >= ENOUGH * len(data):
        return _HIVE
    for delimiter in ",;|":
        if any(names_columns(line, delimiter) for line in before):
            return delimiter
    if any(is_known_name(bare(line)) for line in before):
        return ""  # a header of one column
    for delimiter in ",;|":
        if nearly_all(_is_parted(line, delimiter) for line in data) or _has_labels(data, delimiter):
            return delimiter
        if before and _is_table(before[-1], data, delimiter):
            return delimiter
    if any(names_columns(line, " ") for line in before) or nearly_all(map(_is_blank_parted, data)):
        return " "
    return ""


def is_of_addresses(data: list[str]) -> bool:
    """Return whether lines without a header hold nothing but addresses, and not as many each."""
    rows = [[cell for cell in split_cells(line, ",") if cell.strip()] for line in data]
    are_pictures = nearly_all(
        all(map(looks_like_url, r)) and all(map(looks_like_picture, r)) for r in rows
    )
    return are_pictures and (len(rows) == 1 or len({*map(len, rows)}) > 1)


def nearly_all(answers: Iterable[bool]) -> bool:
    """Return whether so many answers are yes that the others may be faults of the list."""
    found = list(answers)
    return sum(found) >= ENOUGH * len(found)


def names_columns(line: str, delimiter: str) -> bool:
    """Return whether a line is several names, of which lists are known to have one."""
    cells = [name.strip(' "#') for name in split_cells(line, delimiter)]
    return len(cells) > 1 and any(map(is_known_name, cells))


def _is_parted(line: str, delimiter: str) -> bool:
    """Return True if a delimiter parts an address from something else in a line."""
    cells = split_cells(line, delimiter)
    if len(cells) < 2:
        return False
    at = place_of_url(cells)
    if at is None:
        return False
    if at > 0:
        return True
    if line.lstrip().startswith('"'):
        return True  # quoted, so that it ends where it says
    if " " in cells[0].strip():
        return False  # the blank came first
    rest = [cell.strip() for cell in cells[1:]]
    if any(map(looks_like_url, rest)):
        return delimiter == ","  # "u1|u2" is one cell of addresses
    if looks_like_picture(cells[0]) and not looks_like_picture(delimiter.join(rest)):
        return True
    return any(" " in cell for cell in rest)  # no address has a blank


def _is_table(line: str, data: list[str], delimiter: str) -> bool:
    """Return whether a line may be the header of others, in any language: it has their cells."""
    names = [name.strip(' "#') for name in split_cells(line, delimiter)]
    if len(names) < 2 or not all(names) or len({*names}) < len(names) or len(data) < 2:
        return False
    rows = [split_cells(each, delimiter) for each in data]
    return nearly_all(len(row) == len(names) for row in rows) and not nearly_all(
        _is_one_address(row, delimiter) for row in rows
    )


def _is_one_address(cells: list[str], delimiter: str) -> bool:
    """Return whether an address goes on behind a delimiter: only so it names a picture."""
    at = place_of_url(cells)
    if at is None or looks_like_picture(cells[at]) or any(map(looks_like_url, cells[at + 1 :])):
        return False
    return looks_like_picture(delimiter.join(cells[at:]))


def _has_labels(data: list[str], delimiter: str) -> bool:
    """Return True if words stand behind the addresses, and are those of classes: they repeat."""
    cells = [line.split(delimiter) for line in data]
    behind = [tuple(row[1:]) for row in cells if len(row) > 1]
    are_words = all(_WORD.fullmatch(cell) for row in behind for cell in row)
    return are_words and len(behind) >= ENOUGH * len(data) and len({*behind}) < len(behind)


def _is_blank_parted(line: str) -> bool:
    """Return True if blanks part an address from something else in a line."""
    cells = line.split()
    at = place_of_url(cells)
    if len(cells) < 2 or at is None:
        return False
    rest = cells[at + 1 :]
    if any(map(looks_like_url, rest)):
        return False  # a cell of several addresses
    # A blank within the address: only with what is behind it does it name a picture's file.
    if not rest:
        return True
    return looks_like_picture(cells[at]) or not looks_like_picture(rest[-1])


def place_of_url(cells: list[str]) -> int | None:
    """Return which cell is the first with an address, None if none has one."""
    return next((at for at, cell in enumerate(cells) if looks_like_url(cell)), None)


def bare(line: str) -> str:
    """Return the name in a line of a header of one column."""
    return line.strip(' "#\r\t')

"""Read any list of pictures as rows; its first bytes tell its format."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

from imgcrawl.lists.columns import Columns, guess_columns, looks_like_url
from imgcrawl.lists.delimited import read_delimited
from imgcrawl.lists.json_records import read_json
from imgcrawl.lists.lines import lines
from imgcrawl.lists.opening import DAMAGE, open_list
from imgcrawl.lists.parquet import read_parquet
from imgcrawl.lists.rows import MalformedRow, Row, excerpt
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKED_AT = 100  # first rows, of which one must have a URL
HEAD = 8 << 10
DELIMITERS = "\t,;|"


@contextmanager
def open_rows(name: str, member: str = "") -> Iterator[Iterator[Row | MalformedRow]]:
    """Open a list, a path or ``-``, as an iterator of its rows; see `open_list`.

    Text with one URL per line gives the column ``url``. Raises ArgumentError if it is no list.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_list(name, member))
        head = _peek(file)
        if head.startswith(b"PAR1"):
            yield read_parquet(_seekable(file, stack), name)
            return
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not text:
            raise ArgumentError(f"{name} is empty.")
        if text[:1] == b"<":
            raise ArgumentError(f"{name} is a web page, not a list: {excerpt(text)}")
        yield _until_damage(_rows(file, head, text), name)


def _rows(file: IO[bytes], head: bytes, text: bytes) -> Iterator[Row | MalformedRow]:
    if text[:1] in {b"{", b"["}:
        return read_json(file)
    delimiter = _delimiter(head)
    return read_delimited(file, delimiter) if delimiter else _plain(file)


def _plain(file: IO[bytes]) -> Iterator[Row | MalformedRow]:
    """Yield one URL per line; a line that begins with ``#`` is a comment."""
    for line in lines(file):
        if isinstance(line, MalformedRow):
            yield line
        elif not line[1].lstrip().startswith("#"):
            yield Row(line[0], {"url": line[1].strip()})


def _delimiter(head: bytes) -> str:
    """Return the delimiter of the columns, or "" if each line is one URL, with commas or not."""
    first = head.decode("utf-8", "replace").lstrip("\ufeff").lstrip().split("\n", 1)[0]
    for delimiter in DELIMITERS:
        cells = [cell.strip(' "\r') for cell in first.split(delimiter)]
        if len(cells) < 2:
            continue
        named = guess_columns(cells, {}, {})
        if delimiter == "\t" or named or not looks_like_url(cells[0]):
            return delimiter
        if sum(map(looks_like_url, cells)) == 1 and " " not in first.split("?")[0]:
            rest = [cell for cell in cells if not looks_like_url(cell)]
            if all(cell.isalnum() for cell in rest):
                return delimiter
    named = guess_columns([first.strip(' "\r')], {}, {})
    return "," if named and not looks_like_url(first) else ""


def _until_damage(rows: Iterator[Row | MalformedRow], name: str) -> Iterator[Row | MalformedRow]:
    """Yield rows; where a compressed file is damaged, a MalformedRow is the last one."""
    number = 0
    try:
        for row in rows:
            number = row.number
            yield row
    except DAMAGE as error:
        problem = f"{name} is damaged from here on ({str(error) or type(error).__name__})"
        yield MalformedRow(number + 1, f"after row {number}", problem)


def find_columns(rows: list[Row | MalformedRow], given: dict[str, str], name: str) -> Columns:
    """Return the columns of a list by role, from its first rows.

    given: the columns that the user names, by role (url, id, label, caption, md5, sha256)
    Raises ArgumentError, with the first offending line, if there is no URL.
    """
    read = [row for row in rows if isinstance(row, Row)]
    for row in read:
        names = list(row.fields)
        try:
            columns = guess_columns(names, row.fields, given)
        except KeyError as error:
            have = ", ".join(names)
            raise ArgumentError(f"{name} has no column {error.args[0]!r}; it has: {have}") from None
        if columns and any(looks_like_url(r.fields.get(columns.url)) for r in read):
            return columns
    first = rows[0] if rows else None
    if isinstance(first, Row):
        values = " ".join(str(value) for value in first.fields.values())
        shown = f"row {first.number}: {excerpt(values)}"
        have = f"; its columns: {', '.join(first.fields)}" if len(first.fields) > 1 else ""
        raise ArgumentError(
            f"{name} is no list of URLs: none in its first {len(rows)} rows{have}. "
            f"The first: {shown}"
        )
    raise ArgumentError(f"{name} is no list of URLs. {first or 'It has no rows.'}")


def _peek(file: IO[bytes]) -> bytes:
    peek: Any = getattr(file, "peek", None)
    if peek is None:  # bz2 and lzma have it, members of a zip too
        raise TypeError(f"{type(file).__name__} cannot be looked into")
    try:
        head: bytes = peek(HEAD)
    except DAMAGE as error:
        raise ArgumentError(f"The list cannot be decompressed: {error}") from error
    return head[:HEAD]


def _seekable(file: IO[bytes], stack: ExitStack) -> IO[bytes]:
    if isinstance(getattr(file, "raw", None), io.FileIO) and file.seekable():
        return file
    spool = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(file, spool)
    spool.seek(0)
    return spool

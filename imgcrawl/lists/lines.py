"""Read a text file of any content line by line, in constant memory."""

from __future__ import annotations

from functools import partial
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.rows import MalformedRow, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 64 << 10  # bytes; a longer one is malformed, and is skipped


def lines(file: IO[bytes]) -> Iterator[tuple[int, str] | MalformedRow]:
    """Yield (number from 1, line without its end) of each line that is not blank.

    Lines are UTF-8, with or without a byte order mark; a line that is not is read as Latin-1, as
    the lists of the 2000s are. A line with a NUL, or longer than 64 KiB, is malformed.
    """
    number = 0
    for raw in iter(partial(file.readline, MAX_LINE), b""):
        number += 1
        line = raw
        if len(raw) >= MAX_LINE and not raw.endswith(b"\n"):
            length = len(raw) + _skip(file)
            yield MalformedRow(
                number, f"line {number}", f"a line of {length:,} bytes", excerpt(raw)
            )
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.rstrip(b"\r\n")
        if b"\0" in line:
            yield MalformedRow(number, f"line {number}", "holds NUL bytes", excerpt(line))
        elif line.strip():
            yield number, decoded(line)


def decoded(line: bytes) -> str:
    """Decode a line as UTF-8, or else as Latin-1, which has a character for every byte."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _skip(file: IO[bytes]) -> int:
    """Skip the rest of a line and return its length in bytes."""
    length = 0
    for rest in iter(partial(file.readline, MAX_LINE), b""):
        length += len(rest)
        if rest.endswith(b"\n"):
            break
    return length

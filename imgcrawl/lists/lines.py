"""Read a text file of any content line by line, in constant memory."""

from __future__ import annotations

import logging
from functools import cache, partial
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.rows import MalformedRow, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

MAX_LINE = 64 << 10  # bytes; a longer one is malformed, and is skipped


def lines(file: IO[bytes]) -> Iterator[tuple[int, str] | MalformedRow]:
    """Yield (number from 1, line without its end) of each line that is not blank.

    Lines are UTF-8, with or without a byte order mark; a line that is not is read as Windows-1252,
    as the lists of the 2000s are, and that is said. A line with a NUL, or longer than 64 KiB, is
    malformed.
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
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                text = _of_windows(line)
                say_guess(number)
            # Old Macs' line ends among others: in a quoted cell they may be of a caption.
            parts = text.split("\r") if "\r" in text and '"' not in text else [text]
            yield from ((number, part) for part in parts if part.strip())


def decoded(line: bytes) -> str:
    """Decode a line as UTF-8, or else as Windows-1252."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return _of_windows(line)


def _of_windows(line: bytes) -> str:
    """Decode a line as Windows-1252, or else as Latin-1, which has a character for every byte."""
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


@cache
def say_replaced() -> None:
    """Say, once, that JSON has bytes that are no text."""
    logger.warning(
        "The list is not UTF-8: what cannot be read stands as \N{REPLACEMENT CHARACTER}. Name its "
        "encoding: -a encoding=windows-1252 (or gb18030, shift_jis, big5, euc_kr, cp1251)"
    )


@cache  # a list is read several times
def say_guess(number: int) -> None:
    """Say, of the first such line alone, in which encoding it is read."""
    if not say_guess.cache_info().currsize:
        logger.warning(
            "Line %s of the list is not UTF-8: such lines are read as Windows-1252. If it is in "
            "another encoding, name it: -a encoding=gb18030 (or shift_jis, big5, euc_kr, cp1251)",
            number,
        )


def _skip(file: IO[bytes]) -> int:
    """Skip the rest of a line and return its length in bytes."""
    length = 0
    for rest in iter(partial(file.readline, MAX_LINE), b""):
        length += len(rest)
        if rest.endswith(b"\n"):
            break
    return length

"""Records as Python writes them, one a line: ``{'asin': '1', 'imUrl': 'http://...'}``.

Source: the metadata of Amazon's products of 2014, by J. McAuley, which is called JSON and is none.
"""

from __future__ import annotations

import ast
from typing import IO, TYPE_CHECKING

from imgcrawl.lists.lines import lines
from imgcrawl.lists.rows import MalformedRow, Row, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_python(text: bytes) -> bool:
    """Return whether a text begins with an object of Python's."""
    return text.startswith((b"{'", b"{u'"))


def read_python(file: IO[bytes]) -> Iterator[Row | MalformedRow]:
    """Yield a row for each line; nothing of it is run, and a broken one spoils nothing else."""
    for line in lines(file):
        if isinstance(line, MalformedRow):
            yield line
            continue
        number, text = line
        try:
            value = ast.literal_eval(text.strip().rstrip(","))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            words = "no object of Python's"  # its own have an address in memory, another each time
            yield MalformedRow(number, f"line {number}", words, excerpt(text))
            continue
        if isinstance(value, dict):
            yield Row(number, {str(name): each for name, each in value.items()})
        else:
            yield MalformedRow(number, f"line {number}", "no object", excerpt(text))

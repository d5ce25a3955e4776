"""Read a list of ids, one per line, from a file or standard input."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def read_ids(name: str, parse: Callable[[str], str]) -> list[str]:
    """Return the ids in a file (``-``: standard input), each once, in order.

    Only the first cell of each line is read, so a CSV file with or without a header such as
    ``isic_id`` works; empty lines and those that begin with ``#`` are skipped. `parse` normalises
    an id or raises ValueError. Raises ArgumentError with the first offending line.
    """
    found: dict[str, None] = {}
    where = "standard input" if name == "-" else name
    with _open(name) as file:
        for number, line in enumerate(file, 1):
            word = line.split(",")[0].strip().strip('"')
            if not word or word.startswith("#") or (number == 1 and word.lower().endswith("_id")):
                continue
            try:
                found[parse(word)] = None
            except ValueError as error:
                raise ArgumentError(f"{where}, line {number}: {error}") from error
    if not found:
        raise ArgumentError(f"{where} holds no ids.")
    return list(found)


def _open(name: str) -> AbstractContextManager[IO[str]]:
    if name == "-":
        return nullcontext(sys.stdin)
    try:
        return Path(name).expanduser().open(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ArgumentError(f"{name} cannot be read: {error.strerror}.") from error

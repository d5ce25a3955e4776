"""The table beside a complete copy, by which anybody can check it: a line for each object.

Key, size and ETag as the source has them, SHA-256 of what is stored, with tabs between.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.text.sizes import parse_size
from imgcrawl.volumes.copy.listing import key_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEADER = "key\tsize\tetag\tsha256\n"


@dataclass(frozen=True, slots=True)
class CopiedObject:
    """A stored object: size and etag as the source lists them, bytes as on the disk.

    sha256: empty for a chunk that the source does not have
    """

    key: str
    size: int | None
    etag: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CopyTotal:
    """The totals of a complete copy; sha256: of the lines ``SHA-256, two blanks, key``, sorted."""

    objects: int
    bytes: int
    sha256: str


def write_table(path: Path, objects: Iterable[CopiedObject]) -> CopyTotal:
    """Write the table of objects that come in the order of their keys. Raises OSError."""
    total, count, size = hashlib.sha256(), 0, 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        for kept in objects:
            listed = kept.bytes if kept.size is None else kept.size
            file.write(f"{kept.key}\t{listed}\t{_one_line(kept.etag or '')}\t{kept.sha256}\n")
            total.update(f"{kept.sha256}  {kept.key}\n".encode())
            count, size = count + 1, size + kept.bytes
    return CopyTotal(count, size, total.hexdigest())


def read_table(path: Path) -> Iterator[CopiedObject]:
    """Yield the objects of a table, with the size that it lists; malformed lines are skipped."""
    with path.open(encoding="utf-8", newline="") as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            if len(cells) == 4 and key_problem(cells[0]) is None:
                key, listed, etag, sha256 = cells
                if (size := parse_size(listed)) is not None:
                    yield CopiedObject(key, size, etag or None, size, sha256)


def _one_line(text: str) -> str:
    return re.sub(r"[\t\r\n]", " ", text)

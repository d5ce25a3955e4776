"""Files that are there as a whole or not at all, in folders that are no OUT of a run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[IO[str]]:
    """Open a text file that takes the place of `path` once all of it is written.

    Line ends are written as they are given. Raises OSError; then, and if the block raises, what was
    there stays.
    """
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)  # a link that lies there is not written through
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

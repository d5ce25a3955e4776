"""A picture's bytes: in memory, or in a file that is mapped rather than read."""

from __future__ import annotations

import io
import mmap
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Source: TypeAlias = bytes | Path
Data: TypeAlias = bytes | mmap.mmap  # both are indexed, cut and searched alike


@contextmanager
def as_data(source: Source) -> Iterator[Data]:
    """Yield the bytes of `source`; a file is mapped, so that a long one costs no memory.

    The file must not shrink meanwhile. Raises OSError for a file that cannot be read.
    """
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        if source.stat().st_size == 0:  # which cannot be mapped
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def as_file(source: Source) -> IO[bytes]:
    """Open `source` as a binary file at its beginning, for the caller to close.

    Raises OSError for a file that cannot be read.
    """
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)

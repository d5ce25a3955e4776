"""A bound on the memory of pictures that are decoded at the same time.

Few bytes may hold many pixels: a PNG of 43 kB can take 500 MB to decode, in each thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes of a pixel as Pillow holds it; kinds of several bands have four.
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}


def bytes_of_pixel(mode: str) -> int:
    """Return the bytes that one pixel of Pillow's mode takes in memory."""
    return _BYTES.get(mode, 4)


class DecodeMemory:
    """Lets threads decode in the order in which they ask, as many as fit together.

    most: bytes. What needs more by itself is decoded while nothing else is
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._used = 0
        self._turn = Lock()  # or a large one would wait for ever behind small ones
        self._changed = Condition()

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are free, and hold them. A thread asks for one room at a time."""
        size = min(size, self._most)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._used + size <= self._most)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()

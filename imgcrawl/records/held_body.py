"""Bytes of records that lie in the list itself, as few in memory at once as there is room for."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

_SCHEME = "parquet:///"
LIMIT = 64 << 20  # bytes of all that wait to be stored; a reader goes on below that


def address_in_list(name: str, place: str) -> str:
    """Return what stands for the address of bytes that lie in a list: its name and the row."""
    return f"{_SCHEME}{quote(name)}/{place}"


def lies_in_list(url: str) -> bool:
    """Return whether bytes are in a list: nobody can be asked for them."""
    return url.startswith(_SCHEME)


class BodyRoom:
    """Counts the bytes that are held, and has readers wait."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.held = 0
        self._limit = limit
        self._freed = asyncio.Event()

    async def wait(self) -> None:
        """Wait until less is held than the limit."""
        while self.held >= self._limit:
            self._freed.clear()
            await self._freed.wait()

    def count(self, change: int) -> None:
        """Take so many bytes more, or fewer, for held."""
        self.held += change
        self._freed.set()


class HeldBody:
    """The bytes of a record; they make room once nothing refers to them any more."""

    __slots__ = ("_room", "data")

    def __init__(self, data: bytes, room: BodyRoom) -> None:
        self.data = data
        self._room = room
        room.count(len(data))

    def __del__(self) -> None:
        self._room.count(-len(self.data))

    def __len__(self) -> int:
        return len(self.data)

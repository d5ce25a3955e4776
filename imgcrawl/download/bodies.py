"""Where a body goes that is too long for memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from imgcrawl.download.errors import to_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy.http import Headers


class BodySink:
    """Takes the body of one answer as it comes. Each method may raise RecordMissing to end it."""

    def begin(self, status: int, headers: Headers, url: str) -> None:
        """Take the headers of a 2xx answer; a request that is tried again begins anew.

        url: the address that answered, after redirects
        """
        raise NotImplementedError

    def write(self, data: bytes | bytearray) -> None:
        """Take the next bytes of the body."""
        raise NotImplementedError

    def end(self) -> None:
        """Finish a body that has the length of its headers."""
        raise NotImplementedError


class BodySpool:
    """The file that a long body goes to, written in a thread.

    `write` and `close` raise RecordMissing (disk_full) where the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    async def write(self, data: bytes | bytearray) -> None:
        """Append bytes to the file, which the first call creates or empties of an earlier try."""
        await self._in_thread(lambda: self._opened().write(data))

    async def close(self) -> None:
        """Finish a complete body."""
        await self._in_thread(lambda: self._opened().close())

    def discard(self) -> None:
        """Discard a body that did not come to its end."""
        if self._file is not None:
            with suppress(OSError):  # closing writes what is left, which a full disk refuses
                self._file.close()
        self._path.unlink(missing_ok=True)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._path.open("wb")
        return self._file

    @staticmethod
    async def _in_thread(function: Callable[[], object]) -> None:
        with to_disk():
            await asyncio.to_thread(function)

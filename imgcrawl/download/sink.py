"""Where a body goes that is too long for memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy.http import Headers


class Sink:
    """Takes the body of one answer as it comes. Each method may raise FetchError to end it."""

    def begin(self, status: int, headers: Headers) -> None:
        """The headers of a 2xx answer have come; a request that is tried again begins anew."""
        raise NotImplementedError

    def write(self, data: bytes | bytearray) -> None:
        """A stretch of the body."""
        raise NotImplementedError

    def end(self) -> None:
        """The body came to its end, as long as its headers said."""
        raise NotImplementedError

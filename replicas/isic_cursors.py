"""The cursors of the ISIC Archive's lists, with the traps of its pagination.

A cursor is the base64 of a query string, and never expires.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from aiohttp import web

    from replicas.isic_records import IsicArchive

PAGE = 100  # images of one page, at most


class CursorError(ValueError):
    """The server answers 422 to it."""


class Cursors:
    """Between cursors and the numbers of images."""

    def __init__(self, archive: IsicArchive) -> None:
        self.archive = archive

    def start(self, cursor: str) -> int:
        """The number of the first image at or after a cursor. Raises CursorError."""
        try:
            fields = parse_qs(b64decode(cursor.encode("ascii")).decode("ascii"))
        except ValueError as error:
            raise CursorError(cursor) from error
        if "p" not in fields:
            return 0  # garbage that decodes to nothing is the first page again
        try:
            position = datetime.fromisoformat(fields["p"][0])
        except ValueError as error:
            raise CursorError(cursor) from error
        position = position if position.tzinfo else position.replace(tzinfo=UTC)
        first = self.archive.created(0)
        step = self.archive.created(2) - first
        group = -((first - position) // step) if position > first else 0
        return 2 * max(group, 0) + int(fields.get("o", ["0"])[0])

    def at(self, following: int, last: int | None, limit: int) -> str:
        """The query string of the page that begins with image `following`, behind image `last`."""
        created = self.archive.created(following)
        offset = following % 2
        if last is not None and limit < PAGE:
            # With a smaller page the server compares with the wrong row, and images that share
            # `created` with the last one of the page are never served.
            created, offset = self.archive.created(last) + timedelta(microseconds=1), 0
        return urlencode({**({"o": offset} if offset else {}), "p": str(created)})


def next_page(request: web.Request, cursor: str | None) -> str | None:
    """The address of the page behind a request's, by the query string of its cursor."""
    if cursor is None:
        return None
    params = dict(request.query) | {"cursor": b64encode(cursor.encode()).decode()}
    return f"{request.scheme}://{request.host}{request.path}?{urlencode(sorted(params.items()))}"

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

PAGE = 100  # images per page, at most


class CursorError(ValueError):
    """The server answers 422 to it."""


class IsicCursors:
    """Converts between cursors and numbers of images."""

    def __init__(self, archive: IsicArchive) -> None:
        self.archive = archive

    def position(self, cursor: str) -> int | None:
        """Return the number of the first image at or after a cursor. Raises CursorError.

        None for a cursor without a position, such as garbage that decodes to nothing: the first
        page.
        """
        try:
            fields = parse_qs(b64decode(cursor.encode("ascii")).decode("ascii"))
        except ValueError as error:
            raise CursorError(cursor) from error
        if "p" not in fields:
            return None
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
        """Return the cursor, decoded, of the page that begins with image `following`.

        last: the last image of the page before, limit: the size of that page
        """
        created = self.archive.created(following)
        offset = following % 2
        if last is not None and limit < PAGE:
            # With a smaller page the server compares with the wrong row, and images that share
            # `created` with the last one of the page are never served.
            created, offset = self.archive.created(last) + timedelta(microseconds=1), 0
        return urlencode({**({"o": offset} if offset else {}), "p": str(created)})


def next_page(request: web.Request, cursor: str | None) -> str | None:
    """Return the address of the page after a request's, from its decoded cursor."""
    if cursor is None:
        return None
    params = dict(request.query) | {"cursor": b64encode(cursor.encode()).decode()}
    return f"{request.scheme}://{request.host}{request.path}?{urlencode(sorted(params.items()))}"

"""The cursors of the ISIC Archive's lists, with the traps of its pagination.

A cursor is the base64 of a query string, and never expires: ``p``, the `created` behind which the
page begins, and ``o``, how many rows behind that are left out. The server takes an ``o`` above 100
for 100: of images that share one `created`, no more than 200 can be reached.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

PAGE = 100  # images per page, at most
MOST_OFFSET = 100


class CursorError(ValueError):
    """The server answers 422 to it."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list. position: rows created later than this follow; None for the first."""

    position: datetime | None = None
    offset: int = 0

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Return the place that a cursor stands for; the beginning for garbage without one.

        Raises CursorError.
        """
        try:
            fields = parse_qs(b64decode(text.encode("ascii")).decode("ascii"))
            offset = min(max(int(fields.get("o", ["0"])[0]), 0), MOST_OFFSET)
            if "p" not in fields:
                return cls(None, offset)
            position = datetime.fromisoformat(fields["p"][0])
        except ValueError as error:
            raise CursorError(text) from error
        return cls(position if position.tzinfo else position.replace(tzinfo=UTC), offset)

    def following(self, created: Sequence[datetime], size: int) -> str | None:
        """Return the cursor, decoded, of the page after this one; None if this is the last.

        created: of the rows from this place on, as many as a largest page has and one more
        size:    how many of them this page has

        The last of `created` is what the page is compared with, also where the page is shorter
        than it may be: then what shares its `created` with the page's last row is never served.
        """
        if len(created) <= size:
            return None
        compare = created[-1]
        if not size:
            return urlencode({"p": str(compare)})
        for offset, moment in enumerate(reversed(created[:size])):
            if moment != compare:
                return urlencode({**({"o": offset} if offset else {}), "p": str(moment)})
        before = {} if self.position is None else {"p": str(self.position)}
        return urlencode({"o": self.offset + size, **before})


def next_page(request: web.Request, cursor: str | None) -> str | None:
    """Return the address of the page after a request's, from its decoded cursor."""
    if cursor is None:
        return None
    params = dict(request.query) | {"cursor": b64encode(cursor.encode()).decode()}
    return f"{request.scheme}://{request.host}{request.path}?{urlencode(sorted(params.items()))}"

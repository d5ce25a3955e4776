"""IsicListing: a list of the ISIC Archive to its end, past what the server cannot serve.

Two things end its pages early. A record that it cannot serialise makes the page answer 500, for
good; and of images that were taken in at one moment only 200 can be reached, since an offset above
100 counts as 100. What is left of the list is then read in ten parts, by the first digit of the
ids, and a part that ends early itself by its next digit: the last digit leaves a single record.
(Pages with a `limit` below 100 are no way on: their `next` leaves images out.)
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from imgcrawl.records.errors import SourceError, WrongAnswerError
from imgcrawl.sources.cursor_pages import CircleError, CursorPage, CursorPosition, read_pages
from imgcrawl.sources.isic.id_set import IdSet
from imgcrawl.sources.isic.query import combine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgcrawl.download.meta import Meta
    from imgcrawl.sources.fetcher import Fetcher
    from imgcrawl.sources.isic.api import IsicApi

PAGE = 100  # records, at most
MOST_BROKEN = 1000  # records of one list: with more, the archive itself is ill
MOST_LEFT_OUT = 50  # of them that a query names; a request line is short
_ID_LENGTH = len("ISIC_0000000")


class IsicListing:
    """Reads one list once. Records that the archive cannot serve are in `broken`, by their ids."""

    def __init__(self, fetcher: Fetcher, api: IsicApi, params: dict[str, str]) -> None:
        self._fetcher = fetcher
        self._api = api
        self._params = params
        self._seen = IdSet()
        self._position = 0
        self._latest = ""  # the `created` up to which the parts have been read
        self.broken: dict[str, str] = {}

    async def pages(self, url: str, start: CursorPosition | None) -> AsyncIterator[CursorPage]:
        """Yield the pages from a position on, each image once. Raises SourceError."""
        at = start or CursorPosition(url)
        self._position = at.position
        try:
            async for page in read_pages(self._fetcher, url, start):
                goes_on = page.resume.url != at.url
                taken = self._take(page.records, page.count, at)
                after = self._position if goes_on else taken.position
                at = CursorPosition(page.resume.url, after, page.count)
                yield CursorPage(taken.records, taken.position, page.count, at)
        except (WrongAnswerError, CircleError) as error:
            await self._require_answers(error)
            self._fetcher.logger.warning(
                "%s The rest of the list is read by ids, in no order of time.", error
            )
            async for page in self._rest(at):
                yield page

    async def _rest(self, at: CursorPosition) -> AsyncIterator[CursorPage]:
        """Yield what is behind a page that cannot be read; a bookmark stays at it until the end."""
        self._latest = _created_of(at.url)
        async for records in self._parts("ISIC_", self._latest):
            yield self._take(records, at.count, at)
        end = self._api.list_url(self._end(), None)
        yield CursorPage(
            [], self._position, at.count, CursorPosition(end, self._position, at.count)
        )

    def _end(self) -> dict[str, str]:
        """Return the parameters of what a later run goes on with: without what spoils its pages."""
        others = (
            ""
            if len(self.broken) > MOST_LEFT_OUT
            else " AND ".join(f"-isic_id:{isic_id}" for isic_id in sorted(self.broken))
        )
        query = combine(self._params.get("query", ""), others)
        params = self._params | ({"query": query} if query else {})
        return params | ({"cursor": _cursor(self._latest)} if self._latest else {})

    async def _parts(self, prefix: str, created: str) -> AsyncIterator[list[dict[str, Any]]]:
        for digit in "0123456789":
            async for records in self._part(f"{prefix}{digit}", created):
                yield records

    async def _part(self, prefix: str, created: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield, page by page, the records whose ids begin alike and that are later than a time."""
        is_one = len(prefix) == _ID_LENGTH
        query = combine(self._params.get("query", ""), f"isic_id:{prefix}{'' if is_one else '*'}")
        params = self._params | {"query": query} | ({"cursor": _cursor(created)} if created else {})
        at, size = self._api.list_url(params, None), PAGE
        meta: Meta = {} if is_one else {"max_retry_times": 1}  # what fails is asked for in parts
        try:
            async for page in read_pages(self._fetcher, at, **meta):
                yield page.records
                size = len(page.records)
                at = page.resume.url
                self._latest = _later(self._latest, _created_of(at))
        except (WrongAnswerError, CircleError) as error:
            if isinstance(error, CircleError) and size < PAGE:
                return  # a page that is not full is the last, whatever it says
            await self._require_answers(error)
            if is_one:
                self._lose(prefix, error)
                return
            async for records in self._parts(prefix, _created_of(at) or created):
                yield records

    def _take(
        self, records: list[dict[str, Any]], count: int | None, at: CursorPosition
    ) -> CursorPage:
        fresh = [record for record in records if self._seen.add(record.get("isic_id"))]
        page = CursorPage(fresh, self._position, count, at)
        self._position += len(fresh)
        return page

    def _lose(self, isic_id: str, error: SourceError) -> None:
        if len(self.broken) >= MOST_BROKEN:
            raise SourceError(f"The archive cannot serve {MOST_BROKEN:,} records of this list.")
        self.broken[isic_id] = str(error)

    async def _require_answers(self, error: WrongAnswerError | CircleError) -> None:
        """Raise the error unless it lies with the records: the archive answers where it has none.

        What is wrong with the request itself (4xx) is wrong with every part of it.
        """
        if isinstance(error, WrongAnswerError) and error.status < 500:
            raise error
        if not await self._api.answers():
            raise error


def _cursor(created: str) -> str:
    return b64encode(urlencode({"p": created}).encode()).decode("ascii")


def _created_of(url: str) -> str:
    """Return the `created` behind which a page begins, as its cursor says; else nothing."""
    cursor = parse_qs(urlsplit(url).query).get("cursor", [""])[0]
    try:
        created = parse_qs(b64decode(cursor).decode("ascii")).get("p", [""])[0]
        datetime.fromisoformat(created)
    except ValueError:
        return ""
    return created


def _later(one: str, other: str) -> str:
    if not one or not other:
        return one or other
    return max(one, other, key=datetime.fromisoformat)

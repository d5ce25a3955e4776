"""IsicApi: the requests that the ISIC Archive's API, version 2, answers."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from imgcrawl.records.errors import ArgumentError, SourceError, WrongAnswerError
from imgcrawl.records.items import Document, Missing, Unreadable
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.cursor_pages import page_records, read_pages
from imgcrawl.sources.isic.collection import IsicCollection
from imgcrawl.sources.isic.list_sums import TERMS, ListSums
from imgcrawl.sources.isic.query import QueryError, check_query, combine, id_query, is_legacy_id
from imgcrawl.sources.isic.query_fields import FIELDS, FieldKind
from imgcrawl.sources.isic.query_hints import no_match
from imgcrawl.sources.isic.records import urls_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date
    from logging import LoggerAdapter

    from imgcrawl.download.meta import Meta
    from imgcrawl.records.items import Item
    from imgcrawl.sources.fetcher import Fetcher
    from imgcrawl.sources.isic.query import CheckedQuery

NOBODY = "ISIC_9999999"  # the last id that there can be, of no image for a long time
BATCH = 100  # ids a request; the server takes a request line of 8,192 bytes


@dataclass(frozen=True, slots=True)
class IdBatch:
    """A part of a list of ids: the records that the archive has of them, and why others lack."""

    records: list[dict[str, Any]]
    missing: dict[str, Missing]  # by the id that was given
    size: int  # ids


class IsicApi:
    """The archive's API. Documentation: https://api.isic-archive.com/api/docs/swagger/.

    Every method raises SourceError if the archive does not answer as it must.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._url = str(fetcher.settings["ISIC_API_URL"])
        self._licenses: set[str] = set()

    @property
    def logger(self) -> LoggerAdapter[Any]:
        """The log of the run."""
        return self._fetcher.logger

    # --- queries ---

    async def values(self, field: str, params: dict[str, str] | None = None) -> dict[str, int]:
        """Return how many images have each value of a field; none if the archive does not say.

        params: of a search, see `parameters`; None for the whole archive
        The archive names ten at once, and others where it is asked for images without those.
        """
        counts: dict[str, int] = {}
        query = (params or {}).get("query", "")
        while True:
            asked = (params or {}) | ({"query": query} if query else {})
            answer = await self._ask(f"{self._url}images/facets/?{urlencode(asked)}".rstrip("?"))
            told = ListSums.of(None, None, answer).facets.get(field, {})
            more = told.keys() - counts.keys()
            counts |= told
            if len(more) < TERMS or FIELDS[field].kind is not FieldKind.WORD:
                return counts
            try:
                query = combine(query, *(f'-{field}:"{value}"' for value in sorted(more)))
            except QueryError:  # longer than a request may be
                words = "Of the values of %s the archive names the %s most frequent ones only."
                self._fetcher.logger.warning(words, field, len(counts))
                return counts

    async def check(self, query: str) -> CheckedQuery:
        """Return the query to send, its values in the spelling that the archive has by now.

        The archive is asked only for fields of which not all values are known here.
        """
        checked = check_query(query)
        unknown = {
            field
            for field, value in checked.words
            if "*" not in value and value not in FIELDS[field].values
        }
        if not unknown:
            return checked
        return check_query(query, {field: await self.values(field) for field in sorted(unknown)})

    async def no_match(self, params: dict[str, str]) -> Unreadable:
        """Return that a list is empty, with what may have been meant."""
        query = params.get("query", "")
        asked = query or f"collections {params.get('collections', '')}"
        words = check_query(query).words
        facets = {field: await self.values(field) for field, _ in sorted({*words})}
        return Unreadable(f"query {asked}", no_match(asked, words, facets))

    # --- lists ---

    async def parameters(self, query: str, collections: Sequence[str]) -> dict[str, str]:
        """Return the parameters of a search; collections are given by id or name."""
        params = {"query": query}
        if collections:
            ids = [await self._collection(name) for name in collections]
            params["collections"] = ",".join(map(str, sorted(set(ids))))
        return {name: value for name, value in params.items() if value}

    def list_url(self, params: dict[str, str], since: date | None) -> str:
        """Return the address of the first page of a search, from a day on."""
        url = f"{self._url}images/{'search/' if params else ''}"
        first = params | ({"cursor": _cursor(since)} if since else {})
        return f"{url}?{urlencode(first)}" if first else url

    async def _collection(self, name: str) -> int:
        """Return the id of a collection; the API has no error for one it lacks.

        Raises ArgumentError for a name that several have: only those that are pinned are unique.
        """
        if name.isdigit():
            response = await self._fetcher.fetch(f"{self._url}collections/{name}/")
            if response.status == 404:
                raise SourceError(f"There is no collection {name}, or you may not see it.")
            return int(name)
        known = await self.collections()
        found = [each for each in known if each.is_called(name)]
        exact = [each for each in found if each.name == name] or found
        if not exact:
            raise SourceError(f"There is no collection {name!r}{_nearest(name, known)}")
        if len(exact) > 1:
            described = [
                each.describe(await self.count({"collections": str(each.number)})) for each in exact
            ]
            raise ArgumentError(
                f"collections={name}: {len(exact)} collections have this name; type the id of one, "
                f"as in -a collections={exact[0].number}:\n  " + "\n  ".join(described)
            )
        return exact[0].number

    async def collections(self) -> list[IsicCollection]:
        """Return the collections that may be seen."""
        return [
            IsicCollection.of(record)
            async for page in read_pages(self._fetcher, f"{self._url}collections/")
            for record in page.records
        ]

    async def licences(self, collection: int) -> list[str]:
        """Return the names of the licences of a collection's images, sorted; none if not told."""
        url = f"{self._url}collections/{collection}/attribution/"
        try:
            answer = await self._fetcher.fetch_json(url, tries=1)
        except SourceError as error:
            self._fetcher.logger.info("No licences: %s", error)
            return []
        rows = answer if isinstance(answer, list) else []
        return sorted(
            {str(row["license"]) for row in rows if isinstance(row, dict) and "license" in row}
        )

    # --- sums ---

    async def count(self, params: dict[str, str]) -> int | None:
        """Return how many images the archive counts in a list; None if it does not say."""
        url = f"{self.list_url(params, None)}{'&' if params else '?'}limit=1"
        answer = await self._ask(url)
        count = answer.get("count")
        return count if isinstance(count, int) else None

    async def sums(self, params: dict[str, str], count: int | None) -> ListSums:
        """Return what the archive says of a list, in two requests.

        count: of its images, for an archive that has no facets; asked for if it is not known
        """
        asked = f"?{urlencode(params)}" if params else ""
        size = await self._ask(f"{self._url}images/search/size/{asked}")
        facets = await self._ask(f"{self._url}images/facets/{asked}")
        sums = ListSums.of(count, size.get("size"), facets)
        if sums.count is None:
            sums.count = await self.count(params)
        return sums

    async def _ask(self, url: str) -> dict[str, Any]:
        """Return what an undocumented part of the API says today, empty if it is gone."""
        try:
            answer = await self._fetcher.fetch_json(url, tries=1, dont_cache=True)
        except SourceError as error:
            self._fetcher.logger.info("No estimate: %s", error)
            return {}
        return answer if isinstance(answer, dict) else {}

    # --- single images ---

    async def renew(self, item: Item, images: str) -> list[str]:
        """Return addresses signed just now of an image whose own have an expiry."""
        isic_id = item.metadata.get("isic_id")
        if not isic_id or not any("Expires=" in url for url in item.urls):
            return item.urls
        url = f"{self._url}images/{isic_id}/"
        record = await self._fetcher.fetch_json(url, dont_cache=True)
        return urls_of(record, images) or item.urls

    async def answers(self) -> bool:
        """Return whether the archive answers a search that finds nothing."""
        query = urlencode({"query": f"isic_id:{NOBODY}"})
        return "results" in await self._ask(f"{self._url}images/search/?{query}")

    async def find(
        self, ids: Sequence[str], query: str, *, once: bool = False
    ) -> AsyncIterator[IdBatch]:
        """Yield the records of a list of ids, in batches; `query` leaves out some of them.

        ids:  ISIC ids, or those of the old archive
        once: whether they failed in an earlier run, so that nobody waits for them
        """
        why = "the archive has no public image of this id"
        why += f", or none that matches {query}" if query else ""
        for start in range(0, len(ids), BATCH):
            asked = {i: await self._modern_id(i) for i in ids[start : start + BATCH]}
            broken: dict[str, str] = {}
            wanted = sorted({new for new in asked.values() if new})
            records = await self._of_ids(wanted, query, broken, 0 if once else None)
            found = {record.get("isic_id") for record in records}
            missing = {
                given: self.broken(isic_id, broken[isic_id])
                if isic_id in broken
                else Missing(Outcome.NOT_FOUND, why, f"{self._url}images/{given}/", tries=1)
                for given, isic_id in asked.items()
                if isic_id not in found
            }
            yield IdBatch(records, missing, len(asked))

    def broken(self, isic_id: str | None, why: str) -> Missing:
        """Return that the archive cannot serve a record. why: what it answers instead"""
        url = f"{self._url}images/{isic_id}/"
        return Missing(Outcome.SERVER_ERROR, f"the archive cannot serve this record: {why}", url)

    async def _of_ids(
        self, ids: list[str], query: str, broken: dict[str, str], retries: int | None
    ) -> list[dict[str, Any]]:
        """Return the records of a batch of ids, as many as the archive has and the query admits.

        broken: gets those that it cannot serve, which spoil the answer for all others
        retries: how often a request that fails is made again; None for as often as any
        """
        if not ids:
            return []
        params = urlencode({"query": combine(query, id_query(ids))})
        url = f"{self._url}images/search/?{params}"
        meta: Meta = {"dont_cache": True}
        if retries is not None:
            meta["max_retry_times"] = retries
        try:
            answer = await self._fetcher.fetch_json(url, **meta)
        except WrongAnswerError as error:
            if error.status < 500 or not await self.answers():
                raise
            if len(ids) == 1:
                broken[ids[0]] = str(error)
                return []
            found = []
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                # What fails is asked for in parts, and only a single record until it surely fails.
                again = retries if retries == 0 else 1 if len(half) > 1 else None
                found += await self._of_ids(half, query, broken, again)
            return found
        return page_records(answer, "the answer to a list of ids")

    async def _modern_id(self, given: str) -> str | None:
        """Return the ISIC id; that of an old archive's id is where the website redirects to."""
        if not is_legacy_id(given):
            return given
        url = f"{self._fetcher.settings['ISIC_WEBSITE_URL']}images/{given}/"
        response = await self._fetcher.fetch(url, dont_redirect=True)
        location = (response.headers.get("Location") or b"").decode("latin-1")
        match = re.search(r"/images/(ISIC_\d{7})/", location)
        return match[1] if match else None

    # --- licences ---

    async def license_text(self, name: str) -> Document | None:
        """Return the text of a licence; None if there is none, or if it was returned before."""
        if name in self._licenses or not re.fullmatch(r"[A-Z0-9-]{2,20}", name):
            return None
        self._licenses.add(name)
        url = f"{self._url}zip-download/license-file/{name}/"
        response = await self._fetcher.fetch(url, cache="page")
        if response.status == 200:
            return Document(f"licenses/{name}.txt", response.body.decode("utf-8", "replace"))
        self._fetcher.logger.warning("The archive has no text of the licence %s", name)
        return None


def _nearest(name: str, known: Sequence[IsicCollection]) -> str:
    """Return what may have been meant by a name that no collection has, with its id."""
    word = name.casefold()
    longer = [each.name for each in known if word in each.name.casefold()]
    near = longer[:1] or get_close_matches(name, [each.name for each in known], n=1, cutoff=0.5)
    numbers = [each.number for each in known if each.name in near]
    meant = f": did you mean {near[0]!r}? Type its id, {numbers[0]}" if numbers else ""
    return f"{meant}. `scrapy isic collections WORD` lists those whose names have a word."


def _cursor(since: date) -> str:
    """Return the archive's cursor for a day: base64 of ``p=<created>``, as its own cursors are.

    What was taken in later than `p` follows, so that it stands a moment before the day (UTC).
    """
    moment = datetime.combine(since, time.min, UTC) - timedelta(microseconds=1)
    return b64encode(urlencode({"p": str(moment)}).encode()).decode("ascii")

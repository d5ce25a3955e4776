"""IsicApi: the requests that the ISIC Archive's API, version 2, answers."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Document, Missing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.cursor_pages import page_records, read_pages
from imgcrawl.sources.isic.list_sums import ListSums
from imgcrawl.sources.isic.query import combine, id_query, is_legacy_id
from imgcrawl.sources.isic.records import urls_of
from imgcrawl.text.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date

    from imgcrawl.records.items import Item
    from imgcrawl.sources.fetcher import Fetcher

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
        """Return the id of a collection; the API has no error for one it lacks."""
        if name.isdigit():
            response = await self._fetcher.fetch(f"{self._url}collections/{name}/")
            if response.status == 404:
                raise SourceError(f"There is no collection {name}, or you may not see it.")
            return int(name)
        known: dict[str, int] = {}
        async for page in read_pages(self._fetcher, f"{self._url}collections/"):
            known |= {str(c.get("name")): int(c.get("id", 0)) for c in page.records}
        for title, number in known.items():
            if title.casefold() == name.casefold():
                return number
        raise SourceError(f"There is no collection {name!r}{did_you_mean(name, known)}")

    # --- sums ---

    async def count(self, params: dict[str, str]) -> int | None:
        """Return how many images the archive counts in a list; None if it does not say."""
        url = f"{self.list_url(params, None)}{'&' if params else '?'}limit=1"
        answer = await self._ask(url)
        count = answer.get("count")
        return count if isinstance(count, int) else None

    async def sums(self, params: dict[str, str], count: int | None) -> ListSums:
        """Return what the archive says of a list. count: of its images, if that is known."""
        if count is None:
            count = await self.count(params)
        asked = f"?{urlencode(params)}" if params else ""
        size = await self._ask(f"{self._url}images/search/size/{asked}")
        facets = await self._ask(f"{self._url}images/facets/{asked}")
        return ListSums.of(count, size.get("size"), facets)

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

    async def find(self, ids: Sequence[str], query: str) -> AsyncIterator[IdBatch]:
        """Yield the records of a list of ids, in batches; `query` leaves out some of them.

        ids: ISIC ids, or those of the old archive
        """
        why = "the archive has no public image of this id"
        why += f", or none that matches {query}" if query else ""
        for start in range(0, len(ids), BATCH):
            asked = {i: await self._modern_id(i) for i in ids[start : start + BATCH]}
            records = await self._of_ids(sorted({new for new in asked.values() if new}), query)
            found = {record.get("isic_id") for record in records}
            missing = {
                given: Missing(Outcome.NOT_FOUND, why, f"{self._url}images/{given}/", tries=1)
                for given, isic_id in asked.items()
                if isic_id not in found
            }
            yield IdBatch(records, missing, len(asked))

    async def _of_ids(self, ids: list[str], query: str) -> list[dict[str, Any]]:
        """Return the records of a batch of ids, as many as the archive has and the query admits."""
        if not ids:
            return []
        params = urlencode({"query": combine(query, id_query(ids))})
        answer = await self._fetcher.fetch_json(f"{self._url}images/search/?{params}")
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


def _cursor(since: date) -> str:
    """Return the archive's cursor for a day: base64 of ``p=<created>``, as its own cursors are."""
    return b64encode(f"p={since.isoformat()}".encode()).decode("ascii")

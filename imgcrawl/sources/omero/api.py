"""OmeroApi: what an OMERO server's website is asked, and what its refusals mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imgcrawl.records.errors import SourceError
from imgcrawl.records.items import Missing
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.sources.omero.records import Pair, read_annotations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy.http import Response

    from imgcrawl.sources.fetcher import Fetcher

ANNOTATED = 50  # images and wells whose annotations are asked for at once
PAGE = 500  # records asked for; a server that allows fewer gives fewer, and does not say so


class OmeroAnswerError(SourceError):
    """An answer that is none, for this once or for this object."""


@dataclass(frozen=True, slots=True)
class OmeroAnswer:
    """JSON, or why there is none."""

    data: Any = None
    missing: Missing | None = None


class OmeroApi:
    """One server. Public parts only: nothing here logs in.

    Raises NoAnswerError if no answer came, OmeroAnswerError for one that cannot be used (5xx, a
    page that is no page): neither may be taken for a refusal.
    """

    def __init__(self, fetcher: Fetcher, server: str) -> None:
        self.server = server
        self._fetcher = fetcher
        self._host = urlsplit(server).hostname or ""
        self._objects: dict[str, dict[str, Any]] = {}
        self._has_download_urls: bool | None = None

    async def ask(self, path: str) -> OmeroAnswer:
        """Return the JSON below a path. A login page has status 200, and is a refusal."""
        url = self.server + path
        response = await self._fetcher.fetch(url, cache="json")
        if refused := self._refusal(response, url, {404: Outcome.NOT_FOUND}):
            if refused.outcome not in {Outcome.NOT_FOUND, Outcome.FORBIDDEN}:
                raise OmeroAnswerError(f"{url} cannot be read: {refused.message}.")
            return OmeroAnswer(missing=refused)
        try:
            return OmeroAnswer(json.loads(response.body))
        except (ValueError, RecursionError):
            raise OmeroAnswerError(f"{url} answered what is neither JSON nor a web page.") from None

    async def record(self, kind: str, number: int) -> OmeroAnswer:
        """Return the JSON of one object; that of a container is requested once."""
        path = f"api/v0/m/{kind}s/{number}/"
        if kept := self._objects.get(path):
            return OmeroAnswer(kept)
        answer = await self.ask(path)
        data = answer.data.get("data") if isinstance(answer.data, dict) else None
        if answer.missing is None and not isinstance(data, dict):
            raise OmeroAnswerError(f"{self.server}{path} answered JSON, but no {kind}.")
        if data and kind != "image":
            self._objects[path] = data
        return OmeroAnswer(data, answer.missing)

    async def listed(self, path: str, *, optional: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Yield the records of a list, over all its pages; an `optional` one may be lacking."""
        offset, before = 0, None
        while True:
            url = f"{path}?limit={PAGE}&offset={offset}"
            answer = await self.ask(url)
            if answer.missing is not None:
                if optional:
                    return
                raise OmeroAnswerError(
                    f"{self.server}{url} cannot be read: {answer.missing.message}."
                )
            page = answer.data if isinstance(answer.data, dict) else {}
            records, meta = page.get("data"), page.get("meta")
            total = meta.get("totalCount") if isinstance(meta, dict) else None
            if not isinstance(records, list) or not isinstance(total, int):
                raise SourceError(f"{self.server}{url} answered JSON, but no page of a list.")
            if records and records == before:
                # A server passes over parameters that it does not know.
                raise SourceError(f"{self.server}{url} repeats the page before it.")
            for record in records:
                if isinstance(record, dict) and isinstance(record.get("@id"), int):
                    yield record
            before, offset = records, offset + len(records)
            if not records or offset >= total:
                return

    async def pairs(self, kind: str, number: int, name: str | None = None) -> list[Pair]:
        """Return the key-value pairs that people gave to an object."""
        answer = await self.ask(f"webclient/api/annotations/?type=map&{kind}={number}")
        return read_annotations(answer.data, kind, number, name)

    async def pairs_of(
        self, images: list[int], wells: list[int]
    ) -> dict[tuple[str, int], list[Pair]]:
        """Return the key-value pairs of images and wells, by kind and id, asked for at once."""
        found: dict[tuple[str, int], list[Pair]] = {}
        asked = [("image", number) for number in images] + [("well", number) for number in wells]
        for start in range(0, len(asked), ANNOTATED):
            some = asked[start : start + ANNOTATED]
            query = "&".join(f"{kind}={number}" for kind, number in some)
            answer = await self.ask(f"webclient/api/annotations/?type=map&{query}")
            for kind, number in some:
                found[kind, number] = read_annotations(answer.data, kind, number)
        return found

    async def download_urls(self, image_id: int) -> Any:
        """Return IDR's own list of an image's files; requested once if the server has none."""
        if self._has_download_urls is False:
            return None
        answer = await self.ask(f"image/{image_id}/download_urls/")
        if answer.missing is None:
            self._has_download_urls = True
        elif self._has_download_urls is None:
            self._has_download_urls = False
        return answer.data

    def archived_url(self, image_id: int) -> str:
        """Return where stock OMERO hands out an image's files: one as it is, several as a zip."""
        return f"{self.server}webgateway/archived_files/download/{image_id}/"

    def _refusal(
        self, response: Response, url: str, meanings: dict[int, Outcome]
    ) -> Missing | None:
        """Return why an answer is a refusal or an error, or None if it may be the answer."""
        status = response.status
        kind = (response.headers.get("Content-Type") or b"").partition(b";")[0].strip().lower()
        is_page = kind == b"text/html" or response.body[:512].lstrip().startswith(b"<")
        if status == 200 and not is_page and "/login" not in urlsplit(response.url).path:
            return None
        if status == 200:
            words = f"{self._host} asks for a login: this is not open to everyone"
            return Missing(Outcome.FORBIDDEN, words, url, status, tries=1)
        outcome = meanings.get(status) or of_status(status)
        words = f"{self._host} answers HTTP {status}"
        if outcome is Outcome.FORBIDDEN:
            words += ": it lets nobody have this without a login"
        return Missing(outcome, words, url, status, tries=1)

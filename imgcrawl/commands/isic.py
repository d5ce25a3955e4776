"""``scrapy isic collections [WORD]``: the ISIC Archive's collections, by what tells them apart."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from scrapy import Request, Spider
from scrapy.commands import ScrapyCommand
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.exceptions import UsageError
from scrapy.http.request import NO_CALLBACK
from scrapy.settings import SETTINGS_PRIORITIES

from imgcrawl.records.errors import ImgcrawlError, NoAnswerError, RecordMissing, WrongAnswerError
from imgcrawl.records.exit_status import ExitStatus
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from scrapy.http import Response


class CollectionsSpider(Spider):
    """Asks the archive for its collections, through all that a crawl does for a request.

    word:   collections whose names or DOIs have it, in any case; empty for all
    show:   called with the cells of each
    """

    name = "isic-collections"
    error = ""

    def __init__(self, word: str, show: Any) -> None:
        super().__init__()
        self._word = word.casefold()
        self._show = show

    async def start(self) -> AsyncIterator[Any]:
        """Show the collections; yield nothing."""
        from imgcrawl.sources.isic.api import IsicApi  # noqa: PLC0415 - each crawl loads all commands

        api = IsicApi(self)
        try:
            for each in await api.collections():
                if self._word in each.name.casefold() or self._word in each.doi.casefold():
                    count = await api.count({"collections": str(each.number)})
                    self._show(each, count, await api.licences(each.number))
        except ImgcrawlError as error:
            self.error = str(error)
        nothing: list[Any] = []
        for each in nothing:
            yield each

    async def fetch(self, url: str, *, method: str = "GET", **meta: Any) -> Response:
        """Return a page of the archive. Raises NoAnswerError."""
        request = Request(url, method=method, callback=NO_CALLBACK, meta=meta)
        try:
            return await self.crawler.engine.download_async(request)
        except RecordMissing as error:
            raise NoAnswerError(url, error) from error

    async def fetch_json(self, url: str, *, tries: int = 3, **meta: Any) -> Any:
        """Return the JSON that a URL answers with. Raises WrongAnswerError for anything else."""
        response = await self.fetch(url, **meta)
        try:
            if response.status == 200:
                return json.loads(response.body)
        except (ValueError, RecursionError):
            pass
        raise WrongAnswerError(
            f"{url} answered HTTP {response.status} and no JSON", response.status
        )


class Command(ScrapyCommand):
    """Prints a line a collection: what `-a collections=` takes, and what tells it from others."""

    requires_project = True
    requires_crawler_process = False

    def syntax(self) -> str:
        """Return the arguments, for the usage line."""
        return "collections [WORD]"

    def short_desc(self) -> str:
        """Return the description that ``scrapy`` lists."""
        return "List the collections of the ISIC Archive: id, images, licences, DOI, name"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Print the collections; exit status 3 if none has the word, 1 if none can be had."""
        if args[:1] != ["collections"] or len(args) > 2:
            raise UsageError("scrapy isic takes: collections [WORD]")
        assert self.settings is not None
        shown: list[int] = []

        def show(each: Any, images: int | None, licences: list[str]) -> None:
            if not shown:
                sys.stdout.write(_line("id", "images", "pinned", "licences", "DOI", "name"))
            count = "?" if images is None else f"{images:,}"
            pinned = "pinned" if each.is_pinned else "-"
            terms = "+".join(licences) or "?"
            sys.stdout.write(_line(each.number, count, pinned, terms, each.doi or "-", each.name))
            shown.append(each.number)

        if (self.settings.getpriority("LOG_LEVEL") or 0) < SETTINGS_PRIORITIES["cmdline"]:
            self.settings.set("LOG_LEVEL", "WARNING", "cmdline")  # the project's own is INFO
        process = AsyncCrawlerProcess(self.settings)
        crawler = process.create_crawler(CollectionsSpider)
        process.crawl(crawler, word=args[1] if len(args) > 1 else "", show=show)
        process.start()
        error = getattr(crawler.spider, "error", "")
        if error:
            sys.stderr.write(f"scrapy isic: {printable(error)}\n")
            self.exitcode = ExitStatus.FAILED
        elif not shown:
            sys.stderr.write("scrapy isic: no collection has that in its name or DOI\n")
            self.exitcode = ExitStatus.SOME_MISSING


def _line(*cells: object) -> str:
    number, images, pinned, licences, doi, name = map(str, cells)
    return (
        f"{number:>6}  {images:>9}  {pinned:<6}  {licences:<20}  {printable(doi):<18}  "
        f"{printable(name)}\n"
    )

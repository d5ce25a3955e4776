"""DatasetSpider: what every spider here is."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Unpack, cast

from scrapy import Request, Spider
from scrapy.http.request import NO_CALLBACK

from imgcrawl.arguments import SpiderArguments, arguments_of_settings, parse_arguments
from imgcrawl.pictures.sniff import excerpt, sniff
from imgcrawl.records.errors import NoAnswerError, RecordMissing, SourceError, WrongAnswerError
from imgcrawl.records.extras import require_extra
from imgcrawl.storage.address import settings_of_out
from imgcrawl.storage.directory import OutputDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from imgcrawl.download.meta import Meta
    from imgcrawl.records.items import SpiderOutput

MAX_PAGE = 256 << 20  # bytes of one answer, unpacked; the index of a million files has as many

A = TypeVar("A", bound=SpiderArguments)


class DatasetSpider(Spider, Generic[A]):
    """Yields the records of a dataset, and nothing else.

    A subclass names itself, declares `arguments` (a model) and an `example` command, and writes
    `records()`: an asynchronous generator of items, in which `Bookmark`, `Expects` and `Document`
    may stand. It awaits what it needs of the source with `fetch` and `fetch_json`; it is drawn
    from no faster than its records are finished.

    `bookmarks` holds what an earlier run into the same OUT had committed; `recorded` returns the
    ids of the records that are written down by now, and the address of each.
    """

    arguments: ClassVar[type[SpiderArguments]] = SpiderArguments
    example: ClassVar[str]
    shard_by: ClassVar[str] = "record"  # how `scrapy shards` cuts it by default

    bookmarks: dict[str, str]
    asks_anew: bool = False  # whether no page of the source may come from the cache of OUT
    recorded: Callable[[], list[tuple[str, str]]]

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.args = cast("A", parse_arguments(type(self), arguments))
        self.arguments_given = {k: v for k, v in arguments.items() if not k.startswith("_")}
        self.bookmarks, self.recorded = {}, list

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Return a spider, its arguments that are settings being in the settings."""
        kwargs = arguments_of_settings(cls, kwargs, crawler.settings)
        spider = super().from_crawler(crawler, *args, **kwargs)
        for extra in spider.args.extras():
            require_extra(extra)
        out = spider.args.out or crawler.settings["OUT"] or spider.args.default_out(cls.name)
        settings = spider.args.settings() | settings_of_out(str(out), crawler.settings)
        arguments = {*spider.args.as_settings.values(), "OUT", "OUT_STORE"}
        for name, value in settings.items():
            # What stands for an argument was checked as one: it comes before what was typed.
            priority = "cmdline" if name in arguments else "spider"
            crawler.settings.set(name, value, priority=priority)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        """Yield the records: Scrapy's entry."""
        async for output in self.records():
            yield output

    def records(self) -> AsyncIterator[SpiderOutput]:
        """Yield the dataset. Raises SourceError if the source does not answer as it must."""
        raise NotImplementedError

    def credentials(self, url: str) -> dict[str, str]:
        """Return the headers by which a page of the source knows who asks; none by default."""
        return {}

    async def fetch(self, url: str, *, method: str = "GET", **meta: Unpack[Meta]) -> Response:
        """Return a page of the source, through all that Scrapy does for a request.

        Any HTTP status is handed back. Raises NoAnswerError if no answer came.
        """
        meta = {"download_maxsize": MAX_PAGE, **meta}
        if self.asks_anew:
            meta["dont_cache"] = True
        request = Request(
            url,
            method=method,
            headers=self.credentials(url),
            callback=NO_CALLBACK,
            meta=dict(meta),
        )
        try:
            return await self.crawler.engine.download_async(request)
        except RecordMissing as error:
            raise NoAnswerError(url, error) from error

    async def fetch_file(self, url: str) -> str:
        """Return the path of a file of the source, of any size, downloaded for this run."""
        name = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:16]
        path = OutputDirectory.partial_of(self.settings["OUT"]) / f"{name}.list"
        meta: Meta = {
            "spool": str(path),
            "spool_threshold": 0,
            "download_maxsize": self.settings.getint("ARCHIVE_MAXSIZE"),
            "download_deadline": 0,
            "dont_cache": True,
            "stoppable": True,
        }
        self.logger.info("Downloading %s", url)
        response = await self.fetch(url, **meta)
        if response.status != 200:
            raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
        if "spooled" not in response.flags:
            await asyncio.to_thread(path.write_bytes, response.body)
        return str(path)

    async def fetch_json(self, url: str, *, tries: int = 3, **meta: Unpack[Meta]) -> Any:
        """Return the JSON that a URL answers with.

        An error page in its place, often there for a moment only, is asked again `tries` times.
        Raises WrongAnswerError with what came instead.
        """
        asked: Meta = {"cache": "json", **meta}
        for _ in range(tries):
            response = await self.fetch(url, **asked)
            if response.status == 200:
                try:
                    return json.loads(response.body)
                except (ValueError, RecursionError):
                    continue
            break
        what = f"HTTP {response.status}" if response.status != 200 else "no JSON"
        kind, words = sniff(response.body[:4096]).what, excerpt(response.body[:65536])
        raise WrongAnswerError(f"{url} answered {what} but {kind}: {words}", response.status)

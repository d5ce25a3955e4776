"""Fetches, checks and stores pictures: Scrapy's ImagesPipeline, with the source's own bytes.

Scrapy 2.14 to 2.19 re-encodes every JPEG at quality 75 (``exif_transpose()`` returns a copy whose
``format`` is None, so the branch that keeps the bytes is dead), turns transparency black and
16-bit pictures white, and keeps the result of every request in memory. This subclass keeps its
hooks, settings and stores, and nothing of that.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from inspect import signature
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http.request import NO_CALLBACK
from scrapy.pipelines.images import ImagesPipeline as ScrapyImagesPipeline

from imgcrawl.crawl.lifecycle import require_dataset, run_of
from imgcrawl.download.downloader import Downloader
from imgcrawl.download.media_headers import PICTURES
from imgcrawl.download.schemes import asked_address, require_http
from imgcrawl.download.statuses import brings_the_whole
from imgcrawl.pictures.placeholders import known_address
from imgcrawl.records.errors import FULL_DISK, RecordMissing
from imgcrawl.records.items import ImageItem, Item, Missing, Result, Stored, merge_failures
from imgcrawl.records.outcomes import Outcome, of_status
from imgcrawl.storage.open_store import media_storage
from imgcrawl.storage.origin import Origin, proven_origin
from imgcrawl.storage.pictures import CheckedPicture, CheckedPictureStore
from imgcrawl.storage.places import NAME_TAKEN, place_aside
from imgcrawl.storage.thumbnails import Thumbnails
from imgcrawl.text.bucket_urls import is_in_bucket
from pipelines.hooks import claimed_path, complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.pipelines.media import MediaPipeline

    from imgcrawl.download.meta import Meta
    from imgcrawl.records.held_body import HeldBody

# A body that is cut, or empty, may be whole the next time although its transfer seemed to end well.
BODY_TRIES = 3
# What says nothing of another record with the same URL.
_OF_ONE_RECORD = {Outcome.INTERRUPTED, Outcome.DISK_FULL, Outcome.DUPLICATE, Outcome.BAD_URL}


class ImagesPipeline(ScrapyImagesPipeline):
    """The pipeline of `ImageItem`: byte for byte, proven readable, under a name made of its id."""

    for_records: ClassVar[bool] = True  # no other items come here

    def __init__(self, store_uri: str, *, crawler: Crawler) -> None:
        self.crawler = crawler
        super().__init__(store_uri, crawler=crawler)
        storage: Any = self.store
        self._pictures = CheckedPictureStore(
            storage, crawler.settings, min_width=self.min_width, min_height=self.min_height
        )
        self._numbers = count()
        self._completes = type(self).item_completed is not ImagesPipeline.item_completed
        # Scrapy's own hook has no `extension`: a user's override of it makes the whole name.
        self._names_whole = "extension" not in signature(self.file_path).parameters

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks. The store is IMAGES_STORE, or OUT without one."""
        require_dataset(crawler)
        return cls(crawler.settings["IMAGES_STORE"] or crawler.settings["OUT"], crawler=crawler)

    def _get_store(self, uri: str) -> Any:
        """Return a `Storage` in the place of one of Scrapy's stores."""
        return media_storage("IMAGES_STORE", self.crawler.settings)

    def open_spider(self) -> None:  # type: ignore[override] # the spider argument is deprecated
        """Take the run, which is open by now."""
        super().open_spider()
        self._run = run_of(self.crawler)
        self._sizes = Thumbnails(self.thumbs, self._size_path, self._pictures, self._run.files)
        self._partial = str(self._run.out.partial)

    def close_spider(self) -> None:
        """Let the threads go."""
        self._pictures.close()

    async def process_item(self, item: Item) -> Item:  # type: ignore[override] # as above
        """Fetch an image item that has no result yet, and give it one."""
        if isinstance(item, ImageItem) and item.urls and item.previous_failure is None:
            if item.result is None:
                item.result = await (self._once(item) if item.body is None else self._result(item))
                if self._completes:
                    complete(self, item)
            elif item.unchanged:
                await self._sizes.add(item)
        return item

    def get_media_requests(self, item: Item, info: MediaPipeline.SpiderInfo) -> list[Request]:
        """Return a request for each URL: the same picture, best first.

        Raises RecordMissing for an address that no request can be made of.
        """
        requests = []
        for listed in item.urls:
            url = asked_address(listed, self.crawler.settings)
            require_http(url)
            if what := known_address(url):
                raise RecordMissing(Outcome.PLACEHOLDER, f"the address of a placeholder ({what})")
            requests.append(Request(url, callback=NO_CALLBACK))
        return requests

    def item_completed(self, results: list[Any], item: Any, info: MediaPipeline.SpiderInfo) -> Any:
        """Return the item: a hook for subclasses, which may raise DropItem."""
        return item

    def _as_media(self, request: Request, item: ImageItem) -> Request:
        """Return a request, a hook's or our own, with all that the download of a picture needs."""
        meta: Meta = {
            "media": True,
            "spool": f"{self._partial}/{next(self._numbers)}.body",
            "dont_cache": True,
            "digests": item.digests,
            "allow_offsite": True,  # pictures lie on servers of their own
        }
        request.meta.update(meta)
        request.headers.setdefault("Accept", PICTURES)
        request.headers["Accept-Encoding"] = "identity"
        request.callback = NO_CALLBACK
        return request

    def file_path(
        self,
        request: Request,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: Any = None,
        extension: str = "",
    ) -> str:
        """Return the final name: the item's path, with the extension that its bytes call for."""
        return f"{item.path}{extension}"

    def thumb_path(
        self,
        request: Request,
        thumb_id: str,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: Any = None,
    ) -> str:
        """Return the name of a derived size, without extension."""
        return f"sizes/{thumb_id}/{item.path}"

    def _namer(
        self, request: Request, response: Response | None, item: ImageItem
    ) -> Callable[..., str]:
        """Return what makes the final name of a picture, given the `extension` of its bytes."""
        name = partial(self.file_path, request, response, self.spiderinfo, item=item)
        if not self._names_whole:
            return name
        path = claimed_path(name(), item, self._run)
        return lambda **_: path

    def _size_path(self, item: ImageItem, size: str) -> str:
        return self.thumb_path(Request(item.urls[0]), size, item=item)

    async def _once(self, item: ImageItem) -> Result:
        """Return the result of an item; items with the same URL share one answer."""
        asking = self._run.in_flight.share_url(item)
        if asking.item is item:
            there = self._run.records.same_url(item) if item.recovered_file is None else None
        else:
            there = await asking.answer_for(item)
        result = await self._shared(item, there) or await self._result(item)
        if asking.item is item:
            asking.set_answer(result)
        return result

    async def _shared(self, item: ImageItem, there: Result | None) -> Result | None:
        """Return what a result of the same URL means for this item; None if it must ask itself."""
        if isinstance(there, Stored):
            return await self._copy(item, there) if self._run.files.local else None
        if there is None or item.digests or there.outcome in _OF_ONE_RECORD:
            return None
        return replace(there, url=item.urls[0], tries=0)

    async def _copy(self, item: ImageItem, there: Stored) -> Result | None:
        """Copy the file of another record with the same URL. Return None if it has gone."""
        file = self._run.out.root / str(there.file_name)
        try:
            body = await asyncio.to_thread(file.read_bytes)
            origin = Origin(item.urls[0], there.final_url or item.urls[0], str(there.source))
            name = self._namer(Request(item.urls[0]), None, item)
            kept = await self._store(item, body, item.digests, name, origin)
        except RecordMissing as error:
            return Missing.of(error, item.urls[0], status=200, tries=0)
        except FileNotFoundError:
            return None
        await self._sizes.make(item, kept, body)
        copied: Stored = kept.stored(origin, 0)
        return replace(copied, downloaded_at=there.downloaded_at)

    async def _result(self, item: ImageItem) -> Result:
        try:
            result = await self._first_good(item)
            if isinstance(result, Missing) and self._is_expired(result) and item.renew:
                item.urls = await item.renew(item)
                again = await self._first_good(item)
                result = replace(again, tries=again.tries + result.tries)
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            result = Missing(Outcome.DISK_FULL, str(error), item.urls[0])
        return result

    @staticmethod
    def _is_expired(result: Missing) -> bool:
        return result.outcome is Outcome.FORBIDDEN

    async def _first_good(self, item: ImageItem) -> Result:
        """Try the item's URLs in turn: the next only after all tries of one have failed."""
        if item.recovered_file is not None and (
            adopted := await self._adopt(item, item.recovered_file)
        ):
            return adopted
        if item.body is not None:
            return await self._take(item, item.body)
        failures: list[Missing] = []
        try:
            requests = [*self.get_media_requests(item, self.spiderinfo)]
        except RecordMissing as error:
            return Missing.of(error, item.urls[0], tries=0)
        if not requests:
            return Missing(Outcome.BAD_URL, "no request is made of it", item.urls[0], tries=0)
        # As the source has it: a request's own is normalised (a trailing ? is gone).
        urls = item.urls if len(requests) == len(item.urls) else [each.url for each in requests]
        for number, request in enumerate(requests):
            result = await self._fetch(self._as_media(request, item), item, urls[number], number)
            if isinstance(result, Stored):
                return result
            failures.append(result)
        return merge_failures(failures)

    async def _take(self, item: ImageItem, held: HeldBody) -> Result:
        """Store the bytes that lay in the list, and let them go."""
        url, item.body = item.urls[0], None
        origin = Origin(url, url, "original")
        try:
            # Of three slashes Scrapy makes one, and then finds no scheme.
            name = self._namer(Request(url.replace(":///", "://")), None, item)
            kept = await self._store(item, held.data, item.digests, name, origin)
        except RecordMissing as error:
            return Missing.of(error, url, tries=0)
        await self._sizes.make(item, kept, held.data)
        return kept.stored(origin, 0)

    async def _fetch(self, request: Request, item: ImageItem, url: str, number: int) -> Result:
        tries = 0
        for number_of_try in range(BODY_TRIES):
            attempt = request.copy() if number_of_try else request
            try:
                response = await Downloader.of(self.crawler).download(attempt)
            except RecordMissing as error:
                tries += error.tries
                return Missing.of(error, url, tries=tries)
            except IgnoreRequest as error:  # of a middleware that is not ours
                return Missing(Outcome.HTTP_ERROR, str(error), url, None, tries + 1)
            tries += 1 + int(response.meta.get("retry_times", 0))
            if not brings_the_whole(response):
                words = f"HTTP {response.status}"
                outcome = of_status(response.status)
                if outcome is Outcome.FORBIDDEN and is_in_bucket(url):
                    words += "; if you have an account that may read it: -s S3_LOGIN=1"
                return Missing(outcome, words, url, response.status, tries)
            origin = Origin(url, response.url, "mirror" if number else "original")
            try:
                kept = await self._keep(response, attempt, item, origin)
            except RecordMissing as error:
                result = Missing.of(error, url, status=response.status, tries=tries)
                if not error.outcome.transient or self._run.stopping:
                    break
            else:
                return kept.stored(origin, tries)
        return result

    async def _keep(
        self, response: Response, request: Request, item: ImageItem, origin: Origin
    ) -> CheckedPicture:
        """Check a response and store its body. Raises RecordMissing if it is no picture."""
        body: bytes | Path = response.body
        if "spooled" in response.flags:
            body = Path(request.meta["spool"])
        name = self._namer(request, response, item)
        digests = request.meta["digests"]
        kept = await self._store(item, body, digests, name, origin)
        in_memory = body if isinstance(body, bytes) else None
        await self._sizes.make(item, kept, in_memory)
        return kept

    async def _store(
        self,
        item: ImageItem,
        body: bytes | Path,
        digests: dict[str, str],
        name: Callable[..., str],
        origin: Origin,
    ) -> CheckedPicture:
        try:
            return await self._pictures.keep(body, digests, name, origin)
        except NAME_TAKEN:
            item.path = place_aside(item)
            self._run.in_flight.claim_path(item, item.path)
            return await self._pictures.keep(body, digests, name, origin)

    async def _adopt(self, item: ImageItem, found: Path) -> Stored | None:
        """Take over a complete file that a killed run stored but did not come to write down."""
        origin = await asyncio.to_thread(proven_origin, found, item)
        if origin is None:
            return None
        try:
            kept = await self._pictures.examine(found, f"{item.path}{found.suffix}")
        except RecordMissing:
            return None
        await self._sizes.make(item, kept)
        return kept.stored(origin, 1)

"""Fetches and stores files of any kind and size: Scrapy's FilesPipeline in constant memory.

Scrapy's holds a file whole in memory, stops at 1 GiB, starts from zero and forgets why it failed.
This subclass keeps its settings and its stores (a folder, ``s3://``, ``gs://``).
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from scrapy import Request
from scrapy.http.request import NO_CALLBACK
from scrapy.pipelines.files import FilesPipeline as ScrapyFilesPipeline

from imgcrawl.crawl.lifecycle import require_dataset, run_of
from imgcrawl.download.archive_member import ArchiveMember
from imgcrawl.download.content_coding import undo_coding
from imgcrawl.download.partial_file import PartialFile
from imgcrawl.download.ranged import LargeFile
from imgcrawl.download.schemes import ARCHIVE_SCHEMES, asked_address, require_http
from imgcrawl.records.errors import FULL_DISK, RecordMissing
from imgcrawl.records.items import (
    FileItem,
    Item,
    LockedDigests,
    Missing,
    Result,
    Stored,
    merge_failures,
)
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.digests import check_digests, digest
from imgcrawl.storage.open_store import media_storage
from imgcrawl.storage.origin import Origin, proven_origin
from imgcrawl.storage.places import NAME_TAKEN, place_aside
from pipelines.hooks import claimed_path, complete

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.pipelines.media import MediaPipeline

    from imgcrawl.microscopy.facts import FileFacts
    from imgcrawl.storage.base import Storage

# Columns of which a file that was described has one.
_DESCRIBED = {"checked", "conflicts"}


class FilesPipeline(ScrapyFilesPipeline):
    """The pipeline of `FileItem`: byte for byte, under its own name, from where it had stopped."""

    for_records: ClassVar[bool] = True  # no other items come here

    def __init__(self, store_uri: str, *, crawler: Crawler) -> None:
        self.crawler = crawler
        super().__init__(store_uri, crawler=crawler)
        store: Any = self.store
        self._storage: Storage = store
        self._names_whole = type(self).file_path is not FilesPipeline.file_path
        self._completes = type(self).item_completed is not FilesPipeline.item_completed
        self._workers = crawler.settings.getint("FILE_CONNECTIONS")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Make one for a crawl, as Scrapy asks. The store is FILES_STORE, or OUT without one."""
        require_dataset(crawler)
        return cls(crawler.settings["FILES_STORE"] or crawler.settings["OUT"], crawler=crawler)

    def _get_store(self, uri: str) -> Any:
        """Return a `Storage` in the place of one of Scrapy's stores."""
        return media_storage("FILES_STORE", self.crawler.settings)

    def open_spider(self) -> None:  # type: ignore[override] # the spider argument is deprecated
        """Take the run, which is open by now."""
        super().open_spider()
        self._run = run_of(self.crawler)

    async def process_item(self, item: Item) -> Item:  # type: ignore[override] # as above
        """Fetch a file item that has no result yet, and give it one."""
        if not isinstance(item, FileItem):
            return item
        if item.urls and item.result is None:
            item.result = await self._result(item)
            if self._completes:
                complete(self, item)
        elif (
            item.unchanged
            and _DESCRIBED & (known := self._run.in_flight.known_metadata(item)).keys()
        ):
            item.metadata = item.metadata | known  # what it says was read once, and kept
        return item

    def get_media_requests(self, item: Item, info: MediaPipeline.SpiderInfo) -> list[Request]:
        """Return a request for each URL: the same file, best first. Their headers are sent."""
        return [Request(url, callback=NO_CALLBACK) for url in item.urls]

    def file_path(
        self,
        request: Request,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: Any = None,
    ) -> str:
        """Return the final name: the item's path."""
        path: str = item.path
        return path

    def item_completed(self, results: list[Any], item: Any, info: MediaPipeline.SpiderInfo) -> Any:
        """Return the item: a hook for subclasses, which may raise DropItem."""
        return item

    async def _result(self, item: FileItem) -> Result:
        if item.recovered_file is not None and (
            adopted := await self._adopt(item, item.recovered_file)
        ):
            return adopted
        failures: list[Missing] = []
        for number, (url, headers) in enumerate(self._asked(item)):
            try:
                return await self._fetch(item, url, headers, "mirror" if number else "original")
            except RecordMissing as error:
                missing = Missing.of(error, url)
            except OSError as error:
                if error.errno not in FULL_DISK:
                    raise
                missing = Missing(Outcome.DISK_FULL, str(error), url)
            failures.append(missing)
        if not failures:
            return Missing(Outcome.BAD_URL, "no request is made of it", item.urls[0], tries=0)
        return merge_failures(failures)

    def _asked(self, item: FileItem) -> list[tuple[str, dict[str, str]]]:
        """Return the addresses to ask, each with the headers that a hook adds."""
        if self._names_whole:
            first = Request(item.urls[0])
            claimed_path(self.file_path(first, None, self.spiderinfo, item=item), item, self._run)
        if type(self).get_media_requests is FilesPipeline.get_media_requests:
            return [(url, {}) for url in item.urls]
        requests = self.get_media_requests(item, self.spiderinfo)
        return [
            (each.url, {str(k): v for k, v in each.headers.to_unicode_dict().items()})
            for each in requests
        ]

    async def _fetch(
        self, item: FileItem, url: str, headers: dict[str, str], source: str
    ) -> Stored:
        """Download one URL of an item. Raises RecordMissing."""
        listed, url = url, asked_address(url, self.crawler.settings)
        require_http(url)
        name = hashlib.sha256(item.record_id.encode()).hexdigest()[:16]
        part = PartialFile.opened(self._run.out.parts / f"{name}.part", url)
        files = self._run.counts.files

        def progress(received: int, size: int | None) -> None:
            files[item.record_id] = received, size
            if size is not None:
                self._run.room.require(size)

        file: ArchiveMember | LargeFile
        if url.partition(":")[0] in ARCHIVE_SCHEMES:
            file = ArchiveMember(self.crawler, part)
        else:
            file = LargeFile(
                self.crawler, part, workers=self._workers, progress=progress, headers=headers
            )
        try:
            sha256 = await file.fetch()
            await asyncio.to_thread(part.finish)
            decoded = await asyncio.to_thread(undo_coding, part.path, file.coding, item.path)
            if decoded is not None:
                sha256, item.metadata["content_encoding"] = decoded, file.coding
            facts = await asyncio.to_thread(_checked, part.path, item)
        except RecordMissing as error:
            if part.validator and error.outcome.retryable:
                await asyncio.to_thread(part.note)  # the next run goes on from here
                part.close()
            else:
                part.discard()
            raise
        finally:
            part.close()
            files.pop(item.record_id, None)
        size = part.path.stat().st_size
        origin = Origin(listed, file.final_url, source)
        await self._keep(part.path, item, origin, sha256)
        return self._described(item, origin.stored(item.path, sha256, size, file.tries), facts)

    @staticmethod
    def _described(item: FileItem, stored: Stored, facts: FileFacts) -> Stored:
        """Add what the file says of itself to its result, and to the item's columns."""
        from imgcrawl.microscopy.merge import file_columns, misnamed  # noqa: PLC0415 - as below

        # The columns of a lock are those that the same bytes had already, source and file together.
        if not isinstance(item.digests, LockedDigests) or "checked" not in item.metadata:
            item.metadata = file_columns(facts, item.metadata)
        remarks = (misnamed(item.path, facts), facts.proof.suspect)
        return replace(
            stored,
            format=facts.format or None,
            width=facts.size_x,
            height=facts.size_y,
            suspect="; ".join(filter(None, remarks)) or None,
        )

    async def _keep(self, file: Path, item: FileItem, origin: Origin, sha256: str) -> None:
        """Move a complete file to its place, without a copy on the local disk."""
        metadata = origin.metadata(sha256) if self._storage.is_local else {}
        try:
            await asyncio.to_thread(self._storage.move, file, item.path, metadata)
        except NAME_TAKEN:
            item.path = place_aside(item)
            self._run.in_flight.claim_path(item, item.path)
            await asyncio.to_thread(self._storage.move, file, item.path, metadata)

    async def _adopt(self, item: FileItem, found: Path) -> Stored | None:
        """Take over a complete file that a killed run stored but did not come to write down."""
        origin = await asyncio.to_thread(proven_origin, found, item)
        if origin is None:
            return None
        try:
            facts = await asyncio.to_thread(_checked, found, item)
        except RecordMissing:
            return None
        sha256, size = await asyncio.to_thread(digest, found)
        return self._described(item, origin.stored(item.path, sha256, size, tries=1), facts)


def _checked(file: Path, item: FileItem) -> FileFacts:
    """Return what a complete file says of itself, and how far that was proved. Blocks.

    Raises RecordMissing (status 200) for a file that is not what its source or its name promises.
    """
    from imgcrawl.microscopy.merge import describe_file  # noqa: PLC0415 - crawls of pictures need none

    try:
        check_digests(file, item.digests)
        return describe_file(file, item.path)
    except RecordMissing as error:
        raise RecordMissing(error.outcome, error.message, status=200) from error

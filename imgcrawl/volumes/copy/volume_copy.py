"""Copies of groups and arrays: object by object, byte for byte, the documents first.

Objects that came stay even if others fail: the next run goes on with what is missing. An object
has its final name only when its bytes are those of the list.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import Missing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.digests import bytes_of, digests_of
from imgcrawl.storage.origin import Origin
from imgcrawl.volumes.copy.documents import CopyDocuments, SharedDocuments
from imgcrawl.volumes.copy.facts import describe_copy, tell_facts
from imgcrawl.volumes.copy.failures import CopyFailures, disk_error
from imgcrawl.volumes.copy.listing import PAGE, ListedObject, key_problem
from imgcrawl.volumes.copy.manifest import CopyManifest
from imgcrawl.volumes.copy.object_fetcher import SMALL, ObjectFetcher, copy_file
from imgcrawl.volumes.copy.object_table import CopiedObject
from imgcrawl.volumes.copy.objects import CopyObjects
from imgcrawl.volumes.copy.promised_chunks import count_promised
from imgcrawl.volumes.copy.write_batches import WriteBatches
from imgcrawl.volumes.metadata.local_folder import folder_of
from imgcrawl.volumes.metadata.other_names import OtherNames, renamed

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from imgcrawl.crawl.run import Run
    from imgcrawl.records.items import Result, Stored, VolumeItem
    from imgcrawl.records.volume import Copy
    from imgcrawl.storage.base import Storage
    from imgcrawl.volumes.copy.object_fetcher import FetchedObject

logger = logging.getLogger(__name__)

MANIFESTS = "manifests"  # below OUT: the table of each copy, beside it and not within


class VolumeCopier:
    """Copies volumes; the copies of a run share a limit of objects at once, and documents above."""

    def __init__(self, crawler: Crawler, run: Run, storage: Storage) -> None:
        self.crawler, self.run, self.storage = crawler, run, storage
        self.workers = 2 * max(1, crawler.settings.getint("VOLUME_CONNECTIONS"))
        self.turns = asyncio.Semaphore(self.workers)
        self.documents = SharedDocuments(storage)
        # In a bucket each object would wait for the answer to the one before.
        self.batches = WriteBatches() if storage.is_local else None

    async def copy(self, item: VolumeItem, copy: Copy) -> Result:
        """Copy a volume as far as possible, and return its result."""
        volume_copy = await asyncio.to_thread(VolumeCopy, self, item, copy)
        try:
            return await volume_copy.run()
        finally:
            self.run.counts.files.pop(item.record_id, None)
            await asyncio.to_thread(volume_copy.manifest.close)


class VolumeCopy:
    """One copy in progress. A fault of the source raises nothing: it is the result."""

    def __init__(self, copier: VolumeCopier, item: VolumeItem, copy: Copy) -> None:
        self._copier, self._item, self._copy = copier, item, copy
        self._run, self._storage = copier.run, copier.storage
        self._fetcher = ObjectFetcher(copier.crawler, self._run.out, item.path, copier.batches)
        out, folder = self._run.out, item.path
        name = hashlib.sha256(item.record_id.encode("utf-8", "replace")).hexdigest()[:16]
        self.manifest = CopyManifest(
            out.parts / f"{name}.copy",
            out.root / MANIFESTS / f"{folder}.tsv",
            (lambda key: self._storage.size(f"{folder}/{key}")) if self._storage.is_local else None,
            lambda key: digests_of(out.root / folder / key),
            self._run.sync if self._storage.is_local else None,
        )
        self._failures = CopyFailures()
        self._bytes = self._tries = 0
        listed = item.metadata.get("listed_size")
        self._expected = listed if isinstance(listed, int) else None
        self._objects = CopyObjects(self._fetcher, copy)
        self._documents = CopyDocuments(copier.documents, self._fetcher, copy, out.root, folder)

    async def run(self) -> Result:
        """Copy everything that is not stored yet, and return the result of the record."""
        try:
            self._require_possible()
            await self._documents.fetch_above()
            await self._fetch_documents()
            await self._copy_listed()
            if not self._failures and self._objects.complete and not self._objects.computed:
                await self._check_unlisted()
        except RecordMissing as error:
            self._failures.add("", error)
        except OSError as error:
            self._failures.add("", disk_error(error))
        await asyncio.to_thread(self.manifest.flush)
        count = await asyncio.to_thread(self.manifest.count)
        url = self._item.urls[0]
        if self._failures:
            missing = self._failures.to_missing(count, url, complete=self._objects.complete)
            return replace(missing, tries=missing.tries + self._tries)
        if not count:
            words = (
                f"there is nothing below {self._copy.address.shown}{self._objects.absence_reason}"
            )
            return Missing(self._objects.absence_outcome, words, url, None, self._tries)
        return await self._finish(url)

    def _require_possible(self) -> None:
        """Raise RecordMissing for a copy that is impossible: of unusable parts, or into itself."""
        for part in self._copy.parts:
            if problem := key_problem(part.strip("/")):
                raise RecordMissing(Outcome.BAD_URL, f"the part {part[:80]!r}: {problem}", tries=0)
        source = folder_of(self._copy.address.url)
        target = (self._run.out.root / self._item.path).resolve()
        if source is not None and target.is_relative_to(source.resolve()):
            words = f"{source} cannot be copied into itself: choose another -a out=DIR"
            raise RecordMissing(Outcome.BAD_URL, words, tries=0)

    async def _fetch_documents(self) -> None:
        """Fetch the documents of the copy first, so that it opens however far it comes."""
        covered = not self._copy.parts
        async with asyncio.TaskGroup() as group:
            for key in self._documents.own(self._copy.parts):
                group.create_task(self._fetch_document(key, covered=covered))

    async def _fetch_document(self, key: str, *, covered: bool) -> None:
        known = self.manifest.known(key) if self._storage.is_local else None
        if known is not None:
            if not covered:
                self.manifest.keep(known)  # no list will have it
            return
        try:
            async with self._copier.turns:
                found = await self._documents.fetch(key)
                if found is None:
                    return
                arrived, etag = found
                await asyncio.to_thread(
                    self._storage.move, arrived.file, f"{self._item.path}/{key}"
                )
        except RecordMissing as error:
            if error.outcome is not Outcome.TOO_LARGE:  # which its list may have, as any object
                self._failures.add(key, error)
        except OSError as error:
            self._failures.add(key, disk_error(error))
        else:
            self._note(key, arrived, arrived.size, etag)

    async def _read(self, key: str) -> bytes | None:
        """Return a document that may name more objects, and copy it too."""
        if not key.startswith("../"):
            await self._fetch_document(key, covered=False)
        return await asyncio.to_thread(self._documents.kept, key)

    async def _copy_listed(self) -> None:
        """Copy all listed objects: several at once, and few of them in memory."""
        queue: asyncio.Queue[ListedObject | None] = asyncio.Queue(PAGE)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._copier.workers):
                group.create_task(self._copy_queued(queue))
            try:
                async for page in self._objects.read(self._read):
                    plan = await asyncio.to_thread(self.manifest.plan, page)
                    self._bytes += plan.present_bytes
                    for refused, problem in plan.refused:
                        self._failures.refuse(refused.key, problem)
                    for wanted in plan.wanted:
                        await queue.put(wanted)
                    if self._is_over():
                        break
            except RecordMissing as error:
                self._failures.add("its list", error)
            except OSError as error:
                self._failures.add("its list", disk_error(error))
            for _ in range(self._copier.workers):
                await queue.put(None)

    def _is_over(self) -> bool:
        if self._run.stopping:
            self._failures.stop()
        return self._failures.hopeless

    async def _copy_queued(self, queue: asyncio.Queue[ListedObject | None]) -> None:
        while (wanted := await queue.get()) is not None:
            if not self._is_over():
                async with self._copier.turns:
                    await self._copy_object(wanted)

    async def _copy_object(self, wanted: ListedObject) -> None:
        """Store one object under the name that it has, or count it among the failures."""
        others = wanted.others or OtherNames()
        try:
            if await self._store(wanted):
                others.learn_plain()
                return
            found = None
            for form in others.to_ask(first=False):
                key = renamed(wanted.key, form)
                if self.manifest.known(key) or await self._store(self._objects.named(key)):
                    found = form
                    break
            others.learn(found)
            self.manifest.keep(CopiedObject(wanted.key, None, None, 0, ""))
        except RecordMissing as error:
            self._failures.add(wanted.key, error)
        except OSError as error:
            self._failures.add(wanted.key, disk_error(error))

    async def _store(self, wanted: ListedObject) -> bool:
        """Store one object; return False if there is none, which only an unlisted one may be.

        Raises RecordMissing and OSError.
        """
        try:
            arrived = await self._obtain(wanted)
        except RecordMissing as error:
            if wanted.size is None and await self._objects.is_absent(error):
                return False
            raise
        same = wanted.etag == arrived.etag or arrived.etag is None
        size = wanted.size if same and wanted.size is not None else arrived.size
        if self._note(wanted.key, arrived, size, arrived.etag or wanted.etag):
            await asyncio.to_thread(self.manifest.flush)
        return True

    async def _obtain(self, wanted: ListedObject) -> FetchedObject:
        """Bring an object to its place. Raises RecordMissing and OSError."""
        name = f"{self._item.path}/{wanted.key}"

        def place(file: Path) -> None:
            self._storage.move(file, name)

        if folder_of(self._copy.address.url) is None:
            return await self._fetcher.fetch(wanted, place)

        def copy() -> FetchedObject:
            found = copy_file(Path(wanted.url), self._fetcher.new_file())
            place(found.file)
            return found

        if self._copier.batches is not None and (wanted.size or 0) <= SMALL:
            return await self._copier.batches.run(copy)
        return await asyncio.to_thread(copy)

    def _note(self, key: str, arrived: FetchedObject, size: int, etag: str | None) -> bool:
        self._bytes += arrived.size
        self._tries += arrived.tries
        self._run.counts.files[self._item.record_id] = self._bytes, self._expected
        return self.manifest.keep(CopiedObject(key, size, etag, arrived.size, arrived.sha256))

    async def _check_unlisted(self) -> None:
        """Ask for stored objects that are no longer listed; remove those that are gone."""
        while not self._failures and (unlisted := await asyncio.to_thread(self.manifest.unlisted)):
            for wanted in unlisted:
                url = self._objects.url_of(wanted.key)
                if url is not None and self.manifest.known(wanted.key):
                    try:
                        arrived = await self._obtain(replace(wanted, url=url))
                    except RecordMissing as error:
                        if error.outcome is not Outcome.NOT_FOUND:
                            raise
                    else:
                        self._note(wanted.key, arrived, arrived.size, arrived.etag)
                        continue
                logger.debug("%s is gone from %s", wanted.key, self._copy.address.shown)
                if self._storage.is_local:  # a bucket keeps what it was given
                    await asyncio.to_thread(self._storage.remove, f"{self._item.path}/{wanted.key}")
                await asyncio.to_thread(self.manifest.forget, wanted.key)

    async def _finish(self, url: str) -> Stored:
        promised = await count_promised(self._objects, self._documents, self.manifest)
        total = await asyncio.to_thread(self.manifest.finish, self._fetcher.new_file())
        folder = self._run.out.root / self._item.path
        size = await asyncio.to_thread(bytes_of, folder) if self._storage.is_local else total.bytes
        if size != total.bytes:
            strays = "%s holds %d bytes that are not of the copy: see its table in %s/"
            logger.warning(strays, folder, size - total.bytes, MANIFESTS)
        names = self._item.path.split("/")
        facts = await asyncio.to_thread(describe_copy, self._documents.kept, names, self._copy)
        origin = Origin(url, self._copy.address.url, "original")
        stored = origin.stored(self._item.path, total.sha256, size, self._tries)
        if facts is not None:
            stored = tell_facts(self._item, stored, facts)
        self._item.metadata["objects"] = total.objects
        if promised is not None:
            self._item.metadata |= promised.columns(computed=self._objects.computed)
            if promised.absence:
                told = "%s: %s are not there: they are fill value. Type allow_empty=1 if so it is"
                logger.warning(told, self._item.path, promised.absence)
        return stored

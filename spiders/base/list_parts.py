"""ListParts: the parts of a list on this machine, wherever they lie."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from imgcrawl.lists.opening import split_member
from imgcrawl.lists.parts import is_list, is_remote, parts_of
from imgcrawl.records.errors import ArgumentError, SourceError
from imgcrawl.sources.hugging_face import HubAddress, parquet_of
from imgcrawl.storage.address import SCHEMES, BucketAddress
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.open_store import open_bucket
from imgcrawl.text.bucket_urls import web_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spiders.base.dataset import DatasetSpider


class ListPart(NamedTuple):
    """A part of a list: what it is called, where it is, and its member of an archive.

    split: of the dataset, if its source says so
    """

    name: str
    path: str
    member: str
    split: str = ""


class ListParts:
    """Brings the parts of a list to this machine, each when its turn comes."""

    def __init__(self, spider: DatasetSpider) -> None:  # type: ignore[type-arg] # of any arguments
        self._spider = spider
        self._settings = spider.settings

    async def of(self, source: str) -> AsyncIterator[ListPart]:
        """Yield the parts of a list; what was downloaded is removed before the next one.

        Raises ArgumentError, SourceError, StoreError.
        """
        for part in parts_of(source):
            name, member = split_member(part)
            if not is_remote(name):
                yield ListPart(part, name, member)
                continue
            async for each in self._downloaded(name, member):
                yield each
                Path(each.path).unlink(missing_ok=True)  # noqa: ASYNC240 - a name, and no bytes

    async def _downloaded(self, name: str, member: str) -> AsyncIterator[ListPart]:
        scheme = name.partition("://")[0].lower()
        if scheme == "hf":
            async for part in self._of_hub(name):
                yield part
        elif scheme in SCHEMES:
            async for part in self._of_bucket(name, member):
                yield part
        else:
            yield ListPart(name, await self._spider.fetch_file(name), member)

    async def _of_hub(self, name: str) -> AsyncIterator[ListPart]:
        address, base = HubAddress.of(name), self._settings["HF_URL"].rstrip("/")
        if address.path:
            yield ListPart(name, await self._spider.fetch_file(address.url(base)), "")
            return
        answer = await self._spider.fetch_json(address.url(base))
        for url, split in parquet_of(answer, address.dataset).items():
            yield ListPart(url, await self._spider.fetch_file(url), "", split)

    async def _of_bucket(self, name: str, member: str) -> AsyncIterator[ListPart]:
        """Yield an object, or the lists below a prefix, which ends with a slash."""
        scheme, _, rest = name.partition("://")
        bucket, _, key = rest.partition("/")
        if key and not key.endswith("/"):
            yield ListPart(name, await self._object(scheme.lower(), bucket, key), member)
            return
        store = open_bucket(BucketAddress.of(name), self._settings)
        listing = await asyncio.to_thread(lambda: sorted(each for each, _ in store.list()))
        for each in listing:
            if is_list(PurePosixPath(each)):
                path = await self._object(scheme.lower(), bucket, key + each)
                yield ListPart(f"{scheme}://{bucket}/{key}{each}", path, "")

    async def _object(self, scheme: str, bucket: str, key: str) -> str:
        """Return the path of an object, as everybody may read it, or else with an account."""
        try:
            url = web_address(f"{scheme}://{bucket}/{key}", self._settings)
        except ValueError as error:
            raise ArgumentError(f"{error}; type {scheme}://bucket/list.csv") from None
        try:
            return await self._spider.fetch_file(url)
        except SourceError as error:
            self._spider.logger.info("%s Trying it with your account.", error)
        folder, _, name = key.rpartition("/")
        store = open_bucket(BucketAddress.of(f"{scheme}://{bucket}/{folder}"), self._settings)
        digest = hashlib.sha256(f"{scheme}://{bucket}/{key}".encode()).hexdigest()[:16]
        path = Path(OutputDirectory.partial_of(self._settings["OUT"]), f"{digest}.list")
        await asyncio.to_thread(store.get, name, path)
        return str(path)

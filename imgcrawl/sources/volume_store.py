"""VolumeStore: volumes in buckets, on servers or in local folders, opened by their addresses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack

from imgcrawl.microscopy.zarr_documents import MAX_DOCUMENT
from imgcrawl.records.errors import RecordMissing, SourceError
from imgcrawl.sources.fetcher import Fetcher
from imgcrawl.text.redact import printable
from imgcrawl.text.sizes import parse_size
from imgcrawl.volumes.metadata.address import parse_address
from imgcrawl.volumes.metadata.folders import inner_place
from imgcrawl.volumes.metadata.local_folder import folder_of, read_document
from imgcrawl.volumes.metadata.members import group_members
from imgcrawl.volumes.metadata.multiscale import read_multiscale

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy.crawler import Crawler

    from imgcrawl.download.meta import Meta
    from imgcrawl.records.volume import Multiscale, VolumeAddress
    from imgcrawl.volumes.metadata.documents import Get
    from imgcrawl.volumes.metadata.folders import InnerPlace
    from imgcrawl.volumes.metadata.members import GroupMember

T = TypeVar("T")

_MAX_MOVES = 3
_ABSENT = frozenset({403, 404, 410})  # buckets that may not be listed answer 403 for absence


class CrawlFetcher(Fetcher, Protocol):
    """A fetcher that says of which crawl it is, as every DatasetSpider does."""

    @property
    def crawler(self) -> Crawler:
        """The crawl, whose open arrays are those of all its volumes."""


class _Moved(Exception):  # noqa: N818 - an answer more than a fault
    """The documents of a volume are asked for at one address, and come from another."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class VolumeStore:
    """Addresses, documents and levels of volumes. Every method raises SourceError."""

    def __init__(self, fetcher: CrawlFetcher) -> None:
        self._fetcher = fetcher
        self._allowed: set[str] = set()  # ZIPs and databases that may be looked into

    def address(self, text: str, *, local: bool = True) -> VolumeAddress:
        """Return the address in a text, buckets being where the settings S3_URL and GCS_URL say.

        local: whether a folder of this computer may be named
        """
        try:
            return self._parse(text, local=local)
        except ValueError as error:
            words = str(error).removesuffix(".")
            raise SourceError(f"{printable(text)} cannot be read: {words}.") from error

    async def open(self, address: VolumeAddress, index: int = 0) -> Multiscale:
        """Return the picture at an address; its own address is where its documents came from.

        index: which of several multiscales in the same group
        """

        def resolve(text: str) -> VolumeAddress:
            return self._parse(text, local=False)

        async def read(get: Get, there: VolumeAddress) -> Multiscale:
            return await read_multiscale(get, there, resolve=resolve, index=index)

        return (await self._where_it_is(read, address))[0]

    async def members(self, address: VolumeAddress) -> tuple[list[GroupMember], VolumeAddress]:
        """Return what a group of Zarr holds, and where its documents came from."""
        return await self._where_it_is(group_members, address)

    async def _where_it_is(
        self, read: Callable[[Get, VolumeAddress], Awaitable[T]], address: VolumeAddress
    ) -> tuple[T, VolumeAddress]:
        """Return what is read at an address, or at the one that its documents have moved to."""
        for _ in range(_MAX_MOVES):
            try:
                return await read(self._getter(address), address), address
            except _Moved as moved:
                # The reader of the chunks follows no redirects.
                self._fetcher.logger.info("%s is now at %s", address.shown, moved.url)
                is_bucket = address.shown.startswith(("s3://", "gs://"))
                shown = address.shown if is_bucket else moved.url.rstrip("/")
                address = replace(address, shown=shown, url=moved.url)
        raise SourceError(f"{address.shown} moves on and on.")

    async def document(self, url: str) -> bytes | None:
        """Return a document of a volume as it is now, or None if there is none."""
        return (await self._document(url, dont_cache=True))[0]

    async def object_size(self, url: str) -> int | None:
        """Return the bytes of an object, or None if there is none or nobody says."""
        if inner_place(url) is not None:
            return None
        if (path := folder_of(url)) is not None:
            return path.stat().st_size if path.is_file() else None
        response = await self._fetcher.fetch(url, method="HEAD", dont_cache=True)
        length = response.headers.get("Content-Length") if response.status == 200 else None
        return None if length is None else parse_size(length.decode("latin-1"))

    def _getter(self, address: VolumeAddress) -> Get:
        """Return a function that fetches documents below an address. It raises _Moved."""

        async def get(url: str) -> bytes | None:
            body, final_url = await self._document(url)
            document = url.removeprefix(address.url)
            if body is not None and url.startswith(address.url) and "?" not in document:
                base = final_url.removesuffix(document)
                if base not in {final_url, address.url} and base.endswith("/"):
                    raise _Moved(base)
            return body

        return get

    async def _document(self, url: str, **meta: Unpack[Meta]) -> tuple[bytes | None, str]:
        """Return a document, or None if there is none, and the URL that it came from."""
        if (place := inner_place(url)) is not None:
            return await self._inner_document(url, place), url
        if url.startswith("file:"):
            try:
                return await asyncio.to_thread(read_document, url), url
            except OSError as error:
                raise SourceError(f"{url} cannot be read: {error}.") from error
        asked: Meta = {"download_maxsize": MAX_DOCUMENT, **meta}
        response = await self._fetcher.fetch(url, **asked)
        if response.status in _ABSENT:
            return None, url
        if response.status != 200:
            raise SourceError(f"{url} cannot be read: HTTP {response.status}.")
        return response.body, response.url

    async def _inner_document(self, url: str, place: InnerPlace) -> bytes | None:
        """Return a document within a ZIP or a database, as the reader of the chunks finds it."""
        # tensorstore is for those who ask.
        from imgcrawl.volumes.crop.open_arrays import open_arrays_of  # noqa: PLC0415

        if place.base not in self._allowed and not place.base.startswith("file:"):
            # By the crawl's own downloader, which obeys robots.txt.
            name = "/manifest.ocdbt" if place.adapter == "ocdbt" else ""
            await self.object_size(place.base + name)
        self._allowed.add(place.base)
        try:
            return await open_arrays_of(self._fetcher.crawler).inner_document(url)
        except RecordMissing as error:
            raise SourceError(f"{place.base} cannot be read: {error.message}.") from error
        except ValueError as error:
            words = printable(str(error).partition(" [")[0], 200)
            raise SourceError(
                f"{place.base} cannot be read as {place.adapter}: {words}."
            ) from error

    def _parse(self, text: str, *, local: bool) -> VolumeAddress:
        settings = self._fetcher.settings
        s3_url, gcs_url = settings["S3_URL"], settings["GCS_URL"]
        return parse_address(text, s3_url=s3_url, gcs_url=gcs_url, local=local)

"""Arrays opened with tensorstore: guarded, with few connections and no retries of its own.

tensorstore asks for the chunks. The documents that describe an array are asked for elsewhere too,
by the crawl's own downloader, which obeys robots.txt: a volume whose documents may not be fetched
never gets here.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from imgcrawl.download.limits import TransferLimits
from imgcrawl.download.resolver import Resolver
from imgcrawl.download.s3_login import S3Login
from imgcrawl.records.extras import is_installed, require_extra
from imgcrawl.volumes.crop.chunk_codecs import known_n5, plain_array
from imgcrawl.volumes.crop.endpoint import StoreEndpoint, locate
from imgcrawl.volumes.crop.jxl import plain_scale
from imgcrawl.volumes.crop.kvstores import kvstore_spec

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

    from imgcrawl.records.volume import Level
    from imgcrawl.volumes.crop.chunk_codecs import ChunkCodecs
    from imgcrawl.volumes.metadata.other_names import OtherNames

    DecodedArray: TypeAlias = tuple[ChunkCodecs, dict[str, Any]]

INDEX_BYTES = 16 << 20  # of the indices of shards that are kept
KEPT = 16  # arrays that stay open: their documents need not be fetched again
PATIENCE = 10.0  # seconds of silence of one connection, at most
SLOWEST = 64  # bytes a second: below is silence
DOCUMENTS = {
    "zarr": ".zarray",
    "zarr3": "zarr.json",
    "n5": "attributes.json",
    "neuroglancer_precomputed": "info",
}
_BEYOND = re.compile(
    r'"[\w.-]{1,40}" is not registered|filters are not supported|No storage transformers supported'
    r'|(?<="encoding": )Expected one of [^:]{1,120}, but received: "[^"]{1,40}"'
    r"|\w{1,20} data type is not one of the supported data types"
    r'|Object includes extra members: "[^\[]{1,80}"'
)


def is_unknown_encoding(words: str) -> str:
    """Return what tensorstore says of an encoding that it does not know; "" for another error."""
    found = _BEYOND.search(words)
    return found[0] if found else ""


class OpenArrays:
    """The open arrays of a crawl: a context for each host, and the arrays used last."""

    def __init__(self, settings: BaseSettings) -> None:
        self._settings = settings
        self._resolver = Resolver()
        self._login = S3Login.of(settings)
        self._contexts: dict[str, Any] = {}
        self._arrays: OrderedDict[tuple[object, ...], asyncio.Task[tuple[Any, StoreEndpoint]]] = (
            OrderedDict()
        )
        self.absence: dict[str, asyncio.Task[bool]] = {}  # by volume: whether 403 means absent
        self.other_names: dict[str, OtherNames] = {}  # by array
        self.codecs: dict[tuple[object, ...], DecodedArray] = {}  # of those that are decoded here
        # Of those whose chunks are images that are decoded here: their sharding.
        self.images: dict[tuple[object, ...], dict[str, Any] | None] = {}

    async def open(self, level: Level) -> tuple[Any, StoreEndpoint]:
        """Return an array as it is stored, opened once for all that ask.

        Raises RecordMissing of its address, or tensorstore's ValueError.
        """
        key = _array_key(level)
        task = self._arrays.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._arrays[key] = asyncio.create_task(self._open(level))
        self._arrays.move_to_end(key)
        if len(self._arrays) > KEPT:
            self._arrays.popitem(last=False)
        return await asyncio.shield(task)

    async def endpoint(self, level: Level) -> StoreEndpoint:
        """Return where the store of a level is asked for. Raises RecordMissing."""
        return await locate(self._settings, level.address.url, self._resolver)

    def codecs_of(self, level: Level) -> DecodedArray | None:
        """Return how the chunks of an open array are decoded here, or None if they are not.

        With it comes the spec of a plain array in memory.
        """
        return self.codecs.get(_array_key(level))

    def has_images(self, level: Level) -> bool:
        """Return whether the chunks of an open array are images that are decoded here."""
        return _array_key(level) in self.images

    def has_images_in_shards(self, level: Level) -> bool:
        """Return whether they lie in shards, so that they have keys and no names."""
        return self.images.get(_array_key(level)) is not None

    async def chunk_store(self, level: Level) -> Any:
        """Return the store of a level's chunks, by name: a KvStore of tensorstore's.

        Of images in shards: by their keys.
        Raises RecordMissing of its address, or tensorstore's ValueError.
        """
        endpoint = await self.endpoint(level)
        ts = await asyncio.to_thread(
            tensorstore, TransferLimits.from_settings(self._settings).silence
        )
        context = self._context(ts, urlsplit(endpoint.url).netloc)
        below = level.name if level.driver == "neuroglancer_precomputed" else ""
        store = kvstore_spec(endpoint, self._login, below)
        if (sharding := self.images.get(_array_key(level))) is not None:
            shards = {"driver": "neuroglancer_uint64_sharded", "cache_pool": "cache_pool#indices"}
            store = shards | {"base": store, "metadata": sharding}
        return await ts.KvStore.open(store, context=context)

    async def _open(self, level: Level) -> tuple[Any, StoreEndpoint]:
        endpoint = await self.endpoint(level)
        ts = await asyncio.to_thread(
            tensorstore, TransferLimits.from_settings(self._settings).silence
        )
        spec: dict[str, Any] = {
            "driver": level.driver,
            "kvstore": kvstore_spec(endpoint, self._login),
            "fill_missing_data_reads": False,
            "recheck_cached_data": False,
            # A chunk is read once, the indices of its shard with every block that it has chunks of.
            "metadata_cache_pool": "cache_pool#indices",
        }
        if level.driver == "neuroglancer_precomputed":
            spec["scale_index"] = level.scale or 0
        if level.driver == "zarr" and level.address.separator:
            spec["metadata"] = {"dimension_separator": level.address.separator}
        context = self._context(ts, urlsplit(endpoint.url).netloc)
        try:
            return await ts.open(spec, read=True, open=True, context=context), endpoint
        except ValueError as error:
            if not is_unknown_encoding(str(error)):
                raise
            array = await self._open_decoded(ts, level, spec, context)
            if array is None:
                raise
            return array, endpoint

    async def _open_decoded(self, ts: Any, level: Level, spec: dict[str, Any], context: Any) -> Any:
        """Return an array whose chunks are decoded here, without any of them; None if none can be.

        What becomes of its chunks stands in `codecs` then. Raises tensorstore's ValueError.
        """
        store = await ts.KvStore.open(spec["kvstore"], context=context)
        name = DOCUMENTS[level.driver]
        found = await store.read(name)
        try:
            node = json.loads(bytes(found.value))
            if level.driver == "neuroglancer_precomputed":
                if not is_installed("jxl"):
                    return None
                scale = plain_scale(node, level.scale or 0)
                if scale is None:
                    return None
                self.images[_array_key(level)] = scale[1]
                return await ts.open(scale[0], create=True, open=True)
            if level.driver == "n5":
                told = {"metadata": known_n5(node), "assume_metadata": True, "open": True}
                return await ts.open(spec | told, context=context)
            plain = plain_array(level.driver, node)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        if plain is None:
            return None
        document, codecs = plain
        if level.driver == "zarr":
            separator = level.address.separator or codecs.separator
            codecs = replace(codecs, separator=separator)
            document["dimension_separator"] = separator
        memory = {
            "driver": level.driver,
            "kvstore": "memory://",
            "metadata": document,
            "fill_missing_data_reads": False,
        }
        self.codecs[_array_key(level)] = codecs, memory
        return await ts.open(memory, create=True, open=True)

    async def inner_document(self, url: str) -> bytes | None:
        """Return a document within a ZIP or a database, or None if there is none.

        Raises RecordMissing and tensorstore's ValueError.
        """
        folder, _, name = url.rpartition("/")
        endpoint = await locate(self._settings, f"{folder}/", self._resolver)
        ts = await asyncio.to_thread(
            tensorstore, TransferLimits.from_settings(self._settings).silence
        )
        context = self._context(ts, urlsplit(endpoint.url).netloc)
        store = await ts.KvStore.open(kvstore_spec(endpoint, self._login), context=context)
        found = await store.read(unquote(name))
        return bytes(found.value) if found.state == "value" else None

    def _context(self, ts: Any, host: str) -> Any:
        if host not in self._contexts:
            connections = max(1, self._settings.getint("VOLUME_CONNECTIONS", 8))
            self._contexts[host] = ts.Context(
                {
                    "http_request_concurrency": {"limit": connections},
                    # It would wait for half a minute between tries, knowing no Retry-After.
                    "http_request_retries": {"max_retries": 0},
                    "s3_request_concurrency": {"limit": connections},
                    "s3_request_retries": {"max_retries": 1},
                    "file_io_concurrency": {"limit": connections},
                    "cache_pool": {"total_bytes_limit": self._settings.getint("VOLUME_CACHE")},
                    "cache_pool#indices": {"total_bytes_limit": INDEX_BYTES},
                }
            )
        return self._contexts[host]


def _array_key(level: Level) -> tuple[object, ...]:
    address = level.address
    return (address.url, address.separator, level.driver, level.scale, level.sha256)


_OF_CRAWLER: WeakKeyDictionary[Crawler, OpenArrays] = WeakKeyDictionary()


def open_arrays_of(crawler: Crawler) -> OpenArrays:
    """Return the open arrays of a crawl, made on first use and freed with the crawler.

    The pipeline that stores crops and the spider that looks for foreground have only the crawler
    in common, and must share them: the limit on connections to a host is kept by its context.
    """
    if crawler not in _OF_CRAWLER:
        _OF_CRAWLER[crawler] = OpenArrays(crawler.settings)
    return _OF_CRAWLER[crawler]


def tensorstore(silence: float) -> Any:
    """Import and return the module when it is first needed: that takes 0.1 s and 30 MB.

    silence: seconds until a connection on which nothing comes is given up, 0 for never
    """
    if silence > 0:
        seconds = str(max(1, round(min(silence, PATIENCE))))
        # Read once, when the first request is made.
        os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS", seconds)
        os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", str(SLOWEST))
        os.environ.setdefault("TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS", seconds)
    require_extra("volumes")
    import tensorstore as ts  # noqa: PLC0415

    return ts

"""Small volumes of every kind, a server of them with faults, and reading them in a real crawl."""

from __future__ import annotations

import http.server
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import tensorstore as ts

from imgcrawl.records.volume import Crop, Level, VolumeAddress
from imgcrawl.volumes.crop.read import read_crop
from tests.download.harness import crawl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scrapy.crawler import Crawler

    from imgcrawl.records.volume import Raw, Zyx

Voxels = np.ndarray[Any, Any]


def write(folder: Path, spec: dict[str, Any], voxels: Voxels, where: Any = ...) -> None:
    """An array of tensorstore's."""
    spec = {**spec, "kvstore": {"driver": "file", "path": f"{folder}/"}}
    array = ts.open(spec, create=True).result()
    array[where].write(voxels[where] if where is not ... else voxels).result()


def v2(shape: tuple[int, ...], chunk: tuple[int, ...], dtype: str, **more: Any) -> dict[str, Any]:
    about = {"shape": shape, "chunks": chunk, "dtype": dtype, **more}
    return {"driver": "zarr", "metadata": about}


def v3(shape: tuple[int, ...], chunk: tuple[int, ...], shard: tuple[int, ...]) -> dict[str, Any]:
    inner = {"chunk_shape": chunk, "codecs": [{"name": "bytes"}, {"name": "crc32c"}]}
    sharded = chunk != shard
    codecs = [{"name": "sharding_indexed", "configuration": inner}] if sharded else ["bytes"]
    grid = {"name": "regular", "configuration": {"chunk_shape": shard}}
    about = {"shape": shape, "chunk_grid": grid, "data_type": "uint16", "codecs": codecs}
    return {"driver": "zarr3", "metadata": {**about, "fill_value": 7}}


def precomputed(
    size: tuple[int, ...], encoding: str, *, dtype: str = "uint8", sharded: bool = False
) -> dict[str, Any]:
    """`size`: x, y, z, channels. Its numbering begins at 5, 6, 7."""
    scale: dict[str, Any] = {"size": size[:3], "voxel_offset": [5, 6, 7], "resolution": [8, 8, 8]}
    scale |= {"chunk_size": [16, 16, 16], "encoding": encoding}
    if encoding == "compressed_segmentation":
        scale["compressed_segmentation_block_size"] = [8, 8, 8]
    if sharded:
        scale["sharding"] = {
            "@type": "neuroglancer_uint64_sharded_v1",
            "preshift_bits": 2,
            "minishard_bits": 1,
            "shard_bits": 1,
            "hash": "identity",
            "data_encoding": "raw",
            "minishard_index_encoding": "gzip",
        }
    about = {"type": "image", "data_type": dtype, "num_channels": size[3]}
    return {
        "driver": "neuroglancer_precomputed",
        "multiscale_metadata": about,
        "scale_metadata": scale,
    }


def level(url: str, driver: Any, axes: str, **more: Any) -> Level:
    """A level; `axes`: a letter each, C for "channel"."""
    names = tuple("channel" if name == "C" else name for name in axes)
    address = VolumeAddress(url, url)
    about = {"shape": (1, 1, 1), "dtype": "uint8", "chunk": (1, 1, 1), "sha256": "", **more}
    return Level(name="s0", address=address, driver=driver, axes=names, **about)


class Served(http.server.SimpleHTTPRequestHandler):
    """Files below a folder, ranges honoured; what `faults` answers is the answer."""

    protocol_version = "HTTP/1.1"
    folder: Path
    asked: list[str]
    fault: Callable[[Served, str], bool] | None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def say(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def body(self) -> bytes:
        return (self.folder / self.path.strip("/")).read_bytes()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.fault is not None and self.fault(self, self.path):
            return
        path = self.folder / unquote(self.path).strip("/")
        if not path.is_file():
            self.say(404)
            return
        body = path.read_bytes()
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if not wanted:
            self.say(200, body)
            return
        first, _, last = wanted.partition("-")
        start = int(first) if first else max(0, len(body) - int(last))
        stop = min(len(body), int(last) + 1) if first and last else len(body)
        where = f"bytes {start}-{stop - 1}/{len(body)}"
        self.say(206, body[start:stop], Content_Range=where)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of five, a busy machine drops connections


class Store:
    """A running server."""

    def __init__(self, url: str, asked: list[str], handler: type[Served]) -> None:
        self.url = url
        self.asked = asked
        self._handler = handler

    def fault(self, fault: Callable[[Served, str], bool] | None) -> None:
        self._handler.fault = staticmethod(fault) if fault else None

    def most(self) -> int:
        """How often the object that was asked for most was asked for."""
        return max(Counter(self.asked).values())


@contextmanager
def serving(folder: Path) -> Iterator[Store]:
    asked: list[str] = []
    handler = type("Handler", (Served,), {"folder": folder, "asked": asked, "fault": None})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Store(f"http://127.0.0.1:{server.server_port}/", asked, handler)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read(crop: Crop, path: Path, start: int = 0, **settings: Any) -> tuple[Raw, Voxels]:
    """A crop, read in a crawl of its own."""

    async def main(crawler: Crawler) -> Raw:
        return await read_crop(crawler, crop, path, start=start)

    raw = crawl(main, **settings)
    voxels = np.fromfile(raw.path, np.dtype(raw.dtype), offset=raw.start)
    return raw, voxels.reshape(raw.shape)


def crop(of: Level, origin: Zyx, shape: Zyx, time: int = 0) -> Crop:
    return Crop(of, origin, shape, time=time)


def waits(seconds: float) -> bool:
    """A fault that is none, but takes its time."""
    time.sleep(seconds)
    return False

"""Files of any size, made as they are sent: ``/large/BYTES/NAME``.

Ranges, ETag and If-Range as Apache has them. In the query: ``ranges=0`` (they are ignored),
``seed=N`` (other bytes), ``rate=N`` (bytes per second and connection), ``change=N`` (another file
after N requests), ``length=N`` (the value of Content-Length), ``etag=0``, ``strict=STATUS`` (the
answer to a range that ends behind the file, as webfs has it).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1 << 16
_seen: Counter[str] = Counter()


def content(seed: str, start: int, end: int) -> Iterator[bytes]:
    """Yield bytes [start, end) of a file, in pieces of at most one block."""
    while start < end:
        number, offset = divmod(start, BLOCK)
        digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
        block = (digest * (BLOCK // len(digest)))[offset : offset + end - start]
        yield block
        start += len(block)


def sha256(seed: str, size: int) -> str:
    """Return the digest of a whole file."""
    digest = hashlib.sha256()
    for block in content(seed, 0, size):
        digest.update(block)
    return digest.hexdigest()


async def site(request: web.Request, path: str) -> web.StreamResponse:
    """Answer with a file or a range of it."""
    match = re.fullmatch(r"(\d+)/([^/]+)", path)
    if not match:
        return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")
    size, query = int(match[1]), request.query
    seed = query.get("seed", "0")
    _seen[str(request.rel_url)] += 1
    if "change" in query and _seen[str(request.rel_url)] > int(query["change"]):
        seed = f"{seed} changed"
    etag = f'"{hashlib.sha256(f"{seed} {size}".encode()).hexdigest()[:16]}"'
    headers = {"Content-Type": "application/octet-stream"}
    if query.get("etag") != "0":
        headers["ETag"] = etag
    start, end, status = 0, size, 200
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    fresh = request.headers.get("If-Range", etag) == etag
    if asked and fresh and query.get("ranges") != "0":
        start, end = int(asked[1]), min(int(asked[2] or size - 1) + 1, size)
        if "strict" in query and int(asked[2] or 0) >= size:
            return web.Response(status=int(query["strict"]))
        if start >= size:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = query.get("length", str(end - start))
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    rate = float(query.get("rate", 0))
    with suppress(ConnectionError):  # the client has left, or has all the bytes it was promised
        for block in content(seed, start, end):
            await response.write(block)
            if rate:
                await asyncio.sleep(len(block) / rate)
        if "length" in query and request.transport is not None:
            request.transport.close()
    return response

"""image-net.org's API as last seen in public: lists with junk, and errors with status 200."""

from __future__ import annotations

import hashlib
import re
from random import Random
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = (
    *("www.example-birds.org", "images.example.edu", "bp1.blogger.example", "cache.shop.example"),
    *(f"photos{n}.example.net" for n in range(20)),
)


def urls(wnid: str, count: int = 120) -> Iterator[tuple[int, str]]:
    """Yield (number, URL) of the candidates of a synset; about half of them are Flickr's."""
    random = Random(wnid)
    number = 0
    for _ in range(count):
        number += random.randrange(1, 40)
        if random.random() < 0.5:
            photo = f"{random.randrange(10**8, 10**10)}_{random.randbytes(5).hex()}"
            server = random.randrange(1, 4000)
            yield (
                number,
                f"http://farm{random.randrange(1, 5)}.static.flickr.com/{server}/{photo}.jpg",
            )
        else:
            yield number, f"http://{random.choice(HOSTS)}/{wnid}/{random.randrange(10**6)}.jpg"


def fall11(wnids: list[str], count: int = 120) -> Iterator[str]:
    """Yield the lines of a file such as fall11_urls.txt."""
    for wnid in wnids:
        for number, url in urls(wnid, count):
            yield f"{wnid}_{number}\t{url}\n"


async def site(request: web.Request, path: str) -> web.Response:
    """Answer ``api/imagenet.synset.geturls?wnid=``; ``api/text/`` has been gone since 2019."""
    if path != "api/imagenet.synset.geturls":
        page = "<!doctype html><title>ImageNet</title><h1>URL is not valid</h1>"
        return web.Response(status=404, text=page, content_type="text/html")
    wnid = request.query.get("wnid", "")
    if not re.fullmatch(r"n[01]\d{7}", wnid):
        return web.Response(text="Invalid url!")
    if wnid.endswith("77"):
        return web.Response(text="The synset is not ready yet. Please stay tuned!")
    lines = [url.encode() for _, url in urls(wnid)]
    place = hashlib.sha256(wnid.encode()).digest()[0] % 20
    lines[place:place] = [
        b"",
        "http://www.example-birds.org/caf\xe9.jpg".encode("latin-1"),
        b"no url at all",
        lines[place],
        b"http://images.example.edu/two words (1).jpg",
    ]
    return web.Response(body=b"\r\n".join([*lines, b"", b""]), content_type="text/plain")

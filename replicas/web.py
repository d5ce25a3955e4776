"""The image web: any host, ``/web/SCHEME/HOST/PATH``, as it is years after a list was made.

A hash of a URL and the mix in force (`Mix`) decide what it answers: most pictures are alive, some
are gone in one of the usual ways, some hosts send "photo unavailable" with status 200. ``?as=NAME``
asks for the picture of a name: the same bytes under many URLs.

Flickr's hosts, from public reports: farmN.static.flickr.com and its kin redirect to
live.staticflickr.com; there a photo that was deleted redirects to ``photo_unavailable.png`` of
s.yimg.com, which answers 200, or is 410.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from aiohttp import web
from PIL import Image, ImageDraw

from replicas import pictures

SIZE = (96, 72)
_OLD_FLICKR = re.compile(r"(farm\d+\.)?static\.?flickr\.com|c\d\.staticflickr\.com")
_PLACEHOLDER = "https://s.yimg.com/pw/images/en-us/photo_unavailable.png"


@dataclass(frozen=True, slots=True)
class Mix:
    """Fractions of URLs by what they answer; the rest answer with their picture."""

    dead: float = 0.0  # 404, 410, 403, or a web page with status 200
    placeholder: float = 0.0
    corrupt: float = 0.0  # damaged, but whole in its transfer
    passing: float = 0.0  # 503 once, then the picture


def fate(url: str, mix: Mix) -> str:
    """Return the fate of a picture: the name of a part of the mix, or ``good``."""
    bare = re.sub(r"^https?://", "", url)
    place = int.from_bytes(hashlib.sha256(bare.encode()).digest()[:6], "big") / 2**48
    for field in fields(mix):
        share: float = getattr(mix, field.name)
        if place < share:
            return field.name
        place -= share
    return "good"


def picture(url: str) -> bytes:
    """Return the picture of a URL: no two have the same bytes, except by ``?as=NAME``."""
    name = re.search(r"[?&]as=([^&]*)", url)
    key = name[1] if name else re.sub(r"^https?://", "", url)
    variant = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % pictures.VARIANTS
    safe = re.sub(r"[^ -~]", "?", key).replace('"', "'")[:200]
    return pictures.with_xmp(pictures.jpeg(variant, SIZE), safe, "replica")


@lru_cache(maxsize=256)
def unavailable(host: str) -> bytes:
    """Return a host's picture in place of one that is gone."""
    image = Image.new("RGB", (500, 374), (238, 238, 238))
    ImageDraw.Draw(image).text((60, 170), f"This photo is no longer available. {host}", "gray")
    return pictures.encoded(image, "PNG")


class ImageWeb:
    """Answers for every host."""

    def __init__(self) -> None:
        self.mix = Mix()
        self._seen: set[str] = set()

    def set(self, mix: dict[str, Any]) -> None:
        """Put another mix in force. Raises TypeError for an unknown part."""
        self.mix = Mix(**mix)
        self._seen.clear()

    async def site(self, request: web.Request, path: str) -> web.Response:
        """Answer with a picture or in place of it."""
        scheme, _, rest = path.partition("/")
        host, _, tail = rest.partition("/")
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        raw = request.rel_url.raw_path.split("/", 4)
        url = f"{scheme}://{host}/{raw[4] if len(raw) > 4 else tail}{query}"
        if tail == "robots.txt":
            return _page(404)
        if host.endswith("yimg.com") and "photo_unavailable" in tail:
            return web.Response(body=unavailable("Flickr"), content_type="image/png")
        if _OLD_FLICKR.fullmatch(host):
            live = f"https://live.staticflickr.com/{tail}{query}"
            return web.Response(status=301, headers={"Location": live})
        return self._answer(url, host)

    def _answer(self, url: str, host: str) -> web.Response:
        body = picture(url)
        match fate(url, self.mix):
            case "dead":
                return self._dead(url)
            case "placeholder" if host == "live.staticflickr.com":
                return web.Response(status=302, headers={"Location": _PLACEHOLDER})
            case "placeholder":
                body = unavailable(host)
                return web.Response(body=body, content_type="image/png")
            case "corrupt":
                body = body.replace(b"\xff\xc0", b"\xff\x00", 1)  # the frame header
            case "passing" if url not in self._seen:
                self._seen.add(url)
                return _page(503)
        return web.Response(body=body, content_type="image/jpeg")

    @staticmethod
    def _dead(url: str) -> web.Response:
        kind = hashlib.sha256(url.encode()).digest()[9] % 8
        if kind == 7:
            return web.Response(
                text="<!doctype html><title>Domain for sale</title>", content_type="text/html"
            )
        return _page((404, 404, 404, 410, 410, 403, 403)[kind])


def _page(status: int) -> web.Response:
    return web.Response(status=status, text=f"<h1>{status}</h1>", content_type="text/html")

"""Pictures in every encoding, ``/files/KIND/N.EXT?size=WxH``, and ``/files/redirect?to=URL``."""

from __future__ import annotations

import re
from functools import lru_cache

from aiohttp import web

from replicas import pictures

_cached = lru_cache(maxsize=512)(pictures.any_kind)
MAX_SIDE = 4000


async def files(request: web.Request, path: str) -> web.Response:
    """Answer with a picture of a kind; 404 for an unknown kind."""
    if path == "redirect":
        return web.Response(status=302, headers={"Location": request.query.get("to", "/")})
    match = re.fullmatch(r"([a-z0-9]+)/(\d+)\.([a-z]+)", path)
    size = re.fullmatch(r"(\d{1,4})x(\d{1,4})", request.query.get("size", "64x48"))
    if match and size:
        sides = (min(int(size[1]), MAX_SIDE), min(int(size[2]), MAX_SIDE))
        body = _cached(match[1], int(match[2]), sides)
        if body is not None:
            return web.Response(body=body, content_type=f"image/{match[3]}")
    return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")

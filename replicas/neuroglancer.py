"""Links of neuroglancer: a state, short links to it, and redirects that lead astray.

The query names the sources of the layers: ``/ng/short?image=URL&segmentation=URL``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from aiohttp import web

# The hemibrain's volumes, shown by a much shortened state. The image is not the first layer.
_IMAGE = "gs://neuroglancer-janelia-flyem-hemibrain/emdata/raw/jpeg"
_SEGMENTATION = "gs://neuroglancer-janelia-flyem-hemibrain/v1.0/segmentation"
_ASTRAY = {
    "private": "http://10.0.0.1/secret",
    "file": "file:///etc/passwd",
    "loop": "/ng/loop",
    "login": "https://example.org/#!middleauth+https://example.org/state/1",
}


def state(query: dict[str, str]) -> dict[str, Any]:
    """Return a state as the viewer writes it: a hidden segmentation, then the image."""
    segmentation = query.get("segmentation", f"precomputed://{_SEGMENTATION}")
    nm = [8e-9, "m"]
    return {
        "dimensions": {"x": nm, "y": nm, "z": nm},
        "position": [128.5, 128.5, 128.5],
        "layers": [
            {
                "type": "segmentation",
                "source": {"url": segmentation, "subsources": {"default": True}},
                "segments": ["2"],
                "name": "segmentation",
                "visible": False,
            },
            {
                "type": "image",
                "source": query.get("image", f"precomputed://{_IMAGE}"),
                "tab": "source",
                "name": query.get("name", "emdata"),
            },
            {"type": "annotation", "source": "precomputed://gs://bucket/synapses", "name": "syn"},
        ],
        "layout": "4panel",
    }


async def site(request: web.Request, path: str) -> web.Response:
    """Answer as the viewer or the link shortener."""
    text = json.dumps(state(dict(request.query)), separators=(",", ":"))
    origin = f"{request.scheme}://{request.host}"
    if path == "state.json":
        return web.json_response(text=text)
    if path == "short":  # as tinyurl does it: the state stands in the Location only
        location = f"{origin}/ng/viewer/#!{quote(text)}"
        return web.Response(status=302, headers={"Location": location})
    if path == "shorter":
        location = f"/ng/short?{request.query_string}"
        return web.Response(status=301, headers={"Location": location})
    if path == "remote":
        location = f"{origin}/ng/viewer/#!{origin}/ng/state.json?{request.query_string}"
        return web.Response(status=302, headers={"Location": location})
    if path.startswith("moved/"):  # a volume that is elsewhere now: moved/HOST/PATH/info
        location = f"http://{path.removeprefix('moved/')}"
        return web.Response(status=301, headers={"Location": location})
    if path in _ASTRAY:
        return web.Response(status=302, headers={"Location": _ASTRAY[path]})
    if path == "viewer/":
        return web.Response(
            text="<!doctype html><title>neuroglancer</title>", content_type="text/html"
        )
    return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")

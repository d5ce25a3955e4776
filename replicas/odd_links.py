"""Pages whose links do not look like what they lead to: ``/odd/``.

A record page in the shape of InvenioRDM's (invenio-app-rdm, files.html: ``/records/ID/files/NAME
?download=1`` beside ``/records/ID/preview/NAME``), downloads by number (Dataverse, OSF, Figshare,
Dryad), folders without a slash, JSON and text where a page could be, a cookie gate, ftp links.
"""

from __future__ import annotations

import gzip

from aiohttp import web

from replicas import pictures
from replicas.indexes import DICOM

PNG = pictures.any_kind("png", 1, (64, 48)) or b""
TIFF = pictures.any_kind("tiff", 2, (64, 48)) or b""
RECORD = {  # what a record holds, by names
    "stack.tif": TIFF,
    "broken.tif": b"II*\0" + b"\xff" * 60,
    "page.tif": b'{"status": 429, "message": "rate limit"}',
    "data.csv": b"a,b\n1,2\n",
}
_DOWNLOADS = {  # addresses without a name: the header has it, and the type
    "api/access/datafile/77": ("by number.tif", TIFF),
    "ndownloader/files/123": ("figure 4.png", PNG),
    "stash/downloads/file_stream/9": ("dryad.tif", TIFF),
}
_PAGES = {
    "records/1": "".join(
        f'<a href="/odd/records/1/files/{name}?download=1">{name}</a>'
        f'<a href="/odd/records/1/preview/{name}?include_deleted=0">Preview</a>'
        f'<a href="/odd/records/1/files/{name}?download=1">Download</a>'
        for name in RECORD
    )
    + "".join(f'<a href="/odd/{path}">Download</a>' for path in _DOWNLOADS)
    + '<a href="/odd/download/abc12/" download="named.tif">x</a>'
    + '<a href="/odd/files/get.php?file=asked.tif&sequence=1">y</a>'
    + '<a href="/odd/files/view.php?title=shown.tif">a page about a file</a>'
    + '<a href="/odd/files/download.php?id=7">z</a>',
    "dot/": '<a href="set.v1">set.v1</a> <a href="a.png">a</a> <a href="c.ome.zarr">c</a>',
    "dot/set.v1/": '<a href="b.png">b</a>',
    "dot/c.ome.zarr/": '<a href=".zgroup">z</a> <a href="0">0</a>',
    "dot/c.ome.zarr/0/": '<a href=".zarray">z</a>',
    "numbers/": "".join(f'<a href="get/{n}">Get</a>' for n in range(6)),
    "bare/": "".join(f'<a href="IM000{n}">{n}</a>' for n in range(1, 7)) + '<a href="info">i</a>'
    '<a href="README">r</a><a href="ftp://ftp.example.org/pub/x.tif">by ftp</a>'
    '<a href="sub">sub</a>',
    "bare/sub": '<a href="sub/c.png">c</a>',
    "coded/": '<a href="a.tif">a</a><a href="b.tif.gz">b</a><a href="c.nii.gz">c</a>',
}


async def odd_links(request: web.Request, path: str) -> web.Response:
    """Answer with a page or what its links lead to."""
    if path == "cookie/":
        if "gate=1" not in request.headers.get("Cookie", ""):
            headers = {"Set-Cookie": "gate=1; Path=/", "Location": "/odd/cookie/"}
            return web.Response(status=302, headers=headers)
        return _html('<a href="a.png">a</a>')
    if path in {"dot/set.v1", "dot/c.ome.zarr", "dot/c.ome.zarr/0"}:
        return web.Response(status=301, headers={"Location": f"/odd/{path}/"})
    if path in _PAGES:
        return _html(_PAGES[path])
    if path.startswith("numbers/get/"):
        headers = {"Content-Disposition": f"attachment; filename=stack{path[-1]}.tif"}
        body = pictures.any_kind("tiff", int(path[-1]), (64, 48)) or b""
        return web.Response(body=body, headers=headers, content_type="image/tiff")
    if path in _DOWNLOADS:
        name, body = _DOWNLOADS[path]
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=body, headers=headers, content_type="application/octet-stream")
    return _file(path)


def _file(path: str) -> web.Response:
    folder, _, name = path.rpartition("/")
    if folder == "records/1/preview":
        return _html("a preview")
    if folder == "records/1/files" and name in RECORD:
        return web.Response(body=RECORD[name], content_type="application/octet-stream")
    if folder == "bare" and name.startswith("IM"):
        return web.Response(body=DICOM, content_type="application/octet-stream")
    if path == "bare/info":
        return web.json_response({"@type": "neuroglancer_multiscale_volume"})
    if name in {".zgroup", ".zarray"}:
        return web.json_response({"zarr_format": 2})
    if path == "bare/README":
        return web.Response(text="Images of <ten> plates\n")
    if folder == "coded":  # stored with a coding, which is sent whatever is asked for
        coding = "x-gzip" if name == "c.nii.gz" else "gzip"
        body = gzip.compress(TIFF, mtime=0)
        headers = {"Content-Encoding": coding}
        return web.Response(body=body, headers=headers, content_type="image/tiff")
    if name.endswith(".png"):
        body = pictures.any_kind("png", sum(path.encode()), (64, 48)) or b""
        return web.Response(body=body, content_type="image/png")
    if path == "files/view.php":
        return _html("a page about a file")
    if path == "files/download.php":
        headers = {"Content-Disposition": "attachment; filename*=UTF-8''by%20id.tif"}
        return web.Response(body=TIFF, headers=headers, content_type="image/tiff")
    if path == "download/abc12/" or path.startswith("files/get.php"):
        return web.Response(body=TIFF, content_type="image/tiff")
    return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")


def _html(body: str) -> web.Response:
    return web.Response(text=f"<!doctype html><body>{body}", content_type="text/html")

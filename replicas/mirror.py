"""Microscopy on the web: EMPIAR's API and EBI's mirror, EPFL's page, an nginx index, a bucket.

The index of ``/ebi/empiar/world_availability/ENTRY/data/`` is Apache's, as ftp.ebi.ac.uk serves it:
a first row of links that sort, an absolute link to the parent, sizes rounded to two digits. It
omits one slice that exists (seen on one of EBI's backends, October 2026).
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from urllib.parse import quote

from aiohttp import web

from replicas import empiar, large, pictures
from replicas.bucket import answer
from replicas.dm3 import Blob, write_dm

SLICES = 24
OMITTED = 17  # the slice that is not in the index
WIDTH, HEIGHT = 550, 540  # a tenth of the real ones
STEM = "F57-8_test1_3VBSED"
DATE = "2023-11-01 10:00"

_HEAD = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head><title>Index of {0}'
    "</title></head>\n <body>\n<h1>Index of {0}</h1>\n  <table>\n"
    '   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th>'
    '<th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th>'
    '<th><a href="?C=S;O=A">Size</a></th><th><a href="?C=D;O=A">Description</a></th></tr>\n'
    '   <tr><th colspan="5"><hr></th></tr>\n'
    '<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td>'
    '<td><a href="{1}">Parent Directory</a></td><td>&nbsp;</td>'
    '<td align="right">  - </td><td>&nbsp;</td></tr>\n'
)
_ROW = (
    '<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td><td><a href="{0}">{1}</a>'
    f'</td><td align="right">{DATE}  </td><td align="right">{{2:>4}}</td><td>&nbsp;</td></tr>\n'
)


def slice_name(number: int) -> str:
    """Return the file name of a slice of EMPIAR-11759."""
    return f"{STEM}_slice_{number:04}.dm3"


def _tree() -> dict[str, dict[str, str]]:
    """Return directory -> name -> size as the index shows it; directories end with a slash."""
    slices = {slice_name(n): "293K" for n in range(SLICES)}
    return {
        "": {"11759.xml": "6.2K", "data/": "-"},
        "data/": slices | {"trakem2/": "-", f"{STEM}.xml": "8.1K"},
        "data/trakem2/": {"stack overview.tif": "27K", "project (1).xml": "1.0K"},
    }


def _body(name: str) -> tuple[bytes, str]:
    if name.endswith((".tif", ".tiff")):
        picture = pictures.any_kind("tiff", len(name), (96, 72))
        assert picture is not None
        return picture, "image/tiff"
    if name.endswith(".xml"):
        return b'<?xml version="1.0"?><entry name="replica"/>', "application/xml"
    return _slice(name), "application/octet-stream"


@lru_cache(maxsize=SLICES)
def _slice(name: str) -> bytes:
    """Return a DM3 with the tags of EMPIAR-11759: a thumbnail first, a date in German order.

    Its sides are a tenth of the real ones and differ from the record's, as the real ones do.
    """
    pixels = b"".join(large.content(name, 0, WIDTH * HEIGHT))
    side = {"Origin": 0.0, "Scale": 0.007998250424861908, "Units": "\u00b5m"}
    tags = {
        "DataBar": {
            "Acquisition Date": "11.06.2018",
            "Acquisition Time (OS)": 1.3173222436078186e17,
        },
        "Microscope Info": {"Voltage": 1900.0, "Indicated Magnification": 2159.0},
        "SBFSEM": {"Record": {"Slice thickness": 50.0, "Base file name": "C:\\Users\\Somebody"}},
        "Session Info": {"Detector": "3VBSED"},
    }
    image = {
        "Calibrations": {"Dimension": {"0": side, "1": side}},
        "Data": Blob(10, pixels),
        "DataType": 6,
        "Dimensions": {"0": WIDTH, "1": HEIGHT},
        "PixelDepth": 1,
    }
    thumbnail = {
        "Data": Blob(5, bytes(4 * 19 * 19)),
        "DataType": 23,
        "Dimensions": {"0": 19, "1": 19},
        "PixelDepth": 4,
    }
    return write_dm(
        {
            "ImageList": {
                "0": {"ImageData": thumbnail, "ImageTags": {}},
                "1": {"ImageData": image, "ImageTags": tags},
            },
            "Thumbnails": {"0": {"ImageIndex": 0}},
        }
    )


# As EPU writes movies: a folder a grid square below that of the set (of EMPIAR-10943).
_SQUARES = {
    "": {"data/": "-"},
    "data/": {"Movies/": "-", "notes.txt": "1K"},
    "data/Movies/": {"Case1/": "-"},
    "data/Movies/Case1/": {"GridSquare_1/": "-", "GridSquare_2/": "-"},
    "data/Movies/Case1/GridSquare_1/": {"a_001.tif": "27K", "a_002.tif": "27K"},
    "data/Movies/Case1/GridSquare_2/": {"b_001.tif": "27K"},
}


async def ebi(request: web.Request, path: str) -> web.StreamResponse:
    """Answer ``empiar/world_availability/ENTRY/...`` and ``api/entry/EMPIAR-ENTRY/``."""
    if path.startswith("api/entry/"):
        return _api(path.removeprefix("api/entry/").strip("/"))
    match = re.match(r"empiar/world_availability/(\d+)/", path)
    if not match:
        return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")
    root = match[0]
    rest = path.removeprefix(root)
    if match[1] not in {"11759", "10943"}:
        return _of_more(request, match[1], rest)
    tree = _tree() if match[1] == "11759" else _SQUARES
    if rest in tree:
        shown = {n: (s, DATE) for n, s in tree[rest].items() if n != slice_name(OMITTED)}
        return _index(f"/ebi/{root}{rest}".rstrip("/"), shown)
    folder, slash, name = rest.rpartition("/")
    if name in tree.get(folder + slash, {}):
        return _ranged(request, *_body(name))
    return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")


def _of_more(request: web.Request, entry: str, rest: str) -> web.Response:
    """Answer with a folder or a file of the other entries."""
    if (not rest or rest.endswith("/")) and (shown := empiar.folder_of(entry, rest)):
        return _index(f"/ebi/empiar/world_availability/{entry}/{rest}".rstrip("/"), shown)
    if found := empiar.contents(entry).get(rest):
        return _ranged(request, found[0], "application/octet-stream")
    return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")


def _index(here: str, shown: dict[str, tuple[str, str]]) -> web.Response:
    """Answer with Apache's index of a folder: name -> size and date, as they are shown."""
    rows = "".join(
        _ROW.format(quote(name), html.escape(name), size).replace(DATE, date)
        for name, (size, date) in shown.items()
    )
    end = '   <tr><th colspan="5"><hr></th></tr>\n</table>\n</body></html>\n'
    text = _HEAD.format(here, here.rpartition("/")[0] + "/") + rows + end
    return web.Response(text=text, content_type="text/html")


_MOVIES = {
    "title": "Movies of three grid squares",
    "entry_doi": "10.6019/EMPIAR-10943",
    "experiment_type": "EMDB",
    "dataset_size": "1 GB",
    "authors": [],
    "imagesets": {  # one, and no list
        "name": "Movies",
        "directory": "data/Movies/Case1",
        "category": "micrographs - multiframe",
        "header_format": "TIFF",
        "data_format": "TIFF",
        "num_images_or_tilt_series": 3,
        "frames_per_image": 40,
        "voxel_type": "UNSIGNED 32 BIT INTEGER",
        "image_width": "96",
        "image_height": "72",
        "pixel_width": 6.5,
        "pixel_height": 6.5,
        "details": "",
    },
}


def _api(entry: str) -> web.Response:
    """Answer with the record of an entry: sides are text, pixels in ångström, no slice omitted."""
    if entry in {"EMPIAR-10943", "10943"}:
        return web.json_response({"EMPIAR-10943": _MOVIES})
    if found := empiar.record(entry.removeprefix("EMPIAR-")):
        return found
    if entry not in {"EMPIAR-11759", "11759"}:
        return web.json_response({"detail": "Not found."}, status=404)
    imageset = {
        "name": "Developing retina in zebrafish 55 hpf larval eye.",
        "directory": "data",
        "category": "reconstructed volumes",
        "header_format": "DM3",
        "data_format": "DM3",
        "num_images_or_tilt_series": SLICES,
        "frames_per_image": 1,
        "voxel_type": "UNSIGNED BYTE",
        "image_width": "5628",
        "image_height": "5632",
        "pixel_width": 80.0,
        "pixel_height": 80.0,
        "details": "The resolution is 8nm/px in xy and 50nm per section (z).",
    }
    record = {
        "title": "Developing retina in zebrafish 55 hpf larval eye.",
        "status": "REL",
        "deposition_date": "2023-11-01",
        "release_date": "2024-01-15",
        "update_date": "2024-01-15",
        "entry_doi": "10.6019/EMPIAR-11759",
        "experiment_type": "SBF-SEM",
        "scale": "tissue",
        "dataset_size": "1.2 GB",
        "cross_references": [],
        "biostudies_references": [],
        "authors": [{"author": {"name": "Replica A", "order_id": 0, "author_orcid": None}}],
        "imagesets": [imageset],
        "citation": [{"published": False, "title": imageset["name"]}],
    }
    return web.json_response({"EMPIAR-11759": record})


EPFL_FILES = ("volumedata.tif", "training.tif", "testing.tif")


async def epfl(request: web.Request, path: str) -> web.StreamResponse:
    """Answer with the page of the EM dataset: raw spaces in paths, each file linked three times."""
    folder = "documents/groups/c/cv/cvlab-unit/www/data/ ElectronMicroscopy_Hippocampus/"
    if path == "labs/cvlab/data/data-em/":
        links = "".join(
            f'<p><a href="/epfl/{folder}{name}">{name}</a> '
            f'<a href="/epfl/{folder.replace("/ E", "/%20E")}{name}">download</a>'
            f'<a href=" /epfl/{folder}{name}\n">again</a>'
            for name in EPFL_FILES
        )
        text = (
            "<!doctype html><title>Data EM - CVLAB</title><a href='/epfl/labs/cvlab/'>CVLAB</a>"
            "<article id='post-2138'><h3 id='data'>The data</h3>The resolution of each voxel is "
            f"approximately 5x5x5nm.{links}<a href='mailto:x@example.org'>mail</a></article>"
        )
        return web.Response(text=text, content_type="text/html")
    if path.startswith(folder) and path.removeprefix(folder) in EPFL_FILES:
        return _ranged(request, *_body(path))
    return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")


async def nginx(request: web.Request, path: str) -> web.StreamResponse:
    """Answer with an autoindex: exact sizes, in a ``<pre>``."""
    if path in {"", "deep/"}:
        names = ["a b.tif", "c.tif"] if path else ["../", "deep/", "x&y.tif", "caf\xe9.tif"]
        lines = "".join(
            f'<a href="{quote(n)}">{html.escape(n)}</a>{" " * 20}01-Nov-2023 10:00{" " * 15}'
            f"{'-' if n.endswith('/') else len(_body(n)[0])}\n"
            for n in names
        )
        text = f"<html><head><title>Index of /{path}</title></head><body><pre>{lines}</pre></body>"
        return web.Response(text=text, content_type="text/html")
    name = path.rpartition("/")[2]
    if name.endswith(".tif"):
        return _ranged(request, *_body(name))
    return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")


async def bucket(request: web.Request, path: str) -> web.StreamResponse:
    """Answer as a bucket whose lists have two keys per page."""
    keys = [f"set/s0/{n}.tif" for n in range(5)]
    return answer(request, "", {key: _body(key)[0] for key in keys}, path, longest=2)


def _ranged(request: web.Request, body: bytes, kind: str) -> web.Response:
    """Answer with a small file or a range of it."""
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{len(body):x}"'}
    asked = request.http_range
    if asked.start is None or asked.start < 0 or asked.start >= len(body):
        return web.Response(body=body, content_type=kind, headers=headers)
    part = body[asked]
    headers["Content-Range"] = f"bytes {asked.start}-{asked.start + len(part) - 1}/{len(body)}"
    return web.Response(body=part, status=206, content_type=kind, headers=headers)

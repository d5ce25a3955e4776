"""OMERO.web servers: ``/idr/``, half closed while IDR moves to OME-Zarr, and a stock ``/omero/``.

``/idr-files/`` holds the files that IDR keeps elsewhere. Shapes: OMERO's json-api.rst, the code of
omero-web (tree.py, views.py) and of IDR's idr-gallery.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

from aiohttp import web

from replicas import omero_world as world

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LIMIT = 5  # records per page, so that few records make several pages; IDR's is 1,000
LOGIN_BYTES = 148_000
_OWNER = {"id": 2, "omeName": "demo", "firstName": "idr", "lastName": "demo"}
_PERMISSIONS = ("canAnnotate", "canEdit", "canDelete", "canLink")
_PARENTS = {"images": "datasets", "datasets": "projects", "wells": "plates", "plates": "screens"}


async def files(_request: web.Request, path: str) -> web.Response:
    """Answer ``/idr-files/``: the files imported from below uod/idr/filesets."""
    known = {p for fileset in world.FILESETS.values() for p in fileset.client}
    if f"uod/idr/filesets/{path}" in known:
        body = world.content(f"uod/idr/filesets/{path}")
        return web.Response(body=body, content_type="application/octet-stream")
    return _page(404, "Not Found")


class OmeroSite:
    """One server. `is_idr`: binary access is closed, and download_urls is there.

    A stock one has the settings of omero-web: ``public.get_only`` (other methods are led to the
    login page) and no ``public.cache.enabled`` (a request without a session's cookie makes one);
    `sessions` counts them. IDR has its cache.
    """

    def __init__(self, mount: str, *, is_idr: bool) -> None:
        self._mount, self._is_idr = mount, is_idr
        self.sessions = 0

    async def site(self, request: web.Request, path: str) -> web.Response:
        """Answer as OMERO.web does: JSON, a file, or a page with or without status 200."""
        if path == "_sessions":
            self.sessions = 0 if request.method == "DELETE" else self.sessions
            return _json(self.sessions)
        known = "sessionid" in request.cookies or path == "webclient/login/"
        if not known and request.method != "GET":
            return self._to_login()
        answer = self._answer(request, path)
        if not known and not self._is_idr:
            self.sessions += 1
            answer.set_cookie("sessionid", f"s{self.sessions}", httponly=True)
        return answer

    def _to_login(self) -> web.Response:
        login = f"/{self._mount}/webclient/login/?url=%2F{self._mount}%2Fwebgateway%2F"
        return web.Response(status=302, headers={"Location": login})

    def _answer(self, request: web.Request, path: str) -> web.Response:
        if path.startswith("api/v0/m/"):
            return self._api(request, path.removeprefix("api/v0/m/"))
        if path == "webclient/login/":
            return _page(200, "OMERO.web - Login", LOGIN_BYTES)
        if path == "webclient/api/annotations/":
            return self._annotations(request)
        if path == "webclient/api/images/":
            return _tree_images(request)
        if path == "webclient/api/paths_to_object/":
            if run := int(request.query.get("run", "0")):
                return _json(
                    {"paths": [[{"type": "plate", "id": run // 10}]] if run == 701 else []}
                )
            return _paths_to_object(int(request.query.get("image", "0")))
        match = re.fullmatch(
            r"(?:webgateway/)?(image|imgData|render_image|original_file_paths|"
            r"archived_files/download)/(\d+)/(.*)",
            path,
        )
        if not match or int(match[2]) not in world.IMAGES:
            return _page(404, "Page not found")
        what, number = match[1], int(match[2])
        fileset = world.FILESETS[world.IMAGES[number].fileset]
        if what == "image":
            return self._download_urls(request, fileset) if self._is_idr else _page(404, "?")
        if what == "imgData":
            return self._img_data(number)
        if what == "render_image":
            return _page(403 if self._is_idr else 404, "Forbidden")
        if what == "original_file_paths":
            repo = [f"demo_2/2020-06/10/{p.rsplit('/', 1)[-1]}" for p in fileset.client]
            answer = {"repo": repo, "client": fileset.client}
            return _json({**answer, "fileset": {"id": world.IMAGES[number].fileset}})
        return self._archived(fileset)

    def _api(self, request: web.Request, path: str) -> web.Response:
        if path in {"projects/", "screens/"}:
            return _list(request, path[:-1], list(world.CONTAINERS[path[:-1]]))
        match = re.fullmatch(r"(\w+)/(\d+)/(?:(\w+)/)?", path)
        if not match:
            return _page(404, "Page not found")
        kind, number, of = match[1], int(match[2]), match[3]
        known = world.IMAGES if kind == "images" else world.CONTAINERS.get(kind, {})
        if of is None:
            if number not in known:
                message = f"{kind[:-1].title()} {number} not found"
                return _json({"message": message}, status=404)
            found = _record(kind, number)
            if kind == "images":
                found["url:rois"] = f"{request.url.with_query(None)}rois/"
            return _json({"data": found})
        if of == world.CHILDREN.get(kind):
            # A container that does not exist has an empty list, and no error.
            return _list(request, of, list(world.held(kind, number)))
        if of == _PARENTS.get(kind):
            return _list(request, of, world.holders(of, number))
        return _page(404, "Page not found")

    def _annotations(self, request: web.Request) -> web.Response:
        found: list[dict[str, Any]] = []
        for image in map(int, request.query.getall("image", [])):
            if image in world.IMAGES and world.IMAGES[image].pairs:
                name = world.IMAGES[image].name
                found += _map("ImageI", image, name, world.BULK, _pairs(image))
        for well in map(int, request.query.getall("well", [])):
            if well in world.WELLS:
                pairs = [["Gene", f"gene of {well}"]]
                found += _map("WellI", well, "", world.BULK, pairs)
        for kind in ("project", "screen"):
            number = int(request.query.get(kind, "0"))
            container = world.CONTAINERS[f"{kind}s"].get(number)
            if container:
                pairs = [[key, value] for key, value in container.study.items()]
                name = f"{kind.title()}I"
                found += _map(name, number, container.name, world.STUDY, pairs) if pairs else []
        if request.query.get("project") == "7":
            # Of the screen with the project's number.
            found += _map(
                "ScreenI", 7, world.SCREENS[7].name, world.STUDY, [["License", "CC BY-NC 4.0"]]
            )
        return _json({"annotations": found, "experimenters": [_OWNER]})

    def _download_urls(self, request: web.Request, fileset: world.OmeroFileset) -> web.Response:
        base = f"{request.scheme}://{request.host}/idr-files"
        urls = [p.replace("uod/idr/filesets", base) for p in fileset.client if "uod" in p]
        urls += [p.replace("bia-idr", base) for p in fileset.client if "bia-idr" in p]
        answer: dict[str, Any] = {"client_paths": fileset.client, "download_urls": urls}
        if fileset.error or not urls:
            answer |= {"download_urls": [], "error": fileset.error or "No download URL found"}
        return _json({**answer, "tsv_url": "https://raw.githubusercontent.com/IDR/x.tsv"})

    def _img_data(self, number: int) -> web.Response:
        meta = {"imageName": world.IMAGES[number].name, "imageId": number, "pixelsType": "uint8"}
        answer: dict[str, Any] = {
            "id": number,
            "meta": meta,
            "perms": dict.fromkeys(_PERMISSIONS, False),
        }
        if self._is_idr:
            answer["Exception"] = "Error instantiating pixel buffer"
        else:
            depth, height, width = world.IMAGES[number].size
            answer["size"] = {"width": width, "height": height, "z": depth, "t": 1, "c": 1}
        return _json(answer)

    def _archived(self, fileset: world.OmeroFileset) -> web.Response:
        if self._is_idr:
            return self._to_login()
        if not fileset.downloadable:
            return _page(404, "Not Found")
        name = fileset.client[0].rsplit("/", 1)[-1].replace(" ", "_").replace(",", ".")
        body = world.content(fileset.client[0])
        if len(fileset.client) > 1:
            name, body = f"{name}.zip", _zip(fileset.client)
        disposition = {"Content-Disposition": f"attachment; filename={name}"}
        return web.Response(
            body=body, headers=disposition, content_type="application/force-download"
        )


def _longest(numbers: Sequence[int]) -> int:
    """Return how many records a page has at most: of thousands as many as at IDR."""
    return MAX_LIMIT if len(numbers) < 100 else 1000


def _list(request: web.Request, kind: str, numbers: list[int]) -> web.Response:
    """Answer with a page; too large a limit is cut, unknown parameters are ignored."""
    most = _longest(numbers)
    limit = min(int(request.query.get("limit", "200")), most)
    offset = int(request.query.get("offset", "0"))
    meta = {"offset": offset, "limit": limit, "maxLimit": most, "totalCount": len(numbers)}
    origin = f"{request.scheme}://{request.host}{request.path.partition('/api/')[0]}"
    data = [_record(kind, number) for number in numbers[offset : offset + limit]]
    for record in data:
        record[f"url:{kind[:-1]}"] = f"{origin}/api/v0/m/{kind}/{record['@id']}/"
    return _json({"data": data, "meta": meta})


def _tree_images(request: web.Request) -> web.Response:
    """Answer with the images of a dataset as the webclient's tree has them (tree.py)."""
    held = world.held("datasets", int(request.query.get("id", "0")))
    most = _longest(held)
    start = most * (int(request.query.get("page", "1")) - 1)
    images = [
        {"id": n, "name": world.IMAGES[n].name, "ownerId": 2, "filesetId": world.IMAGES[n].fileset}
        for n in held[start : start + most]
    ]
    return _json({"images": images})


def _record(kind: str, number: int) -> dict[str, Any]:
    return world.image_json(number) if kind == "images" else world.container_json(kind, number)


def _paths_to_object(image: int) -> web.Response:
    found, child = [{"type": "image", "id": image}], image
    for kind in ("wells", "plates", "screens"):
        for number in world.holders(kind, child)[:1]:
            found.insert(0, {"type": kind.removesuffix("s"), "id": number})
            child = number
    return _json({"paths": [[{"type": "experimenter", "id": 2}, *found]]})


def _map(
    kind: str, number: int, name: str, namespace: str, pairs: list[list[str]]
) -> list[dict[str, Any]]:
    common = {"id": number, "owner": {"id": 2}, "date": "2016-05-26T00:00:00Z"}
    common["permissions"] = dict.fromkeys(_PERMISSIONS, False)
    return [
        {
            **common,
            "ns": namespace,
            "name": None,
            "description": None,
            "class": "MapAnnotationI",
            "link": {**common, "parent": {"id": number, "class": kind, "name": name}},
            "values": pairs,
        }
    ]


def _pairs(image: int) -> list[list[str]]:
    return [[key, value] for key, value in world.IMAGES[image].pairs]


def _zip(paths: tuple[str, ...]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in paths:
            archive.writestr(path.rsplit("/", 1)[-1], world.content(path))
    return buffer.getvalue()


def _json(answer: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(answer), status=status, content_type="application/json")


def _page(status: int, title: str, size: int = 0) -> web.Response:
    text = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}".ljust(size)
    return web.Response(status=status, text=f"{text}</body></html>", content_type="text/html")

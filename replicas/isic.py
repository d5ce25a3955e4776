"""The ISIC Archive: API v2, the website's redirects of old ids, the bucket of images.

Source: the server's code (ImageMarkup/isic: pagination.py, dsl.py, serializers.py), for shapes,
errors and the traps of its pagination.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from replicas import isic_query
from replicas.bucket import error
from replicas.isic_cursors import PAGE, CursorError, IsicCursors, next_page

if TYPE_CHECKING:
    from replicas.faults import Faults
    from replicas.isic_records import IsicArchive

COLLECTIONS = {
    212: "HAM10000",
    60: "Challenge 2017: Training",
    65: "Challenge 2019: Training",
    249: "BCN20000",
}
UNLOCKED = {249}
LICENSES = ("CC-0", "CC-BY", "CC-BY-NC")
NOT_FOUND = (
    "<!doctype html><html><head><title>Not Found</title></head>"
    "<body><h1>Not Found</h1></body></html>"
)
SERVER_ERROR = NOT_FOUND.replace("Not Found", "Server Error (500)")
_LEGACY = "5436e3abbae4"  # first half of an id of the old archive; the other half is our number


class IsicSite:
    """The site ``/isic/`` (API and website) and the bucket ``/isic-s3/``."""

    def __init__(self, archive: IsicArchive, faults: Faults) -> None:
        self.archive = archive
        self.cursors = IsicCursors(archive)
        self.faults = faults
        self._matches = lru_cache(maxsize=64)(self._count)

    async def bucket(self, request: web.Request, path: str) -> web.Response:
        """Answer with an image or a thumbnail."""
        match = re.fullmatch(r"(images|thumbnails)/(ISIC_\d{7})(?:_thumbnail)?\.jpg", path)
        number = self.archive.number(match[2]) if match else None
        if match is None or number is None:
            return error(404, "NoSuchKey", "The specified key does not exist.")
        if (expires := request.query.get("Expires")) and int(expires) < time.time():
            return error(403, "AccessDenied", "Access denied")
        kind = self.archive.picture if match[1] == "images" else self.archive.thumbnail
        return web.Response(body=kind(number), content_type="image/jpeg")

    async def site(self, request: web.Request, path: str) -> web.Response:
        """Answer as the API does below ``api/v2/``, elsewhere as the website does."""
        if len(request.raw_path) > 8192:
            return web.Response(status=400, text="<h1>Bad Request</h1>", content_type="text/html")
        if legacy := re.fullmatch(r"images/([0-9a-f]{24})/", path):
            return self._legacy(request, legacy[1])
        if not path.startswith("api/v2/"):
            return web.Response(status=404, text=NOT_FOUND, content_type="text/html")
        path = path.removeprefix("api/v2/")
        if request.method != "GET":
            return web.Response(status=405, text="Method not allowed", content_type="text/html")
        if not path.endswith("/"):
            query = f"?{request.query_string}" if request.query_string else ""
            return web.Response(status=301, headers={"Location": f"{request.path}/{query}"})
        try:
            answer = self._api(request, path)
            answer.enable_compression()  # gzip if the client accepts it, as the archive does
            return answer
        except isic_query.BadQueryError:
            return web.json_response({"message": "Could not parse search query."}, status=400)
        except isic_query.NoColumnError:
            return web.Response(status=500, text=SERVER_ERROR, content_type="text/html")
        except CursorError:
            return _invalid("cursor", "Invalid cursor.")
        except ValueError as error:
            return _invalid("collections", str(error))

    def _api(self, request: web.Request, path: str) -> web.Response:
        match path.rstrip("/").split("/"):
            case ["images"]:
                return self._images(request, "", frozenset())
            case ["images", "search"]:
                return self._images(request, *self._search(request))
            case ["images", "search", "size"]:
                return web.json_response({"size": self._total(*self._search(request))})
            case ["images", "facets"]:
                return web.json_response(self._facets(*self._search(request)))
            case ["images", isic_id]:
                number = self.archive.number(isic_id)
                if number is None:
                    return web.json_response({"detail": "Not Found"}, status=404)
                return web.json_response(self._image(request, number, fresh=True))
            case ["images", _, "similar"] | ["users", "me"]:
                return web.json_response({"detail": "Unauthorized"}, status=401)
            case ["collections", *rest]:
                return self._collections(request, rest)
            case ["stats"]:
                images = {"images_count": self.archive.records}
                return web.json_response({"image": images, "collection": {}})
            case ["zip-download", "license-file", name] if name in LICENSES:
                text = f"{name}\n\nThe text of the licence {name} stands here.\n"
                return web.Response(text=text)
        return web.Response(status=404, text=NOT_FOUND, content_type="text/html")

    # --- lists ---

    def _search(self, request: web.Request) -> tuple[str, frozenset[int]]:
        given = request.query.get("collections", "")
        collections = frozenset(int(part) for part in given.split(",")) if given else frozenset()
        query = request.query.get("query", "")
        isic_query.parse(query)
        return query, collections

    def _images(
        self, request: web.Request, query: str, collections: frozenset[int]
    ) -> web.Response:
        limit_text = request.query.get("limit", str(PAGE))
        if not re.fullmatch(r"-?\d+", limit_text):
            message = "Input should be a valid integer, unable to parse string as an integer"
            detail = {"type": "int_parsing", "loc": ["query", "limit"], "msg": message}
            return web.json_response({"detail": [detail]}, status=422)
        limit = int(limit_text) or PAGE
        position = self.cursors.position(request.query.get("cursor", ""))
        start = position or 0
        numbers = self._matching(query, collections, start, min(limit, PAGE) + 1)
        page, more = numbers[: max(min(limit, PAGE), 0)], len(numbers) > max(limit, 0)
        following = None
        if more or limit < 0:
            after = numbers[-1] if numbers else start
            following = self.cursors.at(after, page[-1] if page else None, limit)
        count = None
        if position is None:  # the first page only
            count = self._matches(query, collections, self.archive.records)
        answer = {
            "results": [self._image(request, number) for number in page],
            "count": count,
            "next": next_page(request, following),
            "previous": None,
        }
        self._spoil(request, answer)
        return web.json_response(answer)

    def _spoil(self, request: web.Request, answer: dict[str, Any]) -> None:
        for rule in self.faults.of(request.path, api=True):
            match rule["kind"]:
                case "count" if answer["count"] is not None:
                    answer["count"] = rule["count"]
                case "repeat_next" if "cursor" in request.query:
                    answer["next"] = str(request.url)
                case "empty_page" if "cursor" in request.query:
                    # The same place again, by another spelling of the cursor: nothing is lost.
                    cursor = b64decode(request.query["cursor"]).decode()
                    answer["results"] = []
                    answer["next"] = next_page(request, f"{cursor}&x=1")

    def _matching(
        self, query: str, collections: frozenset[int], start: int, most: int
    ) -> list[int]:
        test = isic_query.parse(query)
        archive = self.archive
        if ids := re.findall(r"isic_id:\"?(ISIC_\d{7})\"?", query):
            known = sorted({n for i in ids if (n := archive.number(i)) is not None})
            candidates: Any = [n for n in known if n >= start]
        else:
            candidates = range(start, archive.records)
        found: list[int] = []
        for number in candidates:
            if len(found) >= max(most, 1):
                break
            if collections and not archive.collections(number) & collections:
                continue
            if not query.strip() or test(archive.fields(number)):
                found.append(number)
        return found

    def _count(self, query: str, collections: frozenset[int], records: int) -> int:
        if not query.strip() and not collections:
            return records
        return len(self._matching(query, collections, 0, records))

    def _total(self, query: str, collections: frozenset[int]) -> int:
        count = self._matches(query, collections, self.archive.records)
        return count * len(self.archive.original(0)) if count else 0

    def _facets(self, query: str, collections: frozenset[int]) -> dict[str, Any]:
        facets: dict[str, Any] = {}
        numbers = self._matching(query, collections, 0, self.archive.records)
        for name in ("diagnosis_1", "copyright_license", "sex"):
            values = [self.archive.fields(number).get(name) for number in numbers[:20000]]
            present = [value for value in values if value is not None]
            buckets = [{"key": v, "doc_count": present.count(v)} for v in sorted(set(present))]
            missing = len(values) - len(present)
            meta = {"missing_count": missing, "present_count": len(present)}
            facets[name] = {"meta": meta, "buckets": buckets}
        return facets

    # --- single things ---

    def _image(self, request: web.Request, number: int, *, fresh: bool = False) -> dict[str, Any]:
        archive, isic_id = self.archive, self.archive.isic_id(number)
        base = f"{request.scheme}://{request.host}/isic-s3"
        signature = ""
        for rule in self.faults.of(request.path, api=True):
            if rule["kind"] == "sign_urls":
                late = rule.get("expired") and not fresh
                expires = int(time.time()) + (-60 if late else 86400)
                signature = f"?Expires={expires}&Signature=x~y__&Key-Pair-Id=K3"
        return {
            "isic_id": isic_id,
            "copyright_license": archive.license(number),
            "attribution": archive.attribution(number),
            "files": {
                "full": {
                    "url": f"{base}/images/{isic_id}.jpg{signature}",
                    "size": len(archive.original(number)),
                },
                "thumbnail_256": {
                    "url": f"{base}/thumbnails/{isic_id}_thumbnail.jpg{signature}",
                    "size": 5073,
                },
            },
            "metadata": archive.metadata(number),
            "public": True,
        }

    def _collections(self, request: web.Request, rest: list[str]) -> web.Response:
        known = [_collection(number, name) for number, name in COLLECTIONS.items()]
        if not rest:
            page = {"results": known, "count": len(known), "next": None, "previous": None}
            return web.json_response(page)
        if not rest[0].isdigit() or int(rest[0]) not in COLLECTIONS:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.json_response(next(c for c in known if c["id"] == int(rest[0])))

    def _legacy(self, request: web.Request, hexdigits: str) -> web.Response:
        number = int(hexdigits[12:], 16)
        if not hexdigits.startswith(_LEGACY) or number >= self.archive.records:
            return web.Response(status=404, text=NOT_FOUND, content_type="text/html")
        location = f"/isic/images/{self.archive.isic_id(number)}/"
        return web.Response(status=301, headers={"Location": location})


def legacy_id(isic_id: str) -> str:
    """Return the id that a generated image had in the old archive."""
    return f"{_LEGACY}{int(isic_id.removeprefix('ISIC_')):012x}"


def _collection(number: int, name: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": "",
        "public": True,
        "pinned": number == 212,
        "locked": number not in UNLOCKED,
        "doi": None,
        "doi_url": None,
    }


def _invalid(name: str, problem: str) -> web.Response:
    """Answer 422 as the server does to a parameter whose value its own code refuses."""
    message = f"Value error, {problem}"
    detail = {"type": "value_error", "loc": ["query", name], "msg": message}
    return web.json_response({"detail": [{**detail, "ctx": {"error": problem}}]}, status=422)

"""The ISIC Archive: API v2, the website's redirects of old ids, the bucket of images.

Source: the server's code (ImageMarkup/isic: pagination.py, dsl.py, serializers.py), for shapes,
errors and the traps of its pagination.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from aiohttp import web

from replicas import isic_query
from replicas.bucket import error
from replicas.isic_cursors import PAGE, Cursor, CursorError, next_page
from replicas.isic_facets import facets
from replicas.isic_world import as_served

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from replicas.faults import Faults
    from replicas.isic_records import IsicArchive

TOKEN = "the-token-of-a-user"  # noqa: S105 - who sends it is logged in
LICENSES = ("CC-0", "CC-BY", "CC-BY-NC")
NOT_FOUND = (
    "<!doctype html><html><head><title>Not Found</title></head>"
    "<body><h1>Not Found</h1></body></html>"
)
SERVER_ERROR = NOT_FOUND.replace("Not Found", "Server Error (500)")
MOST_FACETED = 20_000  # images: more take too long here
_LEGACY = "5436e3abbae4"  # first half of an id of the old archive; the other half is our number


class BrokenRecordError(Exception):
    """The server cannot serialise a record, and answers 500 for its page."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a list of images is asked for: a query, collections, and who asks."""

    query: str = ""
    collections: frozenset[int] = frozenset()
    logged_in: bool = False


class IsicSite:
    """The site ``/isic/`` (API and website) and the bucket ``/isic-s3/``."""

    def __init__(self, archive: IsicArchive, faults: Faults) -> None:
        self.archive = archive
        self.faults = faults
        self._summed = lru_cache(maxsize=64)(self._sum)
        self._facets = lru_cache(maxsize=16)(self._make_facets)

    async def bucket(self, request: web.Request, path: str) -> web.Response:
        """Answer with an image or a thumbnail."""
        match = re.fullmatch(r"(images|thumbnails)/(ISIC_\d{7})(?:_thumbnail)?\.jpg", path)
        number = self.archive.number(match[2]) if match else None
        if match is None or number is None:
            return error(404, "NoSuchKey", "The specified key does not exist.")
        expires = request.query.get("Expires")
        if expires is None and not self.archive.is_visible(number):
            return error(403, "AccessDenied", "Access denied")
        if expires and int(expires) < time.time():
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
        except (BrokenRecordError, isic_query.NoColumnError):
            return web.Response(status=500, text=SERVER_ERROR, content_type="text/html")
        except CursorError:
            return _invalid("cursor", "Invalid cursor.")
        except ValueError as error:
            return _invalid("collections", str(error))

    def _api(self, request: web.Request, path: str) -> web.Response:
        match path.rstrip("/").split("/"):
            case ["images"]:
                return self._images(request, Search(logged_in=_is_logged_in(request)))
            case ["images", "search"]:
                return self._images(request, _search(request))
            case ["images", "search", "size"]:
                return web.json_response({"size": self._sums(_search(request))[1]})
            case ["images", "facets"]:
                return web.json_response(self._facets(_search(request), self.archive.version))
            case ["images", isic_id]:
                number = self.archive.number(isic_id)
                if number is None or not self._is_seen(number, _is_logged_in(request)):
                    return web.json_response({"detail": "Not Found"}, status=404)
                return web.json_response(self._image(request, number, fresh=True))
            case ["users", "me"] if _is_logged_in(request):
                return web.json_response({"id": 1, "email": "user@example.org"})
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

    def _images(self, request: web.Request, search: Search) -> web.Response:
        limit_text = request.query.get("limit", str(PAGE))
        if not re.fullmatch(r"-?\d+", limit_text):
            message = "Input should be a valid integer, unable to parse string as an integer"
            detail = {"type": "int_parsing", "loc": ["query", "limit"], "msg": message}
            return web.json_response({"detail": [detail]}, status=422)
        size = min(max(int(limit_text) or PAGE, 0), PAGE)
        cursor = Cursor.parse(request.query.get("cursor", ""))
        found = self._matching(search, self.archive.after(cursor.position))
        rows = [*islice(found, cursor.offset, cursor.offset + PAGE + 1)]
        following = cursor.following([*map(self.archive.created, rows)], size)
        answer = {
            "results": [self._image(request, number) for number in rows[:size]],
            "count": self._sums(search)[0] if cursor.position is None else None,
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
        self, search: Search, start: int = 0, archive: IsicArchive | None = None
    ) -> Iterator[int]:
        """Yield the numbers of the images that a search finds, from one on.

        archive: that of today, unless sums of an earlier one are asked for
        """
        archive, query = archive or self.archive, search.query
        test = isic_query.parse(query)
        candidates: Iterable[int] = range(start, archive.records)
        ids = re.findall(r"isic_id:\"?(ISIC_\d{7})\"?(?![\w*])", query)
        if ids and not re.search(r"-\s*isic_id", query):
            known = sorted({n for i in ids if (n := archive.number(i)) is not None})
            candidates = [n for n in known if n >= start]
        for number in candidates:
            if not archive.is_visible(number, logged_in=search.logged_in):
                continue
            if search.collections and not archive.collections(number) & search.collections:
                continue
            if not query.strip() or test(archive.fields(number)):
                yield number

    def _is_seen(self, number: int, logged_in: bool) -> bool:
        return self.archive.is_visible(number, logged_in=logged_in)

    def _sums(self, search: Search) -> tuple[int, int]:
        return self._summed(search, self.archive.version)

    def _sum(self, search: Search, version: object) -> tuple[int, int]:
        """Return the number of images that a search finds, and of their bytes."""
        archive = self.archive.said
        if search == Search() and not archive.world.private:
            return archive.records, archive.total_bytes()
        count = size = 0
        for number in self._matching(search, archive=archive):
            count += 1
            size += len(archive.original(number))
        return count, size

    def _make_facets(self, search: Search, version: object) -> dict[str, Any]:
        archive = self.archive.said
        found = islice(self._matching(search, archive=archive), MOST_FACETED)
        return facets(map(archive.fields, found), self._sums(search)[0])

    # --- single things ---

    def _image(self, request: web.Request, number: int, *, fresh: bool = False) -> dict[str, Any]:
        archive, isic_id = self.archive, self.archive.isic_id(number)
        if isic_id in archive.world.broken:
            raise BrokenRecordError(isic_id)
        base = f"{request.scheme}://{request.host}/isic-s3"
        is_public = archive.is_visible(number)
        signature = "" if is_public else _signature(86400)
        for rule in self.faults.of(request.path, api=True):
            if rule["kind"] == "sign_urls":
                late = rule.get("expired") and not fresh
                signature = _signature(-60 if late else 86400)
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
            "public": is_public,
        }

    def _collections(self, request: web.Request, rest: list[str]) -> web.Response:
        known = {each["id"]: each for each in self.archive.world.all_collections}
        if not rest:
            cursor = Cursor.parse(request.query.get("cursor", ""))
            page = [*known.values()][cursor.offset : cursor.offset + PAGE]
            more = len(known) > cursor.offset + PAGE
            answer = {
                "results": [*map(as_served, page)],
                "count": len(known),
                "next": next_page(request, f"o={cursor.offset + PAGE}") if more else None,
                "previous": None,
            }
            return web.json_response(answer)
        if not rest[0].isdigit() or int(rest[0]) not in known:
            return web.json_response({"detail": "Not Found"}, status=404)
        if rest[1:] == ["attribution"]:
            return web.json_response(self._attribution(int(rest[0])))
        return web.json_response(as_served(known[int(rest[0])]))

    def _attribution(self, collection: int) -> list[dict[str, Any]]:
        numbers = self._matching(Search(collections=frozenset({collection})))
        archive = self.archive
        owners = Counter((archive.license(n), archive.attribution(n)) for n in numbers)
        return [
            {"license": name, "attribution": owner, "count": count}
            for (name, owner), count in owners.most_common()
        ]

    def _legacy(self, request: web.Request, hexdigits: str) -> web.Response:
        number = int(hexdigits[12:], 16)
        if not hexdigits.startswith(_LEGACY) or number >= self.archive.records:
            return web.Response(status=404, text=NOT_FOUND, content_type="text/html")
        location = f"/isic/images/{self.archive.isic_id(number)}/"
        return web.Response(status=301, headers={"Location": location})


def _is_logged_in(request: web.Request) -> bool:
    """Return whether a token came that is valid; any other is nobody's, and no error."""
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


def _search(request: web.Request) -> Search:
    given = request.query.get("collections", "")
    collections = frozenset(int(part) for part in given.split(",")) if given else frozenset()
    query = request.query.get("query", "")
    isic_query.parse(query)
    return Search(query, collections, _is_logged_in(request))


def _signature(seconds: int) -> str:
    """Return what signs an address that expires in so many seconds."""
    return f"?Expires={int(time.time()) + seconds}&Signature=x~y__&Key-Pair-Id=K3"


def legacy_id(isic_id: str) -> str:
    """Return the id that a generated image had in the old archive."""
    return f"{_LEGACY}{int(isic_id.removeprefix('ISIC_')):012x}"


def _invalid(name: str, problem: str) -> web.Response:
    """Answer 422 as the server does to a parameter whose value its own code refuses."""
    message = f"Value error, {problem}"
    detail = {"type": "value_error", "loc": ["query", name], "msg": message}
    return web.json_response({"detail": [{**detail, "ctx": {"error": problem}}]}, status=422)

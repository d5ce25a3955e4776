"""The Wayback Machine: the CDX server and the replay of captures, with their limits.

From the CDX server's README and recorded answers: an empty list if there is no capture; 403 with a
Java exception for excluded sites; 429 without Retry-After beyond 30 requests per minute; ``id_``
replays the bytes as they were, an inexact timestamp redirects to the nearest.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import time
from collections import deque
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from replicas.web import picture, unavailable

CDX_PER_MINUTE = 30
_BLOCKED = (
    "org.archive.util.io.RuntimeIOException: org.archive.wayback.exception."
    "AdministrativeAccessControlException: Blocked Site Error\n"
)
_FIELDS = ("urlkey", "timestamp", "original", "mimetype", "statuscode", "digest", "length")


class WaybackSite:
    """The captures of the image web of `web`."""

    def __init__(self) -> None:
        self.per_minute = CDX_PER_MINUTE
        self._asked: deque[float] = deque()

    def reset(self, per_minute: int | None = None) -> None:
        """Reset the count of CDX requests. per_minute: the limit, by default the real one."""
        self.per_minute = per_minute or CDX_PER_MINUTE
        self._asked.clear()

    async def site(self, request: web.Request, path: str) -> web.Response:
        """Answer as the CDX server or the replay of captures."""
        if path == "cdx/search/cdx":
            return self._cdx(request)
        match = re.fullmatch(r"(\d{1,14})id_/(.*)", path.removeprefix("web/"), re.DOTALL)
        if not path.startswith("web/") or not match:
            return web.Response(status=404, text="<h1>404</h1>", content_type="text/html")
        query = request.rel_url.raw_query_string
        url = re.sub(r"^(https?):/+", r"\1://", match[2]) + (f"?{query}" if query else "")
        captures = dict(_captures(url))
        if not captures:
            return web.Response(status=404, text="<h1>Not archived</h1>", content_type="text/html")
        stamp = match[1]
        if stamp not in captures:
            nearest = min(captures, key=lambda there: abs(int(there) - int(stamp.ljust(14, "0"))))
            there = str(request.rel_url.origin()) if request.rel_url.is_absolute() else ""
            location = f"{there}/wayback/web/{nearest}id_/{url}"
            return web.Response(status=302, headers={"Location": location})
        captured = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        headers = {"x-archive-src": "replica.warc.gz"}
        headers["memento-datetime"] = format_datetime(captured, usegmt=True)
        return web.Response(body=captures[stamp], content_type="image/jpeg", headers=headers)

    def _cdx(self, request: web.Request) -> web.Response:
        now = time.monotonic()
        while self._asked and now - self._asked[0] > 60:
            self._asked.popleft()
        self._asked.append(now)
        if len(self._asked) > self.per_minute:
            return web.Response(status=429, text="Too Many Requests", content_type="text/html")
        query = request.query
        url = query.get("url", "")
        if "blocked." in url:
            return web.Response(status=403, text=_BLOCKED, content_type="text/plain")
        rows = [_row(url, stamp, body) for stamp, body in _captures(url)]
        if closest := query.get("closest"):
            rows.sort(key=lambda row: abs(int(row["timestamp"]) - int(closest.ljust(14, "0"))))
        limit = int(query.get("limit", "150000"))
        rows = rows[:limit] if limit > 0 else rows[limit:]
        names = query.get("fl", ",".join(_FIELDS)).split(",")
        table = [names, *([row[name] for name in names] for row in rows)] if rows else []
        body = json.dumps(table).encode()
        if query.get("output") != "json":
            body = "".join(" ".join(row.values()) + "\n" for row in rows).encode()
        return web.Response(
            body=gzip.compress(body),
            content_type="application/json",
            headers={"Content-Encoding": "gzip"},
        )


def _captures(url: str) -> list[tuple[str, bytes]]:
    """Return (timestamp, bytes) of the captures of a URL; three of five URLs have some."""
    digest = hashlib.sha256(re.sub(r"^https?://", "", url).encode()).digest()
    if digest[10] % 5 < 2:
        return []
    years = sorted({2005 + digest[11] % 6, 2011 + digest[12] % 10, 2021 + digest[13] % 3})
    stamps = [f"{year}{1 + digest[14] % 12:02}15120000" for year in years]
    bodies = [picture(url)] * len(stamps)
    if digest[15] % 4 == 0:  # the last time it came by, the picture was gone
        bodies[-1] = unavailable("archived")
    return list(zip(stamps, bodies, strict=True))


def _row(url: str, stamp: str, body: bytes) -> dict[str, str]:
    return {
        "urlkey": url,
        "timestamp": stamp,
        "original": url,
        "mimetype": "image/jpeg",
        "statuscode": "200",
        "digest": base64.b32encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode(),
        "length": str(len(body)),
    }

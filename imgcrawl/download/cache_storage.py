"""Where pages are cached: one SQLite file.

Scrapy's file storage writes a body after its headers and in place, so that a kill leaves a cut
page that is served as whole; its dbm storage keeps its index in memory and never shrinks.
"""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from scrapy.utils.project import data_path

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.settings import BaseSettings

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    key BLOB PRIMARY KEY, stored REAL NOT NULL, status INTEGER NOT NULL,
    url TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS pages_stored ON pages (stored);
"""


class SQLiteCacheStorage:
    """An HTTPCACHE_STORAGE. Settings: HTTPCACHE_DIR, HTTPCACHE_EXPIRATION_SECS (0: never)."""

    def __init__(self, settings: BaseSettings) -> None:
        self._path = Path(data_path(settings["HTTPCACHE_DIR"], createdir=True), "pages.sqlite")
        self._expiration = settings.getint("HTTPCACHE_EXPIRATION_SECS")

    def open_spider(self, spider: Spider) -> None:
        """Open the file, and forget what has expired."""
        self._fingerprinter = spider.crawler.request_fingerprinter
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        if self._expiration:
            self._db.execute("DELETE FROM pages WHERE stored < ?", (self._oldest(),))

    def close_spider(self, spider: Spider) -> None:
        """Close the file."""
        self._db.close()

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        """The page that was stored for a request, unless it has expired."""
        row = self._db.execute(
            "SELECT status, url, headers, body FROM pages WHERE key = ? AND stored >= ?",
            (self._fingerprinter.fingerprint(request), self._oldest()),
        ).fetchone()
        if row is None:
            return None
        status, url, pairs, body = row
        headers = Headers(
            [(name.encode("latin-1"), v.encode("latin-1")) for name, v in json.loads(pairs)]
        )
        cls = responsetypes.from_args(headers=headers, url=url, body=body)
        return cls(url=url, status=status, headers=headers, body=body)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        """Keep a page."""
        pairs = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in response.headers.items()
            for value in values
        ]
        key = self._fingerprinter.fingerprint(request)
        row = (key, time.time(), response.status, response.url, json.dumps(pairs), response.body)
        self._db.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?)", row)

    def _oldest(self) -> float:
        return time.time() - self._expiration if self._expiration else 0.0

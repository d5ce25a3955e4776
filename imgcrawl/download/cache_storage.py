"""The HTTP cache in one SQLite file: answers appear whole or not at all, and take bounded room."""

from __future__ import annotations

import gzip
import logging
import sqlite3
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from scrapy.exceptions import NotConfigured
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from scrapy.utils.project import data_path
from scrapy.utils.request import fingerprint
from w3lib.http import headers_dict_to_raw, headers_raw_to_dict

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

MAX_BYTES = 512 << 20
BUSY_TIMEOUT = 5.0  # seconds to wait for another process

_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY,
    stored_at REAL NOT NULL,
    size INTEGER NOT NULL,
    url TEXT NOT NULL,
    status INTEGER NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL,
    zipped INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (stored_at, size);
"""

# All that is older than the answer with which the newest ones take more room than there is.
_DROP_OLDEST = """
DELETE FROM answers WHERE stored_at <= (
    SELECT max(stored_at) FROM (
        SELECT stored_at, sum(size) OVER (ORDER BY stored_at DESC) AS together FROM answers
    ) WHERE together > ?
)
"""
_DROP_TO = 0.9  # of the room, so that it is not done for each answer


class SQLiteCacheStorage:
    """HTTPCACHE_STORAGE: ``cache.sqlite`` below HTTPCACHE_DIR, which several processes may share.

    An answer is kept for one OUT: another one asks the source itself.
    HTTPCACHE_EXPIRATION_SECS and HTTPCACHE_GZIP are obeyed; HTTPCACHE_MAX_BYTES bounds the room,
    at the cost of the oldest answers. A cache that cannot be read or written is done without.
    """

    def __init__(self, settings: BaseSettings) -> None:
        self._path = _folder(settings["HTTPCACHE_DIR"]) / "cache.sqlite"
        self._expiration = settings.getint("HTTPCACHE_EXPIRATION_SECS")
        self._zips = settings.getbool("HTTPCACHE_GZIP")
        self._max_bytes = settings.getint("HTTPCACHE_MAX_BYTES", MAX_BYTES)
        self._bytes = 0.0
        self._out = str(Path(settings["OUT"] or "").expanduser().absolute())
        self._hits = 0
        self._oldest = time()
        self._db: sqlite3.Connection | None = None

    def open_spider(self, spider: Spider) -> None:
        """Open the file, recreate it if it is damaged, and remove expired answers."""
        try:
            try:
                self._db = self._open()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
                self._db = self._open()
        except (sqlite3.Error, OSError) as error:
            self._do_without(error)

    def close_spider(self, spider: Spider) -> None:
        """Close the file, and tell how much came from it."""
        if self._hits:
            minutes = (time() - self._oldest) / 60
            logger.info(
                "%s pages came from the cache of this OUT, the oldest of them %.0f minutes old: "
                "-s HTTPCACHE_ENABLED=0 asks for all of them.",
                f"{self._hits:,}",
                minutes,
            )
        if self._db is not None:
            self._db.close()
            self._db = None

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        """Return the answer kept for a request; its age goes to meta ``cache_timestamp``."""
        if self._db is None:
            return None
        query = "SELECT stored_at, url, status, headers, body, zipped FROM answers WHERE key = ?"
        try:
            row = self._db.execute(query, (self._key(request),)).fetchone()
        except sqlite3.Error as error:
            self._do_without(error)
            return None
        if row is None or (self._expiration > 0 and row[0] < time() - self._expiration):
            return None
        stored_at, url, status, raw, body, zipped = row
        body = gzip.decompress(body) if zipped else body
        headers = Headers(headers_raw_to_dict(raw))
        request.meta["cache_timestamp"] = stored_at
        self._hits += 1
        self._oldest = min(self._oldest, stored_at)
        kind = responsetypes.from_args(headers=headers, url=url, body=body)
        return kind(url=url, status=status, headers=headers, body=body)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        """Store an answer, and remove the oldest ones if there is no room."""
        headers = headers_dict_to_raw(response.headers) or b""
        body = gzip.compress(response.body) if self._zips else response.body
        size = len(headers) + len(body) + len(response.url)
        if self._db is None or size > self._max_bytes:
            return
        row = (
            self._key(request),
            time(),
            size,
            response.url,
            response.status,
            headers,
            body,
            self._zips,
        )
        try:
            with self._db:
                self._db.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
                )
                self._bytes += size
                if self._bytes > self._max_bytes:
                    self._db.execute(_DROP_OLDEST, (self._max_bytes * _DROP_TO,))
                    self._bytes = _bytes(self._db)
        except sqlite3.Error as error:
            self._do_without(error)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT)
        try:
            db.executescript(_SCHEMA)
            with db:
                if self._expiration > 0:
                    oldest = time() - self._expiration
                    db.execute("DELETE FROM answers WHERE stored_at < ?", (oldest,))
            db.execute("PRAGMA incremental_vacuum").fetchall()
            self._bytes = _bytes(db)
        except BaseException:
            db.close()
            raise
        return db

    def _key(self, request: Request) -> bytes:
        """Return the key of a request: answers for one user, or one OUT, are none for another."""
        asked = fingerprint(request, include_headers=["Authorization"])
        return sha256(asked + self._out.encode("utf-8", "replace")).digest()

    def _do_without(self, error: Exception) -> None:
        logger.warning("The HTTP cache %s is done without (%s)", self._path, error)
        if self._db is not None:
            self._db.close()
            self._db = None


def _folder(name: str) -> Path:
    """Return HTTPCACHE_DIR below .scrapy/ of the project, or of the working directory."""
    try:
        return Path(data_path(name, createdir=True))
    except NotConfigured:  # an egg has no folder
        folder = Path(".scrapy", name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _bytes(db: sqlite3.Connection) -> float:
    size: float = db.execute("SELECT total(size) FROM answers").fetchone()[0]
    return size

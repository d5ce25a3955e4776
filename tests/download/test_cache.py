"""Pages and API answers are fetched once; media, errors and what is not JSON never come back."""

from __future__ import annotations

import gzip
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, Spider
from scrapy.http import Response
from scrapy.settings import Settings

from imgcrawl.download.cache_storage import SQLiteCacheStorage
from tests.download.harness import crawl, fetch
from tests.download.server import Server, http

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy.crawler import Crawler

JSON = "Content-Type: application/json; charset=utf-8"
PAGE = http(b"<p>a page</p>", 200, "Content-Type: text/html")
ANSWER = http(b'{"a": 1}', 200, JSON)
ZIPPED = http(gzip.compress(b'{"a": 1}'), 200, JSON, "Content-Encoding: gzip")


@pytest.mark.parametrize(
    ("answer", "meta", "asked"),
    [
        (PAGE, {"cache": "page"}, 1),
        (ANSWER, {"cache": "json"}, 1),
        (ZIPPED, {"cache": "json"}, 1),
        (http(b'{"a": 1}', 200, "Content-Type: application/vnd.api+json"), {"cache": "json"}, 1),
        (PAGE, {}, 2),
        (ANSWER, {"media": True}, 2),
        (PAGE, {"cache": "json"}, 2),
        (http(b"<p>in place of it</p>", 200, JSON), {"cache": "json"}, 2),
        (http(b'{"a": 1}'), {"cache": "json"}, 2),
        (http(b'{"a": 1}', 404, JSON), {"cache": "json"}, 2),
        (http(b"why", 500), {"cache": "page"}, 2),
        (http(b"", 200), {"cache": "page"}, 2),
        (PAGE, {"cache": "page", "dont_cache": True}, 2),
    ],
)
def test_what_is_cached(answer: bytes, meta: dict[str, Any], asked: int, tmp_path: Path) -> None:
    async def main(crawler: Crawler) -> int:
        async with Server({"/a": answer, "/r": http(b"", 302, "Location: /a")}) as server:
            first = await fetch(crawler, server.url("/a"), **meta)
            second = await fetch(crawler, server.url("/a"), **meta)
            assert (first.body, first.status) == (second.body, second.status)
            assert type(first) is type(second)
            assert ("cached" in second.flags) == (asked == 1)
            assert server.count("/a") == asked
            # A redirect is followed each time, to the page that is there.
            await fetch(crawler, server.url("/r"), **meta)
            return server.count("/a") - asked

    again = crawl(main, HTTPCACHE_ENABLED=True, HTTPCACHE_DIR=str(tmp_path), RETRY_TIMES=0)
    assert again == asked - 1


def test_it_survives_the_run_and_is_shared(tmp_path: Path) -> None:
    counts: list[int] = []

    async def main(crawler: Crawler) -> None:
        async with Server({"*": PAGE}, port=port) as server:
            await fetch(crawler, server.url("/a"), cache="page")
            counts.append(server.count("/a"))

    port = _free_port()
    for _ in range(2):
        crawl(main, HTTPCACHE_ENABLED=True, HTTPCACHE_DIR=str(tmp_path))
    assert counts == [1, 0]


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


SPIDER = Spider("a")


def storage(folder: Path, **settings: Any) -> SQLiteCacheStorage:
    opened = SQLiteCacheStorage(Settings({"HTTPCACHE_DIR": str(folder), **settings}))
    opened.open_spider(SPIDER)
    return opened


def test_an_answer_is_kept_for_one_out(tmp_path: Path) -> None:
    cache = storage(tmp_path, OUT="data/a")
    keep(cache, 1, b"a's")
    assert kept(cache, 1) == b"a's"
    cache.close_spider(SPIDER)
    assert kept(storage(tmp_path, OUT="data/b"), 1) is None
    assert kept(storage(tmp_path, OUT="./data/a"), 1) == b"a's"


def kept(cache: SQLiteCacheStorage, n: int, **headers: str) -> bytes | None:
    found = cache.retrieve_response(SPIDER, Request(f"http://a/{n}", headers=headers))
    return None if found is None else found.body


def keep(cache: SQLiteCacheStorage, n: int, body: bytes, **headers: str) -> None:
    request = Request(f"http://a/{n}", headers=headers)
    response = Response(request.url, headers={"X": ["1", "2"]}, body=body)
    cache.store_response(SPIDER, request, response)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_comes_back_is_what_was_kept(tmp_path: Path, zipped: bool) -> None:
    cache = storage(tmp_path, HTTPCACHE_GZIP=zipped)
    keep(cache, 1, b"a" * 5000)
    cache.close_spider(SPIDER)
    cache = storage(tmp_path)
    request = Request("http://a/1")
    found = cache.retrieve_response(SPIDER, request)
    assert found is not None
    assert (found.body, found.status, found.url) == (b"a" * 5000, 200, "http://a/1")
    assert found.headers.getlist("X") == [b"1", b"2"]
    assert request.meta["cache_timestamp"] > 1e9
    size = (tmp_path / "cache.sqlite").stat().st_size
    assert size < 100_000


def test_answers_for_one_user_are_none_for_another(tmp_path: Path) -> None:
    cache = storage(tmp_path)
    keep(cache, 1, b"for all")
    keep(cache, 1, b"for me", Authorization="me")
    assert kept(cache, 1) == b"for all"
    assert kept(cache, 1, Authorization="me") == b"for me"
    assert kept(cache, 1, Authorization="you") is None


def test_what_has_expired_is_gone(tmp_path: Path) -> None:
    cache = storage(tmp_path, HTTPCACHE_EXPIRATION_SECS=60)
    keep(cache, 1, b"old")
    keep(cache, 2, b"new")
    assert cache._db is not None
    with cache._db:
        cache._db.execute("UPDATE answers SET stored_at = stored_at - 61 WHERE body = ?", (b"old",))
    assert (kept(cache, 1), kept(cache, 2)) == (None, b"new")
    cache.close_spider(SPIDER)
    storage(tmp_path, HTTPCACHE_EXPIRATION_SECS=60).close_spider(SPIDER)
    cache = storage(tmp_path)
    assert (kept(cache, 1), kept(cache, 2)) == (None, b"new")


def test_the_oldest_make_room(tmp_path: Path) -> None:
    cache = storage(tmp_path, HTTPCACHE_MAX_BYTES=100_000)
    for number in range(200):
        keep(cache, number, bytes(1000))
    assert kept(cache, 199) is not None
    assert kept(cache, 0) is None
    there = sum(kept(cache, number) is not None for number in range(200))
    assert 70 <= there <= 100
    keep(cache, 999, bytes(200_000))
    assert kept(cache, 999) is None


def test_two_processes_share_it(tmp_path: Path) -> None:
    one, other = storage(tmp_path), storage(tmp_path)
    for number in range(50):
        keep(one if number % 2 else other, number, b"x")
    assert all(kept(cache, number) == b"x" for cache in (one, other) for number in range(50))


def test_a_damaged_cache_is_made_anew_and_an_unusable_one_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"not a database" * 1000)
    cache = storage(tmp_path)
    keep(cache, 1, b"x")
    assert kept(cache, 1) == b"x"
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        db.execute("DROP TABLE answers")
    keep(cache, 2, b"x")  # a warning, no more
    assert kept(cache, 2) is None
    folder = tmp_path / "folder"
    (folder / "cache.sqlite").mkdir(parents=True)
    cache = storage(folder)
    keep(cache, 1, b"x")
    assert kept(cache, 1) is None
    cache.close_spider(SPIDER)

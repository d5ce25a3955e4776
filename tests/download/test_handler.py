"""How a transfer can end, and that each way has its word."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.certificates import own_certificate
from tests.download.harness import crawl, fetch, outcome, outcomes
from tests.download.server import Answer, Asked, Connection, Server, http

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

T = TypeVar("T")


async def silent(asked: Asked, connection: Connection) -> None:
    await asyncio.sleep(30)


async def stalls(asked: Asked, connection: Connection) -> None:
    await connection.send(http(b"abc", length=100))
    await asyncio.sleep(30)


async def drips(asked: Asked, connection: Connection) -> None:
    await connection.send(http(b"", length=10_000))
    for _ in range(1000):
        await connection.send(b"x")
        await asyncio.sleep(0.05)


async def resets(asked: Asked, connection: Connection) -> None:
    connection.reset()


async def resets_in_body(asked: Asked, connection: Connection) -> None:
    await connection.send(http(b"abc", length=100))
    await asyncio.sleep(0.05)
    connection.reset()


async def bad_chunk_later(asked: Asked, connection: Connection) -> bytes:
    await connection.send(CHUNKED + b"3\r\nabc\r\n")
    await asyncio.sleep(0.05)
    return b"zz\r\nabc\r\n"


async def endless(asked: Asked, connection: Connection) -> None:
    await connection.send(CHUNKED)
    while True:
        await connection.send(b"1000\r\n" + bytes(0x1000) + b"\r\n")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MAXSIZE = 10_000

FAULTS: dict[str, tuple[Answer, str]] = {
    "fine": (http(b"abc"), "200"),
    "not there": (http(b"no", 404), "404"),
    "chunked": (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", "200"),
    "until the end": (b"HTTP/1.0 200 OK\r\n\r\nabc", "200"),
    "short": (http(b"abc", length=100), "truncated"),
    "short chunk": (CHUNKED + b"5\r\nabc", "truncated"),
    "bad chunk": (CHUNKED + b"zz\r\nabc\r\n", "connection_lost"),
    "bad chunk later": (bad_chunk_later, "connection_lost"),
    "no answer": (b"", "connection_lost"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "connection_lost"),
    "two lengths": (http(b"abc", 200, "Content-Length: 4"), "connection_lost"),
    "huge header": (http(b"abc", 200, "X: " + "x" * 100_000), "connection_lost"),
    "large header": (http(b"abc", 200, "X: " + "x" * 20_000), "200"),
    "odd bytes": (http(b"abc", 200, "X: \xff\xfe"), "200"),
    "reset": (resets, "connection_lost"),
    "reset in body": (resets_in_body, "connection_lost"),
    "silent": (silent, "timeout"),
    "stalls": (stalls, "timeout"),
    "drips": (drips, "timeout"),
    "too large": (http(bytes(MAXSIZE + 1)), "too_large"),
    "just right": (http(bytes(MAXSIZE)), "200"),
    "announced too large": (http(b"", length=1 << 40), "too_large"),
    "endless": (endless, "too_large"),
    # The status of an answer is what counts, however poor the rest of it is.
    "404 cut": (http(b"no", 404, length=100), "404"),
    "404 too large": (http(bytes(MAXSIZE + 1), 404), "404"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_end_has_its_word(name: str) -> None:
    answer, expected = FAULTS[name]
    limits = {"DOWNLOAD_TIMEOUT": 0.5, "DOWNLOAD_DEADLINE": 1.5, "DOWNLOAD_MAXSIZE": MAXSIZE}

    async def main(crawler: Crawler) -> str:
        async with Server({"*": answer}) as server:
            return await outcome(crawler, server.url("/a?X-Signature=secret"))

    assert crawl(main, RETRY_TIMES=0, **limits) == expected


def test_words_name_the_host_and_keep_signatures() -> None:
    async def main(crawler: Crawler) -> None:
        async with Server({"/short": FAULTS["short"][0], "/no": FAULTS["no HTTP"][0]}) as server:
            for path in ("/short", "/no", "/silent"):
                server.answers["/silent"] = silent
                with pytest.raises(RecordMissing) as failed:
                    await fetch(crawler, server.url(f"{path}?X-Signature=secret"))
                assert "127.0.0.1" in failed.value.message
                assert "secret" not in failed.value.message
                assert "\n" not in failed.value.message

    crawl(main, RETRY_TIMES=0, DOWNLOAD_TIMEOUT=0.3)


def test_no_connection() -> None:
    async def main(crawler: Crawler) -> list[str]:
        async with Server() as server:
            port = server.port
        async with Server(tls=own_certificate()[0]) as secure:
            urls = [
                f"http://127.0.0.1:{port}/",
                "http://nowhere.invalid/",
                secure.url("/"),
                "http://" + "a" * 70 + ".com/",
                "ftp://127.0.0.1/",
                "file:///etc/hostname",
            ]
            return [await outcome(crawler, url) for url in urls]

    assert crawl(main, RETRY_TIMES=0) == [
        "refused",
        "dns",
        "tls",
        "bad_url",
        "bad_url",
        "bad_url",
    ]


def test_a_users_own_handler_opens_no_other_scheme() -> None:
    """As the documentation of handlers has them set, beside what they are not about."""

    async def main(crawler: Crawler) -> list[str]:
        async with Server({"*": http(b"abc")}) as server:
            urls = (server.url("/"), "file:///etc/hostname", "data:,abc", "ftp://127.0.0.1/")
            return [await outcome(crawler, url) for url in urls]

    own = {"gopher": "imgcrawl.download.handler.HttpHandler"}
    found = crawl(main, RETRY_TIMES=0, DOWNLOAD_HANDLERS=own)
    assert found == ["200", "bad_url", "bad_url", "bad_url"]


def test_certificates_of_named_hosts_are_not_verified() -> None:
    async def main(crawler: Crawler) -> tuple[bytes, str]:
        async with Server({"*": http(b"abc")}, tls=own_certificate()[0]) as secure:
            other = secure.url("/").replace("127.0.0.1", "localhost")
            return (await fetch(crawler, secure.url("/"))).body, await outcome(crawler, other)

    assert crawl(main, RETRY_TIMES=0, INSECURE_TLS_HOSTS=["127.0.0.1"]) == (b"abc", "tls")


PIECES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 404 Gone\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Type: text/html; charset=\xff\r\n",
    b"Retry-After: soon\r\n",
    b"X-Robots-Tag: \xff:,,:\r\n",
    b"\r\n",
    b"5\r\nabcde\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"0\r\n\r\n",
    b"abcde",
    b"\x1f\x8b\x08\x00garbage",
    b"\x00\xff",
)


@pytest.mark.slow
def test_whatever_is_sent_comes_to_an_answer_or_a_word() -> None:
    """Many answers put together at random, in one crawl."""
    answers = given_many(st.lists(st.sampled_from(PIECES) | st.binary(max_size=40)), 300)

    async def main(crawler: Crawler) -> int:
        async with Server() as server:
            for number, pieces in enumerate(answers):
                server.answers[f"/{number}"] = b"".join(pieces)
            urls = [server.url(f"/{number}") for number in range(len(answers))]
            ends = await outcomes(crawler, urls, media=True)
            ends += await outcomes(crawler, urls)
            return len([end for end in ends if end.isdigit() or Outcome(end)])

    settings = {"RETRY_TIMES": 0, "DOWNLOAD_TIMEOUT": 0.5, "HOST_FAILURES": 10_000}
    assert crawl(main, **settings) == 2 * len(answers)


def given_many(strategy: st.SearchStrategy[T], n: int) -> list[T]:
    """Examples of a strategy, the same in each run."""
    found: list[T] = []

    @settings(max_examples=n, database=None, derandomize=True, phases=[Phase.generate])
    @given(strategy)
    def collect(example: T) -> None:
        found.append(example)

    collect()
    return found


def test_what_is_sent() -> None:
    """The URL as Scrapy has it, and no headers of aiohttp's own."""

    async def main(crawler: Crawler) -> list[Asked]:
        async with Server({"*": http(b"abc")}) as server:
            base = server.url("")
            for url in (base, f"{base}?x=1", f"{base}/a%2Fb%7e/c+d?sig=%2B%2f&x=a b#f"):
                await fetch(crawler, url)
            return server.asked

    asked = crawl(main)
    assert [one.path for one in asked] == ["/", "/?x=1", "/a%2Fb%7e/c+d?sig=%2B%2f&x=a%20b"]
    names = {name for one in asked for name in one.headers}
    assert names <= {"Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding"}
    assert asked[0].headers["User-Agent"].startswith("imgcrawl/")


def test_a_proxy_is_asked_and_gets_its_credentials() -> None:
    async def main(crawler: Crawler) -> tuple[list[Asked], list[str]]:
        answers: dict[str, Answer] = {"*": http(b"by proxy"), "nowhere.invalid:443": http(b"", 403)}
        async with Server(answers, host="127.0.0.2") as proxy:
            meta = {"proxy": f"http://me:secret@127.0.0.2:{proxy.port}"}
            response = await fetch(crawler, "http://nowhere.invalid/a", **meta)
            assert response.body == b"by proxy"
            await outcome(crawler, "https://nowhere.invalid/a", **meta)
            blocked = ["http://10.0.0.1/", "http://127.2/", "http://[::ffff:10.0.0.1]/"]
            return proxy.asked, [await outcome(crawler, url, **meta) for url in blocked]

    asked, blocked = crawl(main, HTTPPROXY_ENABLED=True, RETRY_TIMES=0)
    assert [one.path for one in asked] == ["http://nowhere.invalid/a", "nowhere.invalid:443"]
    assert all(one.headers["Proxy-Authorization"].startswith("Basic ") for one in asked)
    assert blocked == ["blocked_address"] * 3


# Bodies on their way to disk


def test_a_long_body_is_spooled_and_a_short_one_is_not(tmp_path: Path) -> None:
    spool, body = tmp_path / "body", bytes(range(256)) * 20_000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[i : i + 100_000]), body[i : i + 100_000])
        for i in range(0, len(body), 100_000)
    )
    answers: dict[str, Answer] = {
        "/long": http(body),
        "/chunked": CHUNKED + chunks + b"0\r\n\r\n",
        "/short": http(b"abc"),
        "/missing": http(body, 404),
        "/gzipped": http(body, 200, "Content-Encoding: gzip"),
    }

    async def main(crawler: Crawler) -> None:
        async with Server(answers) as server:
            for path in ("/long", "/chunked", "/gzipped"):
                spool.write_bytes(b"of an earlier try" * 1_000_000)
                response = await fetch(crawler, server.url(path), spool=str(spool), media=True)
                assert (response.body, response.flags) == (b"", ["spooled"])
                assert spool.read_bytes() == body
            spool.unlink()
            for path, status in (("/short", 200), ("/missing", 404)):
                response = await fetch(crawler, server.url(path), spool=str(spool), media=True)
                assert (response.status, response.flags) == (status, [])
                assert not spool.exists()
            response = await fetch(crawler, server.url("/long"), media=True)
            assert response.body == body

    crawl(main, SPOOL_THRESHOLD=1 << 20)


@pytest.mark.parametrize("fault", ["short", "reset in body", "stalls", "endless"])
def test_nothing_is_left_of_a_body_that_did_not_come_to_its_end(fault: str, tmp_path: Path) -> None:
    spool = tmp_path / "body"

    async def main(crawler: Crawler) -> str:
        async with Server({"*": FAULTS[fault][0]}) as server:
            meta = {"spool": str(spool), "spool_threshold": 0}
            return await outcome(crawler, server.url(), **meta)

    limits = {"DOWNLOAD_TIMEOUT": 0.5, "DOWNLOAD_MAXSIZE": 5_000_000}
    assert crawl(main, RETRY_TIMES=0, **limits) == FAULTS[fault][1]
    assert not spool.exists()


def test_a_disk_that_does_not_take_it() -> None:
    async def main(crawler: Crawler) -> list[str]:
        async with Server({"*": http(bytes(3_000_000))}) as server:
            spools = ["/dev/full", "/nonexistent/body"]
            return [
                await outcome(crawler, server.url(), spool=spool, spool_threshold=0)
                for spool in spools
            ]

    unlink = Path.unlink
    try:
        Path.unlink = lambda *args, **kwargs: None  # type: ignore[method-assign] # spare /dev/full
        assert crawl(main) == ["disk_full", "disk_full"]
    finally:
        Path.unlink = unlink  # type: ignore[method-assign] # as it was


MEMORY = """
import asyncio, resource, sys
from tests.certificates import own_certificate
from tests.download.harness import crawl, fetch
from tests.download.server import Server

SIZE = 200 << 20
async def long(asked, connection):
    await connection.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % SIZE)
    for _ in range(SIZE >> 20):
        await connection.send(bytes(1 << 20))

async def main(crawler):
    async with Server({"*": long}) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        response = await fetch(crawler, server.url(), spool=sys.argv[1], media=True)
        assert response.flags == ["spooled"]
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

crawl(main)
"""


@pytest.mark.slow
def test_a_long_body_takes_no_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "body")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert (tmp_path / "body").stat().st_size == 200 << 20
    assert int(done.stdout) < 60_000  # kilobytes more than before, of 204,800

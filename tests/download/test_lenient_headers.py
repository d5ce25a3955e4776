"""Headers that break the grammar: what is read all the same, and what stays an error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from imgcrawl.download.lenient_headers import MAX_HEAD, mend
from tests.download.harness import crawl, fetch, outcome
from tests.download.server import Asked, Connection, Server, http

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from tests.download.server import Answer

BODY = b"GIF89a" + bytes(range(94))
CHUNKS = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
N = f"Content-Length: {len(BODY)}"


def raw(*lines: str, body: bytes = BODY) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode("latin-1") + body


READ: dict[str, bytes] = {
    "one length three times": raw(N, N.upper(), N),
    "a list of one length": raw(f"{N},100 ,\t100"),
    "chunked and a length": raw("Transfer-Encoding: chunked", "Content-Length: 3", body=CHUNKS),
    "chunked and two lengths": raw(
        "Content-Length: 3, 4", "transfer-Encoding: Chunked", body=CHUNKS
    ),
    "identity and a length": raw("Transfer-Encoding: identity", N),
    "identity, chunked": raw("Transfer-Encoding: identity, chunked", body=CHUNKS),
    "identity alone": raw("Transfer-Encoding: identity"),
    "a length in words": raw("Content-Length: unknown"),
    "an empty length": raw("Content-Length:"),
    "a negative length": raw("Content-Length: -1"),
    "a length with a unit": raw("Content-Length: 12 bytes"),
    "a blank before the colon": raw("Content-Type : image/gif", f"Content-Length\t: {len(BODY)}"),
    "a name that is none": raw("X (A): b", "<b>: 1", ": no name", "\xe4: 1", N),
    "no colon": raw("this is no header", N, "  and its second line"),
    "a folded field": raw("X-Long: one", "\ttwo", "   three", N),
    "a fold before all": raw(" stray", N),
    "a NUL and a CR in a value": raw("X: a\0b\rc", N),
    "three hundred cookies": raw(*(f"Set-Cookie: a{n}={'x' * 900}" for n in range(300)), N),
    "early hints before": b"HTTP/1.1 103 Early\r\nno colon\r\n\r\n" + raw(N, N),
    "line feeds alone": raw(N, N).replace(b"\r\n", b"\n", 4),
    "an empty line before": b"\r\n" + raw(N, N),
}
REFUSED: dict[str, bytes] = {
    "two lengths": raw(N, "Content-Length: 3"),
    "a list of two lengths": raw(f"{N}, 3"),
    "a length and a word": raw(N, "Content-Length: unknown"),
    "headers without end": raw(*(f"X{n}: {'x' * 60_000}" for n in range(10)), N),
    "too many headers": raw(*(f"X{n}: x" for n in range(2000)), N),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
}


def once(answer: bytes, *, apart: bool = False) -> Answer:
    async def send(asked: Asked, connection: Connection) -> None:
        pieces = [answer]
        if apart:
            pieces = [answer[n : n + 1] for n in range(len(answer))]
        for piece in pieces:
            await connection.send(piece)
            if apart:
                await asyncio.sleep(0)
        # The server closes the connection behind it.

    return send


def test_what_others_read_is_read_to_the_last_byte() -> None:
    async def main(crawler: Crawler) -> dict[str, bytes]:
        async with Server() as server:
            bodies = {}
            for number, (name, answer) in enumerate(READ.items()):
                server.answers[f"/{number}"] = once(answer)
                bodies[name] = (await fetch(crawler, server.url(f"/{number}"), media=True)).body
            return bodies

    bodies = crawl(main, RETRY_TIMES=0)
    assert [name for name, body in bodies.items() if body != BODY] == []


def test_headers_may_arrive_byte_by_byte() -> None:
    async def main(crawler: Crawler) -> list[bytes]:
        names = ("early hints before", "chunked and a length", "no colon", "line feeds alone")
        async with Server() as server:
            for name in names:
                server.answers[f"/{names.index(name)}"] = once(READ[name], apart=True)
            urls = [server.url(f"/{number}") for number in range(len(names))]
            return [(await fetch(crawler, url, media=True)).body for url in urls]

    assert crawl(main, RETRY_TIMES=0) == [BODY] * 4


def test_what_leaves_the_length_in_doubt_stays_an_error() -> None:
    async def main(crawler: Crawler) -> dict[str, str]:
        async with Server() as server:
            ends = {}
            for number, (name, answer) in enumerate(REFUSED.items()):
                server.answers[f"/{number}"] = once(answer)
                ends[name] = await outcome(crawler, server.url(f"/{number}"), media=True)
            return ends

    ends = crawl(main, RETRY_TIMES=0, HOST_FAILURES=1000, DOWNLOAD_TIMEOUT=5)
    assert ends == dict.fromkeys(REFUSED, "connection_lost")


@pytest.mark.parametrize(
    ("lines", "connections"), [((), 1), (("no colon",), 3)], ids=["clean", "mended"]
)
def test_a_connection_is_used_again_only_if_nothing_was_mended(
    lines: tuple[str, ...], connections: int
) -> None:
    async def main(crawler: Crawler) -> int:
        async with Server({"*": http(BODY, 200, *lines)}) as server:
            for _ in range(3):
                await fetch(crawler, server.url("/"), media=True)
            return server.connections

    assert crawl(main, RETRY_TIMES=0) == connections


def test_a_body_that_answers_head_is_no_part_of_the_next_answer() -> None:
    async def send(asked: Asked, connection: Connection) -> None:
        await connection.send(raw(N, "Content-Type: image/gif", body=raw("X: another's", N)))

    async def main(crawler: Crawler) -> list[tuple[int, bytes | None]]:
        async with Server({"/head": send, "/next": http(BODY, 200)}) as server:
            asked = [server.url("/head"), server.url("/head"), server.url("/next")]
            answers = [
                await fetch(crawler, url, method="HEAD" if n < 2 else "GET", media=True)
                for n, url in enumerate(asked)
            ]
            assert answers[2].body == BODY
            return [(each.status, each.headers.get("X")) for each in answers]

    assert crawl(main, RETRY_TIMES=0) == [(200, None)] * 3


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5 ", "X:  a, b\t"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Content-Type: image/jpeg; name=\xe9",),
        (),
    ],
)
def test_headers_without_a_fault_are_left_byte_for_byte(lines: tuple[str, ...]) -> None:
    head = raw(*lines, body=b"")
    assert mend(head) == head
    bare = head.replace(b"\r\n", b"\n")
    assert mend(bare) == bare


def test_the_bound_is_far_above_what_servers_send() -> None:
    assert MAX_HEAD > 2 * 200 * 1024

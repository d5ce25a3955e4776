"""The proxy of the browser connects to what the guard allows, and to nothing else."""

from __future__ import annotations

import asyncio

import pytest

from imgcrawl.browser.proxy import GuardProxy
from imgcrawl.download.address_guard import AddressGuard
from imgcrawl.records.outcomes import Outcome

ANSWER = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"


class Site:
    """A server that notes what it is asked, and keeps connections."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def start(self, address: str) -> int:
        self.server = await asyncio.start_server(self._serve, address, 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)
        await writer.drain()
        await reader.read()
        writer.close()


async def ask(
    head: bytes, *, allowed: str = "", address: str = "127.0.0.2", max_bytes: int = 10_000
) -> tuple[bytes, Site, GuardProxy]:
    """What comes through a proxy; PORT in `head` is that of the site at `address`."""
    site, proxy = Site(), GuardProxy(AddressGuard.from_setting(allowed), max_bytes, 5.0)
    port = await site.start(address)
    url = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(head.replace(b"PORT", str(port).encode()))
    answer = b""
    while not answer.endswith(b"hello") and (chunk := await asyncio.wait_for(reader.read(999), 5)):
        answer += chunk
    writer.close()
    await proxy.close()
    site.server.close()
    return answer, site, proxy


@pytest.mark.parametrize("host", ["127.0.0.2", "127.2", "2130706434", "0x7f.2", "[::ffff:7f00:2]"])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_private_addresses(host: str, method: str) -> None:
    target = f"http://{host}:PORT/" if method == "GET" else f"{host}:PORT"
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    answer, site, proxy = asyncio.run(ask(head))
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert site.asked == []
    (refusal,) = proxy.refused.values()
    assert refusal.outcome is Outcome.BLOCKED_ADDRESS


def test_a_name_that_leads_to_one() -> None:
    head = b"GET http://localhost:PORT/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer, site, proxy = asyncio.run(ask(head, address="127.0.0.1"))
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert site.asked == []
    assert proxy.refused["localhost"].outcome is Outcome.BLOCKED_ADDRESS


def test_what_is_allowed_is_asked_once_a_connection() -> None:
    head = b"GET http://127.0.0.2:PORT/a/b?c=d HTTP/1.1\r\nHost: x\r\nProxy-Connection: yes\r\n"
    head += b"Accept: */*\r\nConnection: keep-alive\r\n\r\n"
    answer, site, _ = asyncio.run(ask(head, allowed="127.0.0.2/32"))
    (asked,) = site.asked
    assert asked.startswith(b"GET /a/b?c=d HTTP/1.1\r\n")
    assert b"Accept: */*\r\n" in asked
    assert b"Proxy-" not in asked
    for one in (asked, answer):
        assert b"Connection: close\r\n" in one
        assert b"keep-alive" not in one
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nhello")


def test_a_tunnel() -> None:
    head = b"CONNECT 127.0.0.2:PORT HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    answer, site, _ = asyncio.run(ask(head, allowed="127.0.0.0/8"))
    assert answer == b"HTTP/1.1 200 Connected\r\n\r\n" + ANSWER
    assert site.asked == [b"GET / HTTP/1.1\r\n\r\n"]


@pytest.mark.parametrize("head", [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_no_request(head: bytes) -> None:
    answer, site, _ = asyncio.run(ask(head, allowed="127.0.0.0/8"))
    assert (answer, site.asked) == (b"", [])


def test_a_port_that_is_none_and_a_host_that_is_none() -> None:
    for target, outcome in (("127.0.0.2:99999", None), ("nowhere.invalid:80", Outcome.DNS)):
        head = f"CONNECT {target} HTTP/1.1\r\n\r\n".encode()
        answer, _, proxy = asyncio.run(ask(head, allowed="127.0.0.0/8"))
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert [error.outcome for error in proxy.refused.values()] == ([outcome] if outcome else [])


def test_so_much_and_no_more() -> None:
    head = b"CONNECT 127.0.0.2:PORT HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    answer, site, proxy = asyncio.run(ask(head, allowed="127.0.0.0/8", max_bytes=0))
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert proxy.refused["127.0.0.2"].outcome is Outcome.TOO_LARGE
    assert site.asked == []

"""A proxy on loopback by which a browser reaches what the address guard allows, and nothing else.

A browser connects where the scripts of a foreign page tell it to. It is started so that it can
connect to this proxy only, which looks at the address itself at the moment of connecting, as the
guard does for all else: redirects, frames, WebSockets and names that resolve differently the
second time included.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohappyeyeballs

from imgcrawl.download.address_guard import BlockedAddressError
from imgcrawl.download.resolver import Resolver
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohappyeyeballs import AddrInfoType

    from imgcrawl.download.address_guard import AddressGuard

HEAD_SIZE = 256 << 10  # bytes of a request's or an answer's headers
CHUNK = 64 << 10
MAX_REFUSED = 1000  # hosts whose refusal is remembered
REFUSED = 502  # the status that the browser sees in place of a refused connection

# In place of an answer without a body, Chromium shows a page of its own, with its own address.
_REFUSAL = b"HTTP/1.1 %d Refused\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused" % REFUSED
_HOP = re.compile(rb"(?:proxy-[a-z]+|connection|keep-alive):", re.IGNORECASE)
_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]")


class GuardProxy:
    """An HTTP proxy on a free port of 127.0.0.1.

    guard:     says where it may connect to
    max_bytes: that it brings in all; a page that wants more gets nothing else
    timeout:   seconds for a connection to be made

    `refused` maps a host to the reason why it was not connected to.
    """

    def __init__(self, guard: AddressGuard, max_bytes: int, timeout: float) -> None:
        self._guard = guard
        self._left = max_bytes
        self._timeout = timeout
        self._resolver = Resolver()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused: dict[str, RecordMissing] = {}

    async def start(self) -> str:
        """Start listening, and return the proxy's URL."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=HEAD_SIZE, family=socket.AF_INET
        )
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Close all connections."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._resolver.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = _LINE.match(head)
        if asked is None:
            return
        method, target = asked[1], asked[2].decode("latin-1")
        try:
            url = urlsplit(f"//{target}" if method == b"CONNECT" else target)
            host, port = url.hostname or "", url.port or 80
            there, to_there = await self._connect(host, port)
        except (RecordMissing, ValueError) as error:
            if isinstance(error, RecordMissing) and len(self.refused) < MAX_REFUSED:
                self.refused[host] = error
            writer.write(_REFUSAL)
            await writer.drain()
            return
        try:
            if method == b"CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                answer = self._relay(there, writer)
            else:
                path = target.partition("://")[2].partition("/")[2]
                line = b"%s /%s HTTP/1.1" % (method, path.encode("latin-1"))
                to_there.write(_for_one_exchange(head, line))
                answer = self._answer(there, writer)
            await self._both(self._relay(reader, to_there), answer)
        finally:
            to_there.close()

    async def _connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to an address that the guard allows. Raises RecordMissing."""
        self._guard.check_host(host)
        if self._left <= 0:
            raise RecordMissing(
                Outcome.TOO_LARGE, "the page wants more than a page should", tries=0
            )
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._resolver.resolve(host, port)
                addresses: list[AddrInfoType] = [
                    (one["family"], socket.SOCK_STREAM, one["proto"], "", (one["host"], port))
                    for one in found
                ]
                connected = await aiohappyeyeballs.start_connection(
                    addresses,
                    happy_eyeballs_delay=0.25,
                    socket_factory=self._guard.socket_factory,
                )
                return await asyncio.open_connection(sock=connected, limit=HEAD_SIZE)
        except BlockedAddressError as error:
            message = f"{host} is not a public address"
            raise RecordMissing(Outcome.BLOCKED_ADDRESS, message, tries=0) from error
        except TimeoutError as error:
            message = f"{host} took no connection within {self._timeout:g} s"
            raise RecordMissing(Outcome.TIMEOUT, message) from error
        except (socket.gaierror, UnicodeError) as error:
            raise RecordMissing(Outcome.DNS, f"{host} has no address") from error
        except OSError as error:
            raise RecordMissing(Outcome.REFUSED, f"{host} took no connection") from error

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one answer: a browser that kept the connection would ask it for other hosts too."""
        while True:
            head = await there.readuntil(b"\r\n\r\n")
            line = head.partition(b"\r\n")[0]
            if re.match(rb"HTTP/1\.[01] 1\d\d", line) is None:
                break
            writer.write(head)
        writer.write(_for_one_exchange(head, line))
        await self._relay(there, writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._left > 0 and (chunk := await reader.read(CHUNK)):
            self._left -= len(chunk)
            writer.write(chunk)
            await writer.drain()

    @staticmethod
    async def _both(*ways: Coroutine[Any, Any, None]) -> None:
        """Relay bytes both ways until the answer has ended or the browser has hung up."""
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _for_one_exchange(head: bytes, line: bytes) -> bytes:
    """Return headers with another first line, after which the connection ends."""
    lines = head.split(b"\r\n")[1:-2]
    kept = [one for one in lines if not _HOP.match(one)]
    return b"\r\n".join([line, *kept, b"Connection: close", b"", b""])

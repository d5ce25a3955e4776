"""A server of the tests' own, that answers just what a test wants and remembers what was asked."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Self


@dataclass(slots=True)
class Asked:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    at: float


class Connection:
    """What an answer is written to."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Answer: TypeAlias = bytes | Callable[[Asked, Connection], Awaitable[bytes | None]]


def http(body: bytes = b"", status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """A whole answer. `length`: announced, where it is not that of the body."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


@dataclass
class Server:
    """Answers by path (without query), or by "*"; bytes are sent, and kept alive if whole."""

    answers: dict[str, Answer] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0  # any
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    active: int = 0
    most_active: int = 0

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self.tls, backlog=1000
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def url(self, path: str = "/", host: str | None = None) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def count(self, path: str) -> int:
        return sum(asked.path.partition("?")[0] == path for asked in self.asked)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ", 1)[1].rsplit(" ", 1)[0]
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        asked = Asked(path, headers, asyncio.get_running_loop().time())
        self.asked.append(asked)
        bare = path.partition("?")[0]
        answer = self.answers.get(bare, self.answers.get("*", http(b"not here", 404)))
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            if not isinstance(answer, bytes):
                answer = await answer(asked, Connection(writer)) or b""
        finally:
            self.active -= 1
        writer.write(answer)
        await writer.drain()
        return answer.startswith(b"HTTP/1.1") and _is_whole(answer)


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    return b"content-length: %d" % len(body) in lines or b" 304 " in lines[0]


def after(seconds: float, answer: bytes) -> Answer:
    """An answer that takes a while."""

    async def wait(asked: Asked, connection: Connection) -> bytes:
        await asyncio.sleep(seconds)
        return answer

    return wait

"""A proxy before an emulator of an object store, which fails as stores and networks do.

S3 says "503 SlowDown" to who asks too fast, and asks to be asked again after 500
(docs.aws.amazon.com, "Error responses" and "Best practices design patterns"); Google says 429 and
503 (cloud.google.com/storage/docs/retry-strategy). Connections break before a request has arrived,
and after it has: then the store has done what its client does not know of.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
KINDS = ("throttled", "error", "reset before", "reset after")
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Faults:
    """What fails: a share of the requests, each in one of KINDS; or every one, while it is cut."""

    share: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    is_cut: bool = False
    asked: int = 0
    failed: int = 0
    while_cut: int = 0
    done: list[tuple[str, str]] = field(default_factory=list)  # method and path of what got through
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str | None:
        """What becomes of a request; None: it is passed on."""
        with self.lock:
            self.asked += 1
            if self.is_cut:
                self.while_cut += 1
                return "reset before"
            if self.dice.random() >= self.share:
                return None
            self.failed += 1
            return self.dice.choice(KINDS)

    def cut(self, seconds: float) -> None:
        """Lose the network for so long; returns when it is back."""
        self.is_cut = True
        time.sleep(seconds)
        self.is_cut = False


@contextmanager
def proxied(store: Any, faults: Faults) -> Iterator[str]:
    """The address of a proxy before a store."""
    backend = urlsplit(store.url).netloc
    google = store.scheme == "gs"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Expect"):
                self.close_connection = True
            match fault := faults.next():
                case "throttled":
                    self._answer(429 if google else 503, {}, b"" if google else SLOW_DOWN)
                case "error":
                    self._answer(500, {}, b"")
                case "reset before":
                    self._reset()
                case _:
                    status, headers, answer = self._ask(body)
                    faults.done.append((self.command, self.path))
                    if fault is None:
                        self._answer(status, headers, answer)
                    else:
                        self._reset()

        def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(backend, timeout=30)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
            headers["Host"] = backend
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
                kept["Content-Length"] = length
            connection.close()
            return answer.status, kept, data

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _reset(self) -> None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *args: Any) -> None:
            """Not to the terminal."""

    for method in ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"):
        setattr(Handler, f"do_{method}", Handler._pass)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

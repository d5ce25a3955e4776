"""A plain, fast HTTP server of JPEGs on loopback, so that only the client is measured.

``python -m bench.server --port-file FILE``: a path that ends with /N.jpg answers with one of 200
distinct pictures of about 80 kB (0.5 megapixels), or with ``--tiny`` of 1 kB; below /same/ they are
one picture; keep-alive, nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image, ImageFilter

from bench.addresses import LOOPBACK, host
from tests.certificates import own_certificate

PICTURES = 200
DIGITS = 8  # of a picture's number, in the comment of its file
COMMENT = 4 + DIGITS  # bytes


def pictures(*, tiny: bool) -> list[bytes]:
    """Return 200 JPEGs, the same at every call; detailed enough for about 80 kB each."""
    size = (32, 24) if tiny else (824, 620)
    made = []
    for number in range(PICTURES):
        random = Random(number)
        noise = Image.frombytes("RGB", (206, 155), random.randbytes(206 * 155 * 3))
        image = noise.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.BoxBlur(1))
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=66)
        made.append(buffer.getvalue())
    return made


class PictureProtocol(asyncio.Protocol):
    """One connection; requests may be pipelined."""

    answers: list[tuple[bytes, bytes]]
    delay = 0.0  # seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            path = self._buffer.split(b" ", 2)[1]
            self._buffer = self._buffer[end + 4 :]
            number = path.rpartition(b"/")[2].partition(b".")[0]
            if number.isdigit() and len(number) <= DIGITS:
                own = 0 if path.startswith(b"/same/") else int(number)
                head, body = self.answers[own % PICTURES]
                # A comment makes every picture a file of its own.
                comment = b"\xff\xfe\x00\x0a%0*d" % (DIGITS, own)
                answer = (head, body[:2], comment, body[2:])
                if self.delay:
                    loop = asyncio.get_running_loop()
                    loop.call_later(self.delay, self._transport.writelines, answer)
                else:
                    self._transport.writelines(answer)
            else:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


async def serve(port_file: Path, *, tiny: bool, tls: bool, hosts: int) -> None:
    """Listen on a free port until killed."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    PictureProtocol.answers = [
        (head.format(len(body) + COMMENT).encode(), body) for body in pictures(tiny=tiny)
    ]
    context = own_certificate(port_file.with_suffix(".pem"))[0] if tls else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(PictureProtocol, LOOPBACK, 0, ssl=context, backlog=1000)
    port = server.sockets[0].getsockname()[1]
    if hosts > 1:
        await loop.create_server(PictureProtocol, [host(n) for n in range(hosts)], port)
    port_file.write_text(str(port))  # noqa: ASYNC240 - once
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds of each answer")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    PictureProtocol.delay = options.delay
    asyncio.run(serve(options.port_file, tiny=options.tiny, tls=options.tls, hosts=options.hosts))

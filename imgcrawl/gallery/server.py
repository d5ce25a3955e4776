"""The server of the gallery: for this machine's browser alone.

What a source says is data in JSON, which the page shows as text; pictures are made anew, so that no
byte of a source reaches the browser. A request names records by number: no path is ever asked for.
"""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from imgcrawl.gallery.index import PAGE
from imgcrawl.records.errors import ImgcrawlError
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.gallery.shown import Shown

HOST = "127.0.0.1"
SIDES = (192, 1024)  # pixels of a picture, at most: in the gallery, and alone
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGE = {
    "/": ("gallery.html", "text/html; charset=utf-8"),
    "/gallery.js": ("gallery.js", "text/javascript; charset=utf-8"),
    "/gallery.css": ("gallery.css", "text/css; charset=utf-8"),
}
_JSON = "application/json; charset=utf-8"
Answer = tuple[bytes, str]  # body and type
Query = dict[str, str]


class GalleryServer(ThreadingHTTPServer):
    """Serves OUTs on a port of this machine (0: any that is free). Raises OSError."""

    daemon_threads = True

    def __init__(self, outs: list[Shown], port: int = 0) -> None:
        self.outs = outs
        super().__init__((HOST, port), _Handler)
        own = self.server_address[1]
        self.url = f"http://{HOST}:{own}/"
        # Another name that leads here is another site's: it could read what this one answers.
        self.hosts = {f"{name}:{own}" for name in (HOST, "localhost")}

    def answer(self, path: str, query: Query) -> Answer | None:
        """Return the answer to a request, or None if there is none. Raises ValueError.

        An empty one is of a picture that nothing can be made of.
        """
        if path == "/favicon.ico":
            return b"", "image/x-icon"
        if path in _PAGE:
            name, kind = _PAGE[path]
            return files("imgcrawl.gallery").joinpath("page", name).read_bytes(), kind
        if (make := self._ROUTES.get(path)) is None:
            return None
        made = make(self, query)
        if made is None or isinstance(made, tuple):
            return made
        return json.dumps(made).encode(), _JSON

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone on meanwhile, and all of anything else."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def _outs(self, query: Query) -> Any:
        return [{"name": printable(out.name, 300)} | out.state() for out in self.outs]

    def _columns(self, query: Query) -> Any:
        index = self._out(query).index(anew=query.get("anew") == "1")
        return {"columns": index.columns, "label": index.label, "total": index.total}

    def _values(self, query: Query) -> Any:
        return self._out(query).index().values(query.get("column", ""))

    def _rows(self, query: Query) -> Any:
        where = {query["column"]: query.get("value", "")} if query.get("column") else {}
        if query.get("state") == "missing":
            where |= {"file_name": ""}
        first, count = _number(query, "from"), _number(query, "count", PAGE)
        total, rows = self._out(query).index().rows(first, count, where, query.get("words", ""))
        return {"total": total, "rows": rows}

    def _record(self, query: Query) -> Any:
        return self._out(query).index().record(_number(query, "n"))

    def _picture(self, query: Query) -> Answer | None:
        out, side = self._out(query), _number(query, "side", SIDES[0])
        row = out.index().record(_number(query, "n"))
        if row is None or side not in SIDES or (made := out.picture(row, side)) is None:
            return None
        return made, "image/png" if made[:4] == b"\x89PNG" else "image/jpeg"

    def _out(self, query: Query) -> Shown:
        number = _number(query, "out")
        if number >= len(self.outs):
            raise ValueError("out")
        return self.outs[number]

    _ROUTES: dict[str, Callable[[GalleryServer, Query], Any]] = {  # noqa: RUF012 - never changed
        "/api/outs": _outs,
        "/api/columns": _columns,
        "/api/values": _values,
        "/api/rows": _rows,
        "/api/record": _record,
        "/picture": _picture,
    }


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, of this page alone."""

    server: GalleryServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds

    def do_GET(self) -> None:
        """Answer."""
        if self.headers.get("Host") not in self.server.hosts:
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"another host", "text/plain")
            return
        site = self.headers.get("Sec-Fetch-Site", "none")
        try:
            parts = urlsplit(self.path)
            if parts.path != "/" and site not in {"none", "same-origin"}:
                self._send(HTTPStatus.FORBIDDEN, b"another site", "text/plain")
                return
            query = {name: values[-1] for name, values in parse_qs(parts.query, True).items()}
            found = self.server.answer(parts.path, query)
        except (ImgcrawlError, OSError, ValueError) as error:
            self._send(HTTPStatus.BAD_REQUEST, printable(str(error)).encode(), "text/plain")
            return
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, b"there is none", "text/plain")
        else:
            self._send(HTTPStatus.OK if found[0] else HTTPStatus.NO_CONTENT, *found)

    do_HEAD = do_GET  # noqa: N815 - as above

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: a page asks for hundreds of pictures."""


def _number(query: Query, name: str, default: int = 0) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise ValueError(name)
    return int(text)

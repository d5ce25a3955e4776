"""Headers that break the grammar and that browsers and curl read, made such as aiohttp reads.

Each rule has its source; RFC 9112 is HTTP/1.1, RFC 9110 the meaning of fields. What leaves the
length of a body in doubt stays an error, and a connection whose headers were mended is never used
again: were a length misread, the rest would pass for the next answer (response splitting).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import LineTooLong

if TYPE_CHECKING:
    import asyncio

MAX_HEAD = 512 << 10  # bytes of all headers together; 200 cookies are 200 KiB

_END = re.compile(rb"\n\r?\n")
_BEFORE_STATUS = re.compile(rb"[\r\n]*")
_INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_NO_VALUE = re.compile(rb"[\0\r]")
_FRAMING = (b"content-length", b"transfer-encoding")


class LenientConnector(aiohttp.TCPConnector):
    """aiohttp's, with connections that mend the headers that arrive on them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        protocol: type[ResponseHandler] = LenientProtocol
        self._factory = partial(protocol, loop=self._loop)


class LenientProtocol(ResponseHandler):
    """Holds the bytes of an answer back until its headers are whole, and passes them on mended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._head: bytearray | None = None  # None: a body, or nothing was asked yet
        self._bodiless = False  # HEAD was asked

    def set_response_params(self, **options: Any) -> None:
        """Expect the headers of an answer: aiohttp calls this for each request."""
        self._head = bytearray()
        self._bodiless = bool(options.get("skip_payload"))
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the server. What does not begin as HTTP goes on to the parser at once."""
        if self._head is None and self._bodiless:
            self._drop_body()
            return
        if self._head is None or self._parser is None:
            super().data_received(data)
            return
        if not self._head and self._is_sound(data):
            self._head = None
            super().data_received(data)
            return
        self.start_timeout()
        seen = len(self._head)
        self._head += data
        while self._head is not None:
            start = _BEFORE_STATUS.match(self._head).end()  # type: ignore[union-attr]
            end = _END.search(self._head, max(start, seen - 2))
            if not b"HTTP/".startswith(bytes(self._head[start : start + 5])):
                self._pass_on(bytes(self._head), b"")
            elif end is not None and end.end() <= MAX_HEAD:
                head = bytes(self._head[start : end.end()])
                self._pass_on(head, bytes(self._head[end.end() :]))
                seen = 0
            elif end is not None or len(self._head) > MAX_HEAD:
                self._refuse()
            else:
                return

    def _is_sound(self, data: bytes) -> bool:
        """Return whether bytes begin with all of a head in which nothing is to be mended.

        Nearly all do, and most have the body with it, which need not be copied.
        """
        end = _END.search(data, 0, MAX_HEAD)
        if end is None or self._bodiless or not data.startswith(b"HTTP/"):
            return False
        head = data[: end.end()]
        return _INTERIM.match(head) is None and mend(head) is head

    def _pass_on(self, head: bytes, rest: bytes) -> None:
        """Hand the parser a head and what follows it, unless that is another head."""
        self._head = None
        mended = mend(head)
        if mended != head:
            self.force_close()
        if _INTERIM.match(head):
            super().data_received(mended)
            self._head = bytearray(rest)
        elif self._bodiless:
            super().data_received(mended)
            if rest:
                self._drop_body()
        else:
            super().data_received(mended + rest)

    def _drop_body(self) -> None:
        """Close a connection on which HEAD is answered with a body, against RFC 9110, 9.3.2.

        curl and browsers leave the body where it is; it would pass for the next answer.
        """
        self.force_close()
        if self.transport is not None:
            self.transport.close()

    def _refuse(self) -> None:
        self._head = None
        if self.transport is not None:
            self.transport.close()
        self.set_exception(LineTooLong(b"the headers", MAX_HEAD))


def mend(head: bytes) -> bytes:
    """Return the headers of an answer, status line and empty line included, as aiohttp reads them.

    They are the same bytes if nothing was wrong.
    """
    if not head.startswith(b"HTTP/"):
        return head
    status, *lines = head.split(b"\n")
    fields: list[bytes] = []
    folded: bool | None = None  # whether the line before was kept, so that a fold belongs to it
    for raw in lines[:-2]:
        line = raw.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t"):
            # RFC 9112, 5.2: a fold is a space; 2.2: before the first field it is passed over.
            if folded:
                fields[-1] += b" " + line.strip()
            continue
        mended = _mended(line)
        folded = mended is not None
        if mended is not None:
            fields.append(mended)
    fields = _one_framing(fields)
    if fields == [line.removesuffix(b"\r") for line in lines[:-2]]:
        return head
    return b"\r\n".join([status.removesuffix(b"\r"), *fields, b"", b""])


def _mended(line: bytes) -> bytes | None:
    """Return a field whose name is a name, or None: then nobody can tell what it says."""
    name, colon, value = line.partition(b":")
    bare = name.rstrip(b" \t")  # RFC 9112, 5.1: between name and colon they are removed
    if not colon or _NAME.fullmatch(bare) is None:
        return None
    # RFC 9110, 5.5: NUL and a single CR are replaced by a space.
    return bare + colon + _NO_VALUE.sub(b" ", value)


def _one_framing(fields: list[bytes]) -> list[bytes]:
    """Return the fields with one statement, if any, of how long the body is."""
    lengths, codings = _elements(fields, _FRAMING[0]), _elements(fields, _FRAMING[1])
    # "identity" meant no coding (RFC 2616, 3.6); RFC 7230 took it away.
    applied = [coding for coding in codings or () if coding.lower() not in (b"identity", b"")]
    if lengths is None and applied == (codings or []):
        return fields
    if codings is None and lengths is not None and len(lengths) == 1 and _is_number(lengths[0]):
        return fields
    framing: list[bytes] = []
    if applied:
        # RFC 9112, 6.3, 3: a Transfer-Encoding overrides the Content-Length.
        framing.append(b"Transfer-Encoding: " + b", ".join(applied))
    elif lengths and any(_is_number(length) for length in lengths):
        if len({int(length) if _is_number(length) else length for length in lengths}) > 1:
            return fields  # RFC 9112, 6.3, 5: an error that cannot be mended
        # RFC 9110, 8.6: the same number many times may be taken as one.
        framing.append(b"Content-Length: " + lengths[0])
    # A length that is no number is none: the body ends with the connection, as urllib and browsers
    # have it. A picture that was cut is found by its check.
    others = [field for field in fields if field.partition(b":")[0].lower() not in _FRAMING]
    return others + framing


def _elements(fields: list[bytes], name: bytes) -> list[bytes] | None:
    """Return the parts of all fields of a name, split at commas, or None without such a field."""
    found, parts = False, []
    for field in fields:
        of, _, value = field.partition(b":")
        if of.lower() == name:
            found = True
            parts += [part.strip() for part in value.split(b",")]
    return parts if found else None


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) < 19

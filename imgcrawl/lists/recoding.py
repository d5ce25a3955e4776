"""Text of other machines as UTF-8 with line feeds: UTF-16 of Excel, old Macs, what is named."""

from __future__ import annotations

import codecs
import io
from typing import IO

_CHUNK = 1 << 16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # it begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def recoded(file: IO[bytes], head: bytes, encoding: str = "") -> IO[bytes]:
    """Return a file as UTF-8 with line feeds; as it is, if it is that already.

    head:     its first bytes, which are still to be read from it
    encoding: in which it is, if that is known
    """
    encoding = encoding or _utf16(head)
    if not encoding and (b"\n" in head or b"\r" not in head):
        return file
    return io.BufferedReader(_Recoded(file, encoding), _CHUNK)


def _utf16(head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Without a mark: of Western text every second byte is zero, and no line feed stands alone.
    even, odd = head[0:400:2], head[1:400:2]
    if len(odd) > 4 and not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if len(odd) > 4 and not any(even) and all(odd) else ""


class _Recoded(io.RawIOBase):
    """A stream that decodes another as it is read.

    encoding: "" for a superset of ASCII, whose carriage returns become line feeds; those of other
              text do where its first piece has no line feeds
    """

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        self._ready = b""
        self._has_feeds = None if encoding else False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # bytearray-likes
        while not self._ready:
            raw = self._file.read(_CHUNK)
            self._ready = raw
            if self._decoder is not None:
                text = self._decoder.decode(raw, final=not raw)
                self._ready = text.encode("utf-8", "replace")
            if self._has_feeds is None:
                self._has_feeds = b"\n" in self._ready
            if not self._has_feeds:
                self._ready = self._ready.replace(b"\r", b"\n")
            if not raw and not self._ready:
                return 0
        data, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

"""The body that came for an object: in memory or in a file, and what it comes to."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.storage.digests import digests_of

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy.http import Headers

_BOMS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")  # of UTF-8 and UTF-16
_BEGIN = 4096  # bytes that tell a page of HTML
# Of more at once hashlib lets other threads run; a short one that must then wait for its turn
# again takes many times as long as the digest.
_UNDISTURBED = 2047
_SHORT = 16 << 10  # bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A body as it came. body: None if it lies in the file already; headers: None if unknown."""

    file: Path
    body: bytes | None
    headers: Headers | None

    def digest(self) -> ObjectAnswer:
        """Return what the body comes to. Blocks; raises OSError."""
        if self.body is not None:
            md5, sha256 = _digests(self.body)
            return ObjectAnswer(len(self.body), md5, sha256, self.headers, self.body[:_BEGIN])
        md5, sha256 = digests_of(self.file)
        with self.file.open("rb") as opened:
            begin = opened.read(_BEGIN)
        return ObjectAnswer(self.file.stat().st_size, md5, sha256, self.headers, begin)

    def write(self) -> None:
        """Write a body that is not in its file yet. Blocks; raises OSError."""
        if self.body is None:
            return
        # A file object would cost three more calls of the system.
        fd = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            left = memoryview(self.body)
            while left:
                left = left[os.write(fd, left) :]
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove the file, if there is one. Blocks."""
        self.file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ObjectAnswer:
    """What a body comes to, how it begins, and the headers that it came with."""

    size: int
    md5: str
    sha256: str
    headers: Headers | None
    begin: bytes = b""

    def header(self, name: str) -> str:
        """Return a header as text; "" if it is not there."""
        value = self.headers.get(name) if self.headers is not None else None
        return (value or b"").decode("latin-1").strip()

    @property
    def may_be_page(self) -> bool:
        """Whether it begins as HTML may: few objects do, and to look closer takes its time."""
        return self.begin.lstrip().startswith((b"<", *_BOMS))

    @property
    def etag(self) -> str | None:
        """The ETag without quotes, if there is one."""
        return self.header("ETag").removeprefix("W/").strip('"') or None

    def is_encrypted(self) -> bool:
        """Return whether the store encrypts with keys, so that an ETag is not an MD5."""
        return bool(
            self.header("x-amz-server-side-encryption").startswith("aws:kms")
            or self.header("x-amz-server-side-encryption-customer-algorithm")
        )


def _digests(body: bytes) -> tuple[str, str]:
    """Return the MD5 and SHA-256 of a body in hexadecimal."""
    step = _UNDISTURBED if len(body) <= _SHORT else len(body)
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    view = memoryview(body)
    for at in range(0, len(body), step or 1):
        piece = view[at : at + step]
        md5.update(piece)
        sha256.update(piece)
    return md5.hexdigest(), sha256.hexdigest()

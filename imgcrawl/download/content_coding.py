"""Files that their server sends packed, whatever was asked for: Content-Encoding is undone.

An object store sends the header that an object was stored with, and its bytes as they are; the
coding is undone to get the file (RFC 9110, 8.4). One that is itself an archive, by its name, stays
what it is.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.download.errors import to_disk
from imgcrawl.pictures.sniff import HEAD_BYTES, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from pathlib import Path

_GZIP = b"\x1f\x8b"
_GZIP_NAMES = frozenset({".gz", ".tgz", ".svgz", ".nii.gz", ".z"})
_CHUNK = 1 << 20
_MOST = 1 << 40  # bytes that a file may unpack to
_LEAST_SHARE = 1 << 11  # of what it unpacks to, what is packed is more than the 2048th part


def undo_coding(file: Path, coding: str, name: str) -> str | None:
    """Replace a file that was sent in a coding by what it encodes; return the SHA-256 of that.

    coding: Content-Encoding of the answer; name: what the file is to be called
    Return None, and leave the file, where nothing is to be undone: bytes that are not in gzip
    although the header says so, or an archive under its own name. Blocks.
    Raises RecordMissing (corrupt, truncated, too_large, disk_full); corrupt for another coding than
    gzip, unless what came is plainly no such thing.
    """
    if coding.strip().lower() in {"", "identity"}:
        return None
    if coding.strip().lower() not in {"gzip", "x-gzip"}:
        with file.open("rb") as packed:
            if sniff(packed.read(HEAD_BYTES)).format is not None:
                return None  # a picture as it is, whatever the header says
        words = f"it was sent as {printable(coding, 40)} although nobody asked for that"
        raise RecordMissing(Outcome.CORRUPT, words, 200)
    if PurePosixPath(name).suffix.lower() in _GZIP_NAMES:
        return None
    with file.open("rb") as packed:
        if packed.read(2) != _GZIP:
            return None
    unpacked = file.with_suffix(".decoded")
    try:
        digest = _unpack(file, unpacked)
        with to_disk():
            unpacked.replace(file)
    finally:
        unpacked.unlink(missing_ok=True)
    return digest


def _unpack(file: Path, unpacked: Path) -> str:
    digest, size = hashlib.sha256(), 0
    most = min(_MOST, _LEAST_SHARE * file.stat().st_size)
    decoder = zlib.decompressobj(wbits=31)
    with to_disk(), file.open("rb") as packed, unpacked.open("wb") as target:
        data = packed.read(_CHUNK)
        while data or not decoder.eof:
            try:
                part = decoder.decompress(data, _CHUNK)
            except zlib.error as error:
                words = f"what was sent as gzip cannot be unpacked: {error}"
                raise RecordMissing(Outcome.CORRUPT, words, 200) from error
            digest.update(part)
            size += target.write(part)
            if size > most:
                raise RecordMissing(Outcome.TOO_LARGE, "what was sent unpacks to too much", 200)
            data = decoder.unconsumed_tail
            if decoder.eof and (data := decoder.unused_data or packed.read(_CHUNK)):
                decoder = zlib.decompressobj(wbits=31)  # another member
            elif not data and not decoder.eof and not (data := packed.read(_CHUNK)):
                raise RecordMissing(Outcome.TRUNCATED, "what was sent as gzip has no end", 200)
    return digest.hexdigest()

"""Packed chunks: files beside the plain names of a precomputed volume, as cloud-files writes them.

In a bucket a chunk has its own name, and the header Content-Encoding says how it is packed. In a
folder, or where a folder was put onto a server, it lies as NAME.gz, NAME.br, ...
Source: COMPRESSION_EXTENSIONS in cloudfiles/compression.py and cloudfiles/interfaces.py.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from importlib import import_module
from io import BytesIO
from typing import Any

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

SUFFIXES = (".gz", ".br", ".zstd", ".xz", ".bz2")

_MARKS = {".gz": b"\x1f\x8b", ".zstd": b"\x28\xb5\x2f\xfd", ".xz": b"\xfd7zXZ\0", ".bz2": b"BZh"}


def unpack(body: bytes, suffix: str, limit: int) -> bytes:
    """Return the chunk in a packed file.

    limit: bytes that a chunk has at most
    A body that the server unpacked on the way (Content-Encoding) is returned as it is.
    Raises RecordMissing: truncated, corrupt, too_large (a bomb).
    """
    mark = _MARKS.get(suffix)
    if mark is not None and not body.startswith(mark):
        return body
    try:
        chunk = _unpacked(body, suffix, limit + 1)
    except EOFError as error:
        words = f"the packed chunk (NAME{suffix}) ends too early"
        raise RecordMissing(Outcome.TRUNCATED, words) from error
    except (OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        words = f"the packed chunk (NAME{suffix}) cannot be unpacked: {error}"
        raise RecordMissing(Outcome.CORRUPT, words) from error
    if len(chunk) > limit:
        words = f"a packed chunk (NAME{suffix}) has more than {limit:,} bytes"
        raise RecordMissing(Outcome.TOO_LARGE, words)
    return chunk


def _unpacked(body: bytes, suffix: str, limit: int) -> bytes:
    """Return what is packed, `limit` bytes at most. Raises what `unpack` catches."""
    file = BytesIO(body)
    match suffix:
        case ".br":
            return _unbrotli(body, limit)
        case ".zstd":
            return _unzstd(file, limit)
        case ".gz":
            return gzip.GzipFile(fileobj=file).read(limit)
        case ".xz":
            return lzma.LZMAFile(file).read(limit)
        case _:
            return bz2.BZ2File(file).read(limit)


def _unzstd(file: BytesIO, limit: int) -> bytes:
    """Return what zstd packed. Raises ValueError and EOFError."""
    zstd: Any
    if sys.version_info >= (3, 14):
        zstd = import_module("compression.zstd")
    else:
        from backports import zstd  # noqa: PLC0415 - volumes alone need it
    try:
        found: bytes = zstd.ZstdFile(file).read(limit)
    except zstd.ZstdError as error:
        raise ValueError(f"{error}") from error
    return found


def _unbrotli(body: bytes, limit: int) -> bytes:
    """Return what Brotli packed, or a body that is not Brotli's as it is. Raises EOFError.

    Brotli has no mark: whether such a body is a chunk is for the decoder of chunks to say.
    """
    import brotli  # noqa: PLC0415 - volumes alone need it

    decoder, found = brotli.Decompressor(), bytearray()
    piece = body
    while not decoder.is_finished() and len(found) < limit:
        try:
            got = decoder.process(piece, output_buffer_limit=limit)
        except brotli.error:
            return body
        found += got
        if not got and decoder.can_accept_more_data():
            raise EOFError
        piece = b""
    return bytes(found)

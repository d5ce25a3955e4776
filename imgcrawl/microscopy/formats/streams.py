"""Compressed streams, read to their end in pieces: gzip, bzip2, xz, Zstandard.

What comes out is counted and thrown away, but for its beginning. A stream may expand a
thousandfold: behind a limit it is left alone, which is said. Where no library for Zstandard is
installed, its blocks are followed, which say how long they are (RFC 8878, section 3.1.1).
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from imgcrawl.microscopy.proof import Checked, Proof, corrupt, require, unpack
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from imgcrawl.microscopy.ranges import ByteRanges

_PIECE = 64 << 10
HEAD = 64 << 10  # bytes of the beginning that are kept
_FREE, _RATIO = 64 << 20, 100  # a stream may expand so far, or so many times
_XZ_MEMORY = 128 << 20
# Members shorter than this are an attack, or nothing that is worth the time.
_SMALL, _MANY = 256, 10_000
_FAULTS = (zlib.error, OSError, lzma.LZMAError, EOFError)
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_ZSTD = 0xFD2FB528
ZSTD_MAGICS = tuple(number.to_bytes(4, "little") for number in (_ZSTD, *_SKIPPABLE))
_MAX_BLOCKS = 200_000  # of 128 KB at most


@dataclass(slots=True)
class Stream:
    """A stream that was read.

    length:   of what it holds, in bytes; 0 if it was not expanded
    head:     the beginning of that
    is_whole: whether it was read to its end; if not, `remark` says why
    """

    length: int = 0
    head: bytes = b""
    is_whole: bool = False
    remark: str = ""

    @property
    def proof(self) -> Proof:
        """How far the stream was proved."""
        return Proof(Checked.WHOLE if self.is_whole else Checked.HEADER, self.remark)


class Decoder(Protocol):
    """What bz2 and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream was read to its end."""

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is expanded."""

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind the end of the stream."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Expand the next bytes; no more than `max_length` come out at a time."""


class Gzip:
    """A decoder of one member, with the interface of bz2's and lzma's."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        """Whether the member was read to its end."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is expanded."""
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind the end of the member."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """Expand the next bytes; no more than `max_length` come out at a time."""
        return self._zlib.decompress(self._zlib.unconsumed_tail or data, max_length)


def read_gzip(ranges: ByteRanges, start: int = 0) -> Stream:
    """Read a gzip file of one or more members; their lengths and CRCs are checked."""
    return _read(ranges, start, "gzip", b"\x1f\x8b", Gzip)


def read_bzip2(ranges: ByteRanges, start: int = 0) -> Stream:
    """Read a bzip2 file of one or more streams; their CRCs are checked."""
    return _read(ranges, start, "bzip2", b"BZh", bz2.BZ2Decompressor)


def read_xz(ranges: ByteRanges) -> Stream:
    """Read an xz file of one or more streams; their checks are checked."""
    return _read(ranges, 0, "xz", b"\xfd7zXZ\0", xz_decoder)


def xz_decoder() -> lzma.LZMADecompressor:
    """Return a decoder that a hostile stream cannot have take much memory."""
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def _read(
    ranges: ByteRanges,
    at: int,
    what: str,
    magic: bytes | tuple[bytes, ...],
    make: Callable[[], Decoder],
) -> Stream:
    """Read a stream, whose members begin with `magic`, from byte `at` to its end.

    Raises RecordMissing (`truncated`, `corrupt`).
    """
    stream, start, members, pending, decoder = Stream(), at, 1, b"", make()
    while True:
        if not pending and decoder.needs_input:
            pending = ranges.read(at, _PIECE)
            at += len(pending)
            if not pending:
                words = f"the {what} stops within member {members:,}"
                raise RecordMissing(Outcome.TRUNCATED, words)
        try:
            piece = decoder.decompress(pending, _PIECE)
        except _FAULTS as error:
            raise corrupt(f"the {what} does not expand: {error}") from error
        pending = b""
        stream.length += len(piece)
        if len(stream.head) < HEAD:
            stream.head += piece[: HEAD - len(stream.head)]
        if stream.length > max(_FREE, _RATIO * (at - start)):
            stream.remark = f"not read to its end: it expands beyond {stream.length:,} bytes"
            return stream
        if not decoder.eof:
            continue
        pending = decoder.unused_data or ranges.read(at, _PIECE)
        at += 0 if decoder.unused_data else len(pending)
        if not pending.startswith(magic):
            stream.is_whole = True
            if pending.strip(b"\0"):
                stream.remark = f"bytes that are no {what} follow its end"
            return stream
        members += 1
        if members > _MANY and at < members * _SMALL:
            stream.remark = f"not read to its end: {members:,} members in {at:,} bytes"
            return stream
        decoder = make()


def peek(ranges: ByteRanges, make: Callable[[], Decoder]) -> Stream:
    """Expand the beginning of a stream alone."""
    stream, decoder, pending = Stream(), make(), ranges.read(0, _PIECE)
    try:
        while len(stream.head) < HEAD and not decoder.eof:
            piece = decoder.decompress(pending, HEAD - len(stream.head))
            stream.head += piece
            pending = b""
            if not piece and decoder.needs_input:
                break
    except _FAULTS as error:
        raise corrupt(f"a stream that does not expand: {error}") from error
    return stream


def _zstd_library() -> ModuleType | None:
    """Return the library for Zstandard, None where none is installed."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return import_module(name)
    except ImportError:
        return None


class _Zstd:
    """A decoder of one frame, whose faults are OSErrors; the library refuses large windows."""

    def __init__(self, library: ModuleType) -> None:
        self._decoder: Decoder = library.ZstdDecompressor()
        self._fault: type[Exception] = library.ZstdError

    @property
    def eof(self) -> bool:
        """Whether the frame was read to its end."""
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is expanded."""
        return self._decoder.needs_input

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind the end of the frame."""
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Expand the next bytes; no more than `max_length` come out at a time."""
        try:
            return self._decoder.decompress(data, max_length)
        except self._fault as error:
            raise OSError(str(error)) from error


def read_zstd(ranges: ByteRanges) -> Stream:
    """Read a Zstandard file of one or more frames; the checksums that they have are checked."""
    if (library := _zstd_library()) is None:
        return walk_zstd(ranges)
    return _read(ranges, 0, "Zstandard file", ZSTD_MAGICS, partial(_Zstd, library))


def peek_zstd(ranges: ByteRanges) -> Stream:
    """Expand the beginning of a Zstandard file, where a library for it is installed."""
    library = _zstd_library()
    return Stream() if library is None else peek(ranges, partial(_Zstd, library))


def walk_zstd(ranges: ByteRanges) -> Stream:
    """Follow the frames and blocks of a Zstandard file to its end; nothing is expanded.

    Raises RecordMissing (`truncated`, `corrupt`).
    """
    at = blocks = 0
    while ranges.size is None or at < ranges.size:
        (magic,) = unpack(ranges, at, "<I", "a frame of the Zstandard file")
        if magic in _SKIPPABLE:
            at += 8 + unpack(ranges, at + 4, "<I", "a frame of the Zstandard file")[0]
            require(ranges, at, "a frame of the Zstandard file")
            continue
        if magic != _ZSTD:
            if at:
                return Stream(
                    is_whole=True, remark=f"bytes that are no Zstandard follow byte {at:,}"
                )
            raise corrupt("no Zstandard file")
        (descriptor,) = unpack(ranges, at + 4, "<B", "a frame of the Zstandard file")
        single = bool(descriptor & 0x20)
        content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        at += 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + content
        last = False
        while not last:
            head = int.from_bytes(bytes(unpack(ranges, at, "<3B", "a block")), "little")
            last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
            if kind == 3:
                raise corrupt("a Zstandard block of no kind")
            at += 3 + (1 if kind == 1 else size)
            require(ranges, at, "a block of the Zstandard file")
            blocks += 1
            if blocks > _MAX_BLOCKS:
                return Stream(remark="not read to its end: too many blocks")
        at += 4 if descriptor & 4 else 0
        require(ranges, at, "a frame of the Zstandard file")
    return Stream(is_whole=True)

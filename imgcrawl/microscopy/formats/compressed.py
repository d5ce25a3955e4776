"""Files compressed as a whole: x.mrc.gz, x.nii.gz, x.tar.xz, x.map.bz2, x.zst.

The stream is proved to its end, and what it holds to be what the name before the suffix promises,
as far as its first bytes and its length tell.
"""

from __future__ import annotations

import bz2
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.streams import (
    HEAD,
    ZSTD_MAGICS,
    Gzip,
    Stream,
    peek,
    peek_zstd,
    read_bzip2,
    read_gzip,
    read_xz,
    read_zstd,
    xz_decoder,
)
from imgcrawl.microscopy.proof import Proof
from imgcrawl.microscopy.ranges import CachedRanges, CallableRanges
from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgcrawl.microscopy.ranges import ByteRanges

_TARS = frozenset({".tgz", ".tbz2", ".tbz", ".txz", ".tzst"})


_SMALL_BLOCK = 256


class _NotKeptError(Exception):
    """A read behind the beginning of a stream: the rest was counted and thrown away."""


def _format(
    name: str,
    suffixes: tuple[str, ...],
    magic: bytes | tuple[bytes, ...],
    read: Callable[[ByteRanges], Stream],
    begin: Callable[[ByteRanges], Stream],
) -> FileFormat:
    """Return a format; read: a stream to its end, begin: only its beginning."""

    def describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
        stream = read(ranges.ranges) if options.walk else begin(ranges)
        held = _held(stream, options)
        label = f"{held.format}, {name}" if held.format else name
        suspect = "; ".join(filter(None, (stream.remark, held.proof.suspect)))
        proof = Proof(stream.proof.checked, suspect)
        return replace(held, format=label, compression=name, proof=proof)

    return FileFormat(name, suffixes, lambda head: head.startswith(magic), describe, archive=True)


def _held(stream: Stream, options: DescribeOptions) -> FileFacts:
    """Describe what a stream holds. Raises RecordMissing for what its name does not promise."""
    stem, _, suffix = options.name.rpartition(".")
    name = f"{stem}.tar" if f".{suffix.lower()}" in _TARS else stem
    if not stream.head or options.inner is None:
        return FileFacts("")

    def fetch(offset: int, length: int) -> bytes:
        if offset + length > len(stream.head) and not (stream.is_whole and offset < HEAD):
            raise _NotKeptError
        return stream.head[offset : offset + length]

    ranges = CallableRanges(fetch, stream.length if stream.is_whole else None)
    block = HEAD if stream.is_whole else _SMALL_BLOCK  # the last of which is not all there
    try:
        return options.inner(CachedRanges(ranges, block=block), name) or FileFacts("")
    except _NotKeptError:
        return FileFacts("")
    except RecordMissing as bad:
        raise RecordMissing(bad.outcome, f"what it holds is {bad.message}") from bad


COMPRESSED = (
    _format("gzip", (".gz", ".tgz"), b"\x1f\x8b", read_gzip, partial(peek, make=Gzip)),
    _format(
        "bzip2",
        (".bz2", ".tbz2", ".tbz"),
        b"BZh",
        read_bzip2,
        partial(peek, make=bz2.BZ2Decompressor),
    ),
    _format("xz", (".xz", ".txz"), b"\xfd7zXZ\0", read_xz, partial(peek, make=xz_decoder)),
    _format("zstd", (".zst", ".tzst"), ZSTD_MAGICS, read_zstd, peek_zstd),
)

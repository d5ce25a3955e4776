"""Files of boxes, each with its length: JPEG 2000, JPEG XL, HEIC, MP4; and AVI, which is a RIFF.

Sources: ISO/IEC 15444-1 annex I, 14496-12, 18181-2.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack, whole
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_MAX_BOXES = 20_000
_CODESTREAM, _CODESTREAM_END = b"\xff\x4f\xff\x51", b"\xff\xd9"
_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_ISPE = re.compile(rb"ispe\0\0\0\0(.{8})", re.DOTALL)  # 23008-12, 6.5.3
_CLAP = re.compile(rb"clap(.{16}).{16}", re.DOTALL)
_HEIC = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}


def walk_boxes(ranges: CachedRanges) -> Proof:
    """Follow the boxes to the end. Raises RecordMissing (`truncated`, `corrupt`)."""
    at = 0
    for index in range(_MAX_BOXES):
        if ranges.size is None:
            return Proof(Checked.HEADER)
        if at >= ranges.size:
            return Proof(Checked.WHOLE)
        if ranges.size - at < 8 and index:
            return Proof(Checked.WHOLE, f"{ranges.size - at} bytes follow its end")
        length, kind = unpack(ranges, at, ">I4s", "a box")
        if length == 1:
            (length,) = unpack(ranges, at + 8, ">Q", "a box")
        if length == 0:  # to the end of the file, wherever that is
            return _codestream(ranges) if kind == b"jp2c" else Proof(Checked.HEADER)
        if length < 8 or not kind.isascii():
            if index:
                return Proof(Checked.WHOLE, f"bytes that are no box follow byte {at:,}")
            raise corrupt(f"at byte {at:,} is no box")
        at += length
        require(ranges, at, f"box {index:,}")
    return Proof(Checked.HEADER, "not read to its end: too many boxes")


def _codestream(ranges: CachedRanges) -> Proof:
    """Return the proof of a codestream that fills the file: its last marker is there."""
    if ranges.size is None:
        return Proof(Checked.HEADER)
    tail = ranges.read(max(0, ranges.size - 4096), 4096).rstrip(b"\0")
    if not tail.endswith(_CODESTREAM_END):
        raise RecordMissing(Outcome.TRUNCATED, "the JPEG 2000 stops before its end")
    return Proof(Checked.WHOLE)


def _jpeg2000(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a JPEG 2000 by its SIZ marker (15444-1, A.5.1)."""
    head = ranges.read(0, 64 << 10)
    at = head.find(_CODESTREAM)
    is_bare = at == 0
    proof = _codestream(ranges) if is_bare else walk_boxes(ranges)
    if at < 0:
        return FileFacts("JPEG2000", proof=proof)
    siz = read_exactly(ranges, at + 4, 38, "the JPEG 2000 header")
    width, height, left, top = (int.from_bytes(siz[n : n + 4], "big") for n in (4, 8, 12, 16))
    components = int.from_bytes(siz[36:38], "big")
    (depth,) = unpack(ranges, at + 4 + 38, "B", "the JPEG 2000 header")
    bits = (depth & 0x7F) + 1
    size = 8 if bits <= 8 else 16 if bits <= 16 else 32
    if width <= left or height <= top or not components:
        raise corrupt(f"a JPEG 2000 of {width} x {height} pixels")
    return FileFacts(
        "JPEG2000",
        size_x=width - left,
        size_y=height - top,
        size_c=components if components > 1 else None,
        dtype=f"{'int' if depth & 0x80 else 'uint'}{size}",
        compression="jpeg2000",
        proof=proof,
    )


def _jxl(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    is_bare = ranges.read(0, 2) == _JXL[0]
    return FileFacts("JPEG XL", proof=Proof() if is_bare else walk_boxes(ranges))


def _is_heic(head: bytes) -> bool:
    length = int.from_bytes(head[:4], "big")
    brands = {head[at : at + 4] for at in (8, *range(16, min(length, 256, len(head)), 4))}
    return head[4:8] == b"ftyp" and bool(brands & _HEIC) and sniff(head).format is None


def _is_movie(head: bytes) -> bool:
    if head[4:8] == b"ftyp":
        return not _is_heic(head) and sniff(head).format is None
    return head[4:8] in {b"moov", b"mdat", b"wide", b"free", b"skip"} and head[8:] != b""


def _heic(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    """Describe a HEIC by the largest of the sizes that it lists: tiles and thumbnails have some."""
    head = ranges.read(0, 64 << 10)
    coded = {struct.unpack(">2I", sides) for sides in _ISPE.findall(head)}
    cropped = {struct.unpack(">4I", sides) for sides in _CLAP.findall(head)}
    width, height = max(coded, key=math.prod, default=(0, 0))
    if cropped:  # to what size is said of some picture of it; with a single one, of that
        above, below, upper, lower = next(iter(cropped))
        sure = len(coded) == len(cropped) == 1 and below and lower
        width, height = (above // below, upper // lower) if sure else (0, 0)
    return FileFacts("HEIC", size_x=width or None, size_y=height or None, proof=walk_boxes(ranges))


def _movie(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    return FileFacts("MP4", proof=walk_boxes(ranges))


def _avi(ranges: CachedRanges, _: DescribeOptions) -> FileFacts:
    (length,) = unpack(ranges, 4, "<I", "the AVI header")
    if length == 0:  # a recording that was never closed
        return FileFacts("AVI", proof=Proof(Checked.HEADER, "its writer did not finish it"))
    proof = whole(ranges, 8 + length, "the AVI")
    return FileFacts("AVI", proof=Proof(proof.checked))  # OpenDML appends further RIFFs


MEDIA = (
    FileFormat(
        "JPEG2000",
        (".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jpc"),
        lambda head: head.startswith((_SIGNATURE, _CODESTREAM)),
        _jpeg2000,
    ),
    FileFormat(
        "JPEG XL",
        (".jxl",),
        recognizes=lambda head: head.startswith(_JXL[1]),
        plausible=lambda head: head.startswith(_JXL),
        describe=_jxl,
    ),
    FileFormat("HEIC", (".heic", ".heif"), _is_heic, _heic),
    FileFormat("MP4", (".mp4", ".mov", ".m4v"), _is_movie, _movie),
    FileFormat("AVI", (".avi",), lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ", _avi),
)

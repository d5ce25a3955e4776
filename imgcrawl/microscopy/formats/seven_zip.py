"""7z: an index at its end, and folders of members, expanded against the CRC of each.

Folders that are packed by one method of LZMA, LZMA2, deflate, bzip2 or none are expanded by the
standard library; others are remarked on. Source: 7zFormat.txt of the LZMA SDK.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.formats.seven_zip_index import ENCODED, Index
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgcrawl.microscopy.formats.seven_zip_index import Coder, Folder
    from imgcrawl.microscopy.formats.streams import Decoder
    from imgcrawl.microscopy.ranges import CachedRanges

_MAGIC = b"7z\xbc\xaf\x27\x1c"
_HEAD_BYTES = 32
_MAX_INDEX, _MAX_EXPANDED_INDEX = 8 << 20, 16 << 20
_MAX_DICTIONARY = 64 << 20
_PIECE = 256 << 10
_FREE, _RATIO = 64 << 20, 100  # members may expand so far, or so many times
_COPY, _LZMA, _LZMA2 = b"\0", b"\3\1\1", b"\x21"
_DEFLATE, _BZIP2 = b"\4\1\x08", b"\4\2\2"
_FILTERS = {
    b"\3\3\1\3": lzma.FILTER_X86,
    b"\4": lzma.FILTER_X86,
    b"\x08": lzma.FILTER_ARMTHUMB,
    b"\7": lzma.FILTER_ARM,
}
_FAULTS = (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError)


class _Copy:
    """A decoder of what is not packed."""

    eof = False
    needs_input = True
    unused_data = b""

    def decompress(self, data: bytes, _: int = -1, /) -> bytes:
        """Return the bytes."""
        return data


class _Deflate:
    """A decoder of deflate without a header, with the interface of bz2's and lzma's."""

    unused_data = b""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(-15)

    @property
    def eof(self) -> bool:
        """Whether the stream was read to its end."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is expanded."""
        return not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """Expand the next bytes; no more than `max_length` come out at a time."""
        return self._zlib.decompress(self._zlib.unconsumed_tail or data, max_length)


_METHODS: dict[bytes, Callable[[], Decoder]] = {
    _COPY: _Copy,
    _DEFLATE: _Deflate,
    _BZIP2: bz2.BZ2Decompressor,
}


def _decoder(coders: Sequence[Coder]) -> Decoder | None:
    """Return what expands a folder, or None for a method that is not known or takes much memory.

    Of two coders the first is a filter of programs' code, which is what 7-Zip and py7zr put there.
    """
    *filters_before, coder = coders
    before = [{"id": _FILTERS[each.method]} for each in filters_before if each.method in _FILTERS]
    if len(before) < len(filters_before) or (before and coder.method != _LZMA2):
        return None
    properties = coder.properties
    if coder.method == _LZMA and len(properties) == 5 and properties[0] < 9 * 5 * 5:
        rest, lc = divmod(properties[0], 9)
        pb, lp = divmod(rest, 5)
        size = int.from_bytes(properties[1:], "little")
        filters = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}
    elif coder.method == _LZMA2 and len(properties) == 1 and properties[0] < 40:
        size = (2 | properties[0] & 1) << (properties[0] // 2 + 11)
        filters = {"id": lzma.FILTER_LZMA2, "dict_size": size}
    else:
        make = _METHODS.get(coder.method)
        return make() if make is not None else None
    if size > _MAX_DICTIONARY:
        return None
    filters["dict_size"] = max(4096, size)
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[*before, filters])


def _expand(ranges: CachedRanges, place: int, folder: Folder) -> Iterator[bytes] | None:
    """Return the pieces that a folder holds, or None if it is not expanded here."""
    decoder = _decoder(folder.coders) if folder.is_simple else None
    return None if decoder is None else _pieces(ranges, place, folder, decoder)


def _pieces(ranges: CachedRanges, place: int, folder: Folder, decoder: Decoder) -> Iterator[bytes]:
    left, at, end = sum(folder.sizes), place, place + folder.packed
    while left > 0:
        data = b""
        if decoder.needs_input:
            data = ranges.ranges.read(at, min(_PIECE, end - at))
            at += len(data)
            if not data:
                raise corrupt("a folder of the 7z expands to less than it says")
        try:
            piece = decoder.decompress(data, min(_PIECE, left))
        except _FAULTS as error:
            raise corrupt(f"a folder of the 7z does not expand: {error}") from error
        if decoder.eof and not piece:
            raise corrupt("a folder of the 7z expands to less than it says")
        left -= len(piece)
        yield piece


def _check(pieces: Iterator[bytes], folder: Folder) -> None:
    """Compare the members of a folder with their CRCs. Raises RecordMissing (`corrupt`)."""
    rest = b""
    for size, wanted in zip(folder.sizes, folder.crcs or [None] * len(folder.sizes), strict=True):
        crc, left = 0, size
        while left:
            piece = rest or next(pieces, b"")
            if not piece:
                raise corrupt("a folder of the 7z expands to less than it says")
            own, rest = piece[:left], piece[left:]
            crc, left = zlib.crc32(own, crc), left - len(own)
        if wanted is not None and crc != wanted:
            raise corrupt("a member of the 7z is damaged: its CRC is another one")


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    """Describe a 7z: its head says where its index lies, and the CRC of that."""
    crc, offset, length, index_crc = unpack(ranges, 8, "<IQQI", "the 7z header")
    if zlib.crc32(read_exactly(ranges, 12, 20, "the 7z header")) != crc:
        raise corrupt("the 7z header is damaged")
    proof = whole(ranges, _HEAD_BYTES + offset + length, "the 7z archive")
    if not options.walk or not length:
        return FileFacts("7z", proof=Proof(Checked.HEADER) if length else proof)
    if length > _MAX_INDEX:
        return FileFacts("7z", proof=Proof(Checked.HEADER, "not expanded: its index is too long"))
    data = read_exactly(ranges, _HEAD_BYTES + offset, length, "the 7z index")
    if zlib.crc32(data) != index_crc:
        raise corrupt("the 7z index is damaged")
    index, remark = _index(ranges, data)
    if index is None:
        return FileFacts("7z", proof=Proof(Checked.HEADER, remark))
    folders = index.folders()
    remark = _check_folders(ranges, index.start, folders)
    members = sum(len(folder.sizes) for folder in folders)
    checked = Checked.HEADER if remark else Checked.WHOLE
    return FileFacts(
        "7z",
        proof=Proof(checked, remark or proof.suspect),
        extra={"members": members} if members else {},
    )


def _index(ranges: CachedRanges, data: bytes) -> tuple[Index | None, str]:
    """Return the index, which may be packed itself, or a remark on why it is not read."""
    if data[0] != ENCODED:
        return Index(data), ""
    outer = Index(data)
    outer.byte()
    folders = outer.streams()
    if len(folders) != 1 or sum(folders[0].sizes) > _MAX_EXPANDED_INDEX:
        return None, "not expanded: its index is packed in several folders, or too long"
    place = _HEAD_BYTES + outer.start
    require(ranges, place + folders[0].packed, "the index of the 7z")
    pieces = _expand(ranges, place, folders[0])
    if pieces is None:
        return None, "not expanded: its index is packed by a method that is not known here"
    inner = b"".join(pieces)
    crc = folders[0].crcs[0] if folders[0].crcs else None
    if not inner or (crc is not None and zlib.crc32(inner) != crc):
        raise corrupt("the 7z index is damaged")
    return Index(inner), ""


def _check_folders(ranges: CachedRanges, start: int, folders: list[Folder]) -> str:
    """Expand all folders; return a remark on those that were not. Raises RecordMissing."""
    place, skipped = _HEAD_BYTES + start, 0
    most = max(_FREE, _RATIO * (ranges.size or 0))
    if not all(folder.is_simple for folder in folders):
        return "not expanded: it is packed by several methods, one behind the other"
    if sum(sum(folder.sizes) for folder in folders) > most:
        return f"not expanded: it expands beyond {most:,} bytes"
    for folder in folders:
        require(ranges, place + folder.packed, "a folder of the 7z")
        if (pieces := _expand(ranges, place, folder)) is None:
            skipped += 1
        else:
            _check(pieces, folder)
        place += folder.packed
    return f"not expanded: {skipped:,} folders are of a method not known here" if skipped else ""


SEVEN_ZIP = FileFormat(
    "7z", (".7z",), lambda head: head.startswith(_MAGIC), _describe, archive=True
)

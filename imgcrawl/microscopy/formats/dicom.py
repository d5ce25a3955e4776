"""DICOM: elements, each with its length, up to the pixels and behind them.

Source: DICOM PS3.5, section 7, and PS3.10, section 7.1.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from imgcrawl.microscopy.facts import FileFacts, VoxelSizes
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, read_exactly, require, unpack
from imgcrawl.microscopy.units import nanometres, number
from imgcrawl.records.errors import RecordMissing
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

_LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UN", b"UC", b"UR", b"UT", b"SV", b"UV"}
_MARK = b"DICM"
_BIG = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_PIXELS = {(0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010)}
_SYNTAX = (0x0002, 0x0010)
_MAX_ELEMENTS, _MAX_DEPTH, _MAX_VALUE = 50_000, 32, 256
_COMPRESSIONS = {"1.2.840.10008.1.2.4.": "jpeg", "1.2.840.10008.1.2.5": "rle"}
_SUBSAMPLED = {"YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"}
_SHORTS = {
    (0x0028, 0x0002): "samples",
    (0x0028, 0x0010): "rows",
    (0x0028, 0x0011): "columns",
    (0x0028, 0x0100): "bits",
    (0x0028, 0x0103): "signed",
}
_TEXTS = {
    (0x0028, 0x0008): "frames",
    (0x0028, 0x0030): "spacing",
    (0x0018, 0x0050): "thickness",
    (0x0008, 0x0060): "modality",
    (0x0028, 0x0004): "photometric",
}


class _Elements:
    """The elements of one file, read one after the other, without recursion."""

    def __init__(self, ranges: CachedRanges) -> None:
        self._ranges = ranges
        self.syntax = ""
        self.found: dict[str, Any] = {}
        self.pixel_bytes: int | None = None  # None: no pixels yet; _UNDEFINED: in fragments
        self.remark = ""
        self._order = "<"
        self._depth, self._in_pixels = 0, False  # of sequences without a length
        self._implicit: bool | None = None  # whether elements do not say of which kind they are

    def walk(self, *, to_end: bool) -> bool:
        """Read to the pixels, or to the end of the file; return whether that was reached.

        Raises RecordMissing (`truncated`, `corrupt`).
        """
        at = 132 if self._ranges.read(128, 4) == _MARK else 0
        for _ in range(_MAX_ELEMENTS):
            if at == self._ranges.size or not self._ranges.read(at, 1):
                require(
                    self._ranges, at + (8 if self._depth else 0), "a sequence of the DICOM file"
                )
                return True
            try:
                tag, length, at = self._head(at)
            except RecordMissing:
                if self.pixel_bytes is None or self._depth:
                    raise
                self.remark = f"bytes that are no DICOM follow byte {at:,}"
                return True
            at = self._pass(tag, length, at)
            if self.syntax == _DEFLATED and self._behind_meta(at):
                return False
            if self.pixel_bytes is not None and not to_end:
                return at == self._ranges.size
        self.remark = f"not read behind {_MAX_ELEMENTS:,} elements"
        return False

    def _pass(self, tag: tuple[int, int], length: int, at: int) -> int:
        """Return where the next element begins: behind a value, or within what has no length."""
        if tag in {_ITEM_END, _SEQUENCE_END}:
            if tag == _SEQUENCE_END:
                self._depth, self._in_pixels = max(0, self._depth - 1), False
            return at
        if tag == _ITEM:
            # An item of pixels has a length; one of data is read as what it holds.
            at += length if length != _UNDEFINED and self._in_pixels else 0
            require(self._ranges, at, "a fragment of the DICOM file's pixels")
            return at
        if not self._depth and tag in _PIXELS:
            self.pixel_bytes = length
        if length == _UNDEFINED:
            self._depth += 1
            self._in_pixels = tag in _PIXELS
            if self._depth > _MAX_DEPTH:
                raise corrupt("a DICOM file of sequences in sequences")
            return at
        words = f"element ({tag[0]:04x},{tag[1]:04x}) of the DICOM file"
        require(self._ranges, at + length, words)
        if not self._depth and length <= _MAX_VALUE:
            self._note(tag, at, length)
        return at + length

    def _behind_meta(self, at: int) -> bool:
        return self._ranges.read(at, 2) != b"\x02\0"

    def _head(self, at: int) -> tuple[tuple[int, int], int, int]:
        """Return an element's tag and length, and where its value begins."""
        order, implicit = "<", False
        if self._ranges.read(at, 2) != b"\x02\0":  # the elements that are alike in every file
            if self._implicit is None:
                self._begin(at)
            order, implicit = self._order, bool(self._implicit)
        group, element = unpack(self._ranges, at, order + "2H", "an element of the DICOM file")
        place, code = at + 4, "I"
        if group != _ITEM[0] and not implicit:
            (kind,) = unpack(self._ranges, at + 4, "2s", "an element of the DICOM file")
            if kind in _LONG:
                place = at + 8
            elif kind.isalpha() and kind.isupper():
                place, code = at + 6, "H"
            elif not self._depth:  # within a sequence of unknown kind, elements have none
                raise corrupt(f"at byte {at:,} is no element of a DICOM file")
        (length,) = unpack(self._ranges, place, order + code, "an element of the DICOM file")
        return (group, element), length, place + struct.calcsize(code)

    def _begin(self, at: int) -> None:
        """Look at the first element of the data: some files are not written as they say."""
        first = self._ranges.read(at, 6)
        self._order = ">" if self.syntax == _BIG or first[:1] == b"\0" else "<"
        self._implicit = not (first[4:].isalpha() and first[4:].isupper())

    def _note(self, tag: tuple[int, int], at: int, length: int) -> None:
        data = read_exactly(self._ranges, at, length, "an element of the DICOM file")
        if tag == _SYNTAX:
            self.syntax = data.decode("ascii", "replace").strip("\0 ")
        elif tag in _SHORTS and length >= 2:
            (self.found[_SHORTS[tag]],) = struct.unpack(self._order + "H", data[:2])
        elif tag in _TEXTS:
            self.found[_TEXTS[tag]] = data.decode("ascii", "replace").strip("\0 ")


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    elements = _Elements(ranges)
    ended = elements.walk(to_end=options.walk)
    found = elements.found
    bits, samples = found.get("bits"), found.get("samples", 1)
    frames = number(found.get("frames"))
    voxels = VoxelSizes()
    for axis, step in zip("yx", str(found.get("spacing", "")).split("\\"), strict=False):
        voxels.add(axis, nanometres(step, "mm"), "file: DICOM PixelSpacing")
    voxels.add("z", nanometres(found.get("thickness"), "mm"), "file: DICOM SliceThickness")
    coded = (name for uid, name in _COMPRESSIONS.items() if elements.syntax.startswith(uid))
    modality = printable(str(found.get("modality", "")), 16)
    return FileFacts(
        "DICOM",
        size_x=found.get("columns") or None,
        size_y=found.get("rows") or None,
        size_z=int(frames) if frames and frames > 1 else None,
        size_c=samples if samples > 1 else None,
        dtype=f"{'int' if found.get('signed') else 'uint'}{bits}" if bits in {8, 16, 32} else None,
        compression=next(coded, "none"),
        extra={"modality": modality} if modality else {},
        proof=_proof(ranges, elements, ended=ended),
        **voxels.facts(),
    )


def _proof(ranges: CachedRanges, elements: _Elements, *, ended: bool) -> Proof:
    found, there = elements.found, elements.pixel_bytes
    remark = elements.remark
    if ranges.read(128, 4) != _MARK:
        remark = remark or "it has no preamble"
    if found.get("rows") and there is None and ended:
        remark = "it has no pixels"
    elif there is not None and there != _UNDEFINED:
        bits = found.get("rows", 0) * found.get("columns", 0) * found.get("bits", 0)
        needed = bits * found.get("samples", 1) * int(number(found.get("frames")) or 1) // 8
        if there < needed and not _SUBSAMPLED & {found.get("photometric")}:
            raise corrupt(f"{there:,} bytes of pixels where {needed:,} are needed")
    return Proof(Checked.WHOLE if ended and ranges.size is not None else Checked.HEADER, remark)


def _is_bare(head: bytes) -> bool:
    """Return whether a file begins with an element of group 8: it has no preamble, as of old."""
    return head[:2] in {b"\x08\0", b"\0\x08"} and len(head) > 8


DICOM = FileFormat(
    "DICOM",
    (".dcm", ".dicom"),
    recognizes=lambda head: head[128:132] == _MARK,
    plausible=lambda head: head[128:132] == _MARK or _is_bare(head),
    describe=_describe,
)

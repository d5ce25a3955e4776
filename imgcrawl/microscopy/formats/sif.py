"""SIF of Andor: lines of text, then the pixels as 32-bit floats; a background may follow likewise.

Source: files of these cameras, as sif_parser's tests have them, and what sif_parser reads of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import DescribeOptions, FileFormat
from imgcrawl.microscopy.proof import Checked, Proof, corrupt, require, unpack
from imgcrawl.microscopy.units import positive
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges, CachedRanges

_MAGIC = b"Andor Technology Multi-Channel File"
_HEADER = 256 << 10  # bytes, notes of the user among them
_BETWEEN = 64 << 10  # bytes of text before a series
_OTHER_KINDS, _MAX_PARTS = 4, 64
_FLAGS, _XML_END = {b"0\n": False, b"1\n": True}, b"SIFX"
_PIXEL = 4  # bytes
_N = rb"(\d{1,12})"
# Left, top, right, bottom of the sensor; frames, parts of each; pixels in all, and of a frame.
_LAYOUT = re.compile(rb"6\d{4} " + rb" ".join([_N] * 8) + rb"\s{0,9}\n(?=\s{0,9}6\d{4} )")
# Left, bottom, right, top of a part; how many rows and columns were taken together.
_PART = re.compile(rb"\s{0,9}6\d{4} " + rb" ".join([_N] * 6) + rb"[^\n]{0,99}\n")
_NUMBER_LINE = re.compile(rb"\s{0,20}(\d{1,20})\s{0,9}\n")


class _Series(NamedTuple):
    """Frames of one kind: their sides, their number, and where their pixels begin and end."""

    width: int
    height: int
    frames: int
    start: int
    end: int


def _describe(ranges: CachedRanges, options: DescribeOptions) -> FileFacts:
    first = None
    for length in (_BETWEEN, _HEADER):  # as a rule it takes three kilobytes
        head = ranges.read(0, length)
        if (first := _series(ranges, head, 0)) is not None or len(head) < length:
            break
    if first is None:
        require(ranges, len(head) + 1, "the header of the SIF")
        raise corrupt("a SIF that does not say how large its pictures are")
    require(ranges, first.end, "the pixels of the SIF")
    checked = Checked.HEADER
    if options.walk and ranges.size is not None:
        _follow(ranges, ranges.size, first.end)
        checked = Checked.WHOLE
    return FileFacts(
        "SIF",
        size_x=first.width,
        size_y=first.height,
        size_t=first.frames if first.frames > 1 else None,
        dtype="float32",
        compression="none",
        proof=Proof(checked),
        **_camera(head),
    )


def _series(ranges: ByteRanges, text: bytes, at: int) -> _Series | None:
    """Return the series whose description is in a text at byte `at` of the file, if one is."""
    layout = _LAYOUT.search(text)
    if layout is None:
        return None
    *_, frames, parts, total, _ = map(int, layout.groups())
    place, sides = layout.end(), []
    for _ in range(min(parts, _MAX_PARTS)):
        if (part := _PART.match(text, place)) is None:
            break
        left, bottom, right, top, rows, columns = map(int, part.groups())
        sides.append(((right - left + 1) // max(columns, 1), (bottom - top + 1) // max(rows, 1)))
        place = part.end()
    if not sides or min(map(min, sides)) < 1 or not frames:
        raise corrupt("a SIF of pictures without pixels")
    width, height = sides[0]
    if len(sides) == 1 and width * height * frames != total:
        raise corrupt(f"a SIF of {total:,} pixels, and of {frames:,} x {height:,} x {width:,}")
    start = _behind_times(ranges, at + place, frames)
    return _Series(width, height * len(sides), frames, start, start + _PIXEL * total)


def _behind_times(ranges: ByteRanges, at: int, frames: int) -> int:
    """Return where the pixels begin: behind a time for each frame, and at most as many more."""
    lines = ranges.read(at, 24 * frames + 64) if frames < 1 << 16 else b""
    place = 0
    for _ in range(frames):
        if (line := _NUMBER_LINE.match(lines, place)) is None:
            raise corrupt("a SIF that has not a time for each of its frames")
        place = line.end()
    if lines[place : place + 2] == b"0\n":
        return at + place + 2
    if lines[place : place + 2] == b"1\n":
        place += 2
        lines = ranges.read(at + place, 24 * frames)
        at, place = at + place, 0
        for _ in range(frames):
            if (line := _NUMBER_LINE.match(lines, place)) is None:
                break
            place = line.end()
    return at + place


def _follow(ranges: CachedRanges, size: int, end: int) -> None:
    """Follow what stands behind the pixels to the end of the file. Raises RecordMissing.

    For each of four other kinds there is a line, 1 if a series of it follows: a reference, a
    background, what was live, the source. Behind them newer files have XML, and its length.
    """
    for _ in range(_OTHER_KINDS):
        require(ranges, end + 2, "the SIF")
        is_there = _FLAGS.get(ranges.read(end, 2))
        if is_there is None:
            raise corrupt(f"at byte {end:,} of the SIF it does not say what follows")
        end += 2
        if is_there:
            following = _series(ranges, ranges.read(end, _BETWEEN), end)
            require(ranges, following.end if following else size + 1, "the pixels of the SIF")
            end = following.end if following else end
    if end < size:
        require(ranges, end + len(_XML_END) + 8, "the XML of the SIF")
        length, mark = unpack(ranges, size - 12, "<q4s", "the XML of the SIF")
        if mark != _XML_END or end + length + 12 != size:
            raise RecordMissing(Outcome.TRUNCATED, "the XML of the SIF stops before its end")


def _camera(head: bytes) -> dict[str, Any]:
    """Return what the first lines say of the camera."""
    lines = head.split(b"\n", 4)
    if len(lines) < 5:
        return {}
    words = lines[2].split(b" ")
    # Version, three numbers, time, temperature; bytes of text; 0; then the seconds of exposure.
    at = next((n for n in range(6, len(words) - 1) if words[n] == b"0"), None)
    exposure = positive(words[at + 1].decode("ascii", "replace")) if at is not None else None
    facts: dict[str, Any] = {"detector": printable(lines[3].decode("latin-1").strip(), 40) or None}
    return facts | ({"extra": {"exposure": exposure}} if exposure is not None else {})


SIF = FileFormat(
    "SIF", (".sif",), recognizes=lambda head: head.startswith(_MAGIC), describe=_describe
)

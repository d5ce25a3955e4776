"""JPEG: its markers read in pure Python, its pixels judged by libjpeg's strict reading.

Pillow passes most damage in silence: what libjpeg only warns of, Pillow does not hear. simplejpeg
makes an error of each warning, and an eighth of the size shows them all at a fraction of the cost.
Source of the markers: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcrawl.pictures import tiff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.pictures.source import Data

_MAX_SEGMENTS = 10_000

_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda")
_MARKER = re.compile(rb"\xff([\x01-\xfe])")  # junk and fill bytes before it are passed over
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers that no length follows
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF, _SOS, _EOI = 0xE1, 0xDA, 0xD9
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # by components, as Pillow has it

# What libjpeg or its wrapper cannot do or merely remarks on, though the file is sound.
_NO_DAMAGE = re.compile(
    "Unsupported (color|scaling|JPEG)|Could not|Unrecognized component|Unknown Adobe"
    "|unknown JFIF|not implemented|Maximum supported"
)


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The header before the pixels.

    width, height: pixels, as stored
    mode:          Pillow's: L, RGB or CMYK
    orientation:   EXIF, 1 to 8, None if it has none
    scan:          offset of the first compressed byte, None if no scan follows
    """

    width: int
    height: int
    mode: str
    orientation: int | None
    scan: int | None


def read_header(data: Data) -> JpegHeader:
    """Walk the segments up to the first scan.

    Raises RecordMissing: `truncated` if the file stops before its frame header, `corrupt` if that
    header is missing though the end is there, or names what no decoder here reads.
    """
    frame: bytes | None = None
    scan: int | None = None
    orientation: int | None = None
    position = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            break
        position = found.end()
        marker = data[position - 1]
        if marker in _ALONE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if marker == _EOI or length < 2 or position + length > len(data):
            break
        start, position = position + 2, position + length
        if marker == _SOS:
            scan = position
            break
        if marker in _FRAMES and frame is None:
            frame = data[start:position]
        elif marker == _EXIF and orientation is None and data[start : start + 6] == b"Exif\0\0":
            orientation = tiff.orientation(data[start:position])
    if frame is None:
        raise _unfinished(data, "no frame header")
    width, height, mode = _frame(frame)
    return JpegHeader(width, height, mode, orientation, scan)


def check_end(data: Data, header: JpegHeader) -> None:
    """Raise RecordMissing if the picture is not followed by its end marker.

    Bytes after the marker are allowed: cameras and editors put previews and notes there.
    """
    if header.scan is None:
        raise _unfinished(data, "no scan")
    if data[-2:] != _END and data.rfind(_END, header.scan) < 0:
        raise RecordMissing(Outcome.TRUNCATED, "the JPEG stops before its end marker")


def count_scans(data: Data, header: JpegHeader) -> int:
    """Return how many scans there are at most."""
    return sum(1 for _ in _SCAN.finditer(data, header.scan or 0)) + 1


def complaint(data: Data) -> str | None:
    """Return libjpeg's objection to reading all of `data`, or None."""
    try:
        import simplejpeg  # noqa: PLC0415 - brings numpy, which a header check can do without

        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, strict=True)
    # Most objections are ValueErrors, but none of the classes is promised.
    except Exception as error:
        return printable(str(error)) or type(error).__name__
    return None


def tells_of_damage(words: str) -> bool:
    """Return whether an objection means damage, not a kind of JPEG beyond the strict reader."""
    return _NO_DAMAGE.search(words) is None


def _frame(frame: bytes) -> tuple[int, int, str]:
    if len(frame) < 6:
        raise RecordMissing(Outcome.CORRUPT, "the JPEG's frame header is too short")
    bits, components = frame[0], frame[5]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if not (width and height):
        raise RecordMissing(Outcome.CORRUPT, f"a JPEG of {width} x {height} pixels")
    if bits != 8 or components not in _MODES:
        raise RecordMissing(
            Outcome.CORRUPT,
            f"a JPEG of {components} components of {bits} bits, which Pillow does not read",
        )
    return width, height, _MODES[components]


def _unfinished(data: Data, lack: str) -> RecordMissing:
    if data[-2:] == _END:
        return RecordMissing(Outcome.CORRUPT, f"the JPEG has {lack}")
    return RecordMissing(Outcome.TRUNCATED, f"the JPEG stops early: it has {lack}")

"""Whether the end of a file is there, as far as its format lets one see without decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcrawl.pictures.source import Data

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_CODESTREAM_END = b"\xff\xd9"  # cannot stand within the packets of a JPEG 2000 codestream
_MAX_BOXES = 10_000


def has_end(format_: str, data: Data) -> bool | None:
    """Return whether a PNG, WEBP, AVIF or JPEG2000 file is all there; None for other formats.

    Bytes after the end are allowed.
    """
    match format_:
        case "PNG":
            return data[-len(_PNG_END) :] == _PNG_END or data.rfind(_PNG_END) >= 0
        case "WEBP":
            return len(data) >= 8 + int.from_bytes(data[4:8], "little")
        case "AVIF":
            return _has_all_boxes(data)
        case "JPEG2000" if data[:4] == b"\xff\x4f\xff\x51":
            return data.rfind(_CODESTREAM_END) >= 0
        case "JPEG2000":
            return _has_all_boxes(data)
        case _:
            return None


def _has_all_boxes(data: Data) -> bool:
    """Return whether each box of an ISO base media or JP2 file lies within it."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position == len(data):
            return True
        head = data[position : position + 16]
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 0:  # up to the end of the file, wherever that is
            return kind != b"jp2c" or data.rfind(_CODESTREAM_END, position) >= 0
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or length < 8:
            # Junk after the last box; a cut box is recognized by the one before it.
            return True
        position += length
        if position > len(data):
            return False
    return True

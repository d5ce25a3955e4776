"""What any file of a microscope says of itself, from a few short pieces of it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imgcrawl.microscopy import dm
from imgcrawl.microscopy.dm_facts import describe_dm
from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.ranges import CachedRanges
from imgcrawl.microscopy.tiff_facts import describe_tiff
from imgcrawl.pictures import jpeg
from imgcrawl.pictures import pillow as raster
from imgcrawl.pictures.endings import has_end
from imgcrawl.pictures.sniff import HEAD_BYTES, excerpt, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import ByteRanges

_PREFIX = 1 << 20
_WHOLE = 16 << 20
_MAX_SIDE = 1 << 31
# Their decoders want the whole file to tell its size.
_NEED_ALL = frozenset({"AVIF", "WEBP"})
_DTYPES = {"1": "bool", "I": "int32", "F": "float32"}
_BANDS = {"LA": 2, "PA": 2, "RGB": 3, "YCbCr": 3, "LAB": 3, "HSV": 3}
_BANDS |= {"RGBA": 4, "RGBX": 4, "RGBa": 4, "CMYK": 4}


def describe(
    ranges: ByteRanges, *, name: str = "", walk: bool = True, private: bool = False
) -> FileFacts:
    """What a file says of itself; which kind it is, its bytes tell and not its name.

    name:    quoted in messages
    walk:    count the pages of a TIFF, which takes a read for each
    private: names of persons and paths of users too
    Raises RecordMissing (`empty`, `not_image`, `truncated`, `corrupt`, `too_large`), and OSError
    where bytes cannot be read.
    """
    cached = ranges if isinstance(ranges, CachedRanges) else CachedRanges(ranges)
    head = cached.read(0, HEAD_BYTES)
    if not head:
        raise RecordMissing(Outcome.EMPTY, "no bytes at all")
    if dm.layout(head) is not None:
        return describe_dm(cached, private=private)
    kind = sniff(head)
    if kind.format == "TIFF":
        return describe_tiff(cached, walk=walk, private=private)
    if kind.format is not None:
        return _picture(kind.format, cached)
    what = f"named {suffix}, but {kind.what}" if (suffix := _suffix(name)) else kind.what
    words = excerpt(cached.read(0, 16 * HEAD_BYTES))
    raise RecordMissing(Outcome.NOT_IMAGE, f"{what}: {words}" if words else what)


def _suffix(name: str) -> str:
    return printable(PurePosixPath(name).suffix, 16)


def _picture(format_: str, cached: CachedRanges) -> FileFacts:
    """Any other picture. What it may say of its resolution is for printers, and left out."""
    size = cached.size
    length = _WHOLE if format_ in _NEED_ALL else _PREFIX
    data = cached.read(0, length)
    try:
        if format_ == "JPEG":
            header = jpeg.read_header(data)
            if len(data) == size:
                jpeg.check_end(data, header)
            width, height, mode = header.width, header.height, header.mode
        else:
            with raster.opened(format_, data) as image:
                width, height = raster.stored_size(image)
                mode = image.mode
            if len(data) == size and has_end(format_, data) is False:
                raise RecordMissing(Outcome.TRUNCATED, f"the {format_} stops before its end")
    except RecordMissing as bad:
        # The fault may be that of the cut made here, and then nothing is known of the file.
        if len(data) == length and size != length:
            words = f"its first {length:,} bytes do not tell: {bad.message}"
            raise RecordMissing(Outcome.TOO_LARGE, words) from bad
        raise
    if not (0 < width < _MAX_SIDE and 0 < height < _MAX_SIDE):
        raise RecordMissing(Outcome.CORRUPT, f"a {format_} of {width} x {height} pixels")
    return FileFacts(
        format=format_,
        size_y=height,
        size_x=width,
        size_c=_BANDS.get(mode),
        dtype="uint16" if mode.startswith("I;16") else _DTYPES.get(mode, "uint8"),
    )

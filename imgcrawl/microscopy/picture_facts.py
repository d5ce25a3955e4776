"""The description of plain pictures (PNG, JPEG, WebP, ...), by Pillow or the header of a JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import FileFormat
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.pictures import jpeg, pillow
from imgcrawl.pictures.check import CheckLevel, PixelLimits, check_image
from imgcrawl.pictures.endings import has_end
from imgcrawl.pictures.sniff import sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from imgcrawl.microscopy.ranges import CachedRanges

# Bytes from the first on: notes of megabytes may stand before a size.
_PREFIXES = (64 << 10, 1 << 20, 16 << 20)
_MAX_SIDE = 1 << 31
# Their decoders need the whole file for its size.
_NEED_ALL = {"AVIF": _PREFIXES[-1:], "WEBP": _PREFIXES[-1:]}
# Their structure tells where they end.
_HAVE_END = frozenset({"PNG", "JPEG", "WEBP", "AVIF", "GIF"})
_DTYPES = {"1": "bool", "I": "int32", "F": "float32"}
_BANDS = {"LA": 2, "PA": 2, "RGB": 3, "YCbCr": 3, "LAB": 3, "HSV": 3}
_BANDS |= {"RGBA": 4, "RGBX": 4, "RGBa": 4, "CMYK": 4}


def describe_picture(format_: str, cached: CachedRanges, *, walk: bool) -> FileFacts:
    """Return the facts of a picture that `sniff` calls `format_`.

    walk: look for its end too, in a file on disk; else only at its first bytes
    What it may say of its resolution is for printers, and left out. Raises RecordMissing
    (`truncated`, `corrupt`, `too_large`).
    """
    path = getattr(cached.ranges, "path", None)
    if walk and path is not None:
        found = check_image(path, CheckLevel.HEADER, PixelLimits(max_pixels=_MAX_SIDE**2))
        width, height, mode = found.width, found.height, found.mode
        proof = Proof(
            Checked.WHOLE if format_ in _HAVE_END else Checked.HEADER, found.suspect or ""
        )
    else:
        width, height, mode, proof = _from_prefix(format_, cached)
    if not (0 < (width or 0) < _MAX_SIDE and 0 < (height or 0) < _MAX_SIDE):
        raise RecordMissing(Outcome.CORRUPT, f"a {format_} of {width} x {height} pixels")
    mode = mode or ""
    return FileFacts(
        format=format_,
        size_y=height,
        size_x=width,
        size_c=_BANDS.get(mode),
        dtype="uint16" if mode.startswith("I;16") else _DTYPES.get(mode, "uint8"),
        proof=proof,
    )


def _from_prefix(format_: str, cached: CachedRanges) -> tuple[int, int, str, Proof]:
    """Return width, height and mode from as many of the first bytes as it takes.

    If these are all bytes, its end is there. Raises RecordMissing.
    """
    for length in _NEED_ALL.get(format_, _PREFIXES):
        data = cached.read(0, length)
        is_all = len(data) < length or len(data) == cached.size
        try:
            return _from_bytes(format_, data, is_all=is_all)
        except RecordMissing as bad:
            if is_all:
                raise
            # The fault may be that of the cut made here: then nothing is known of the file.
            words = f"its first {length:,} bytes do not tell: {bad.message}"
            problem = RecordMissing(Outcome.TOO_LARGE, words)
    raise problem


def _from_bytes(format_: str, data: bytes, *, is_all: bool) -> tuple[int, int, str, Proof]:
    if format_ == "JPEG":
        header = jpeg.read_header(data)
        if is_all:
            jpeg.check_end(data, header)
        width, height, mode = header.width, header.height, header.mode
    else:
        with pillow.opened(format_, data) as image:
            width, height = pillow.stored_size(image)
            mode = image.mode
        if is_all and has_end(format_, data) is False:
            raise RecordMissing(Outcome.TRUNCATED, f"the {format_} stops before its end")
    is_whole = is_all and format_ in _HAVE_END
    return width, height, mode, Proof(Checked.WHOLE if is_whole else Checked.HEADER)


def _format(name: str, *extensions: str) -> FileFormat:
    return FileFormat(
        name,
        extensions,
        recognizes=lambda head: sniff(head).format == name,
        describe=lambda ranges, options: describe_picture(name, ranges, walk=options.walk),
    )


PICTURES = (
    _format("PNG", ".png"),
    _format("JPEG", ".jpg", ".jpeg"),
    _format("GIF", ".gif"),
    _format("BMP", ".bmp"),
    _format("WEBP", ".webp"),
    _format("AVIF", ".avif"),
    _format("PPM", ".pbm", ".pgm", ".ppm", ".pnm"),
)

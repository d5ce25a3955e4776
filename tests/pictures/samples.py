"""Pictures made on the spot for the tests: one of each kind, and the parts of hostile ones."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgcrawl.pictures.check import CheckLevel, ImageFacts, PixelLimits, check_image
from imgcrawl.records.errors import RecordMissing

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = PixelLimits(max_decode_pixels=1_000_000)
EVERY_LEVEL = pytest.mark.parametrize("level", list(CheckLevel))
CHECKING = pytest.mark.parametrize("level", [CheckLevel.HEADER, CheckLevel.DECODE])


@cache
def picture(seed: int = 0, size: tuple[int, int] = (90, 60)) -> Image.Image:
    """Soft shapes with grain, much as a photo is."""
    dice = random.Random(seed)
    width, height = size
    shapes = Image.frombytes("RGB", (9, 6), dice.randbytes(9 * 6 * 3)).resize(size)
    grain = Image.frombytes("RGB", size, dice.randbytes(width * height * 3))
    return Image.blend(shapes, grain, 0.12)


def saved(format_: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or picture()).copy().save(file, format_, **options)  # saving leaves traces
    return file.getvalue()


def saved_frames(format_: str) -> bytes:
    rest = [picture(seed).copy() for seed in (1, 2)]
    return saved(format_, save_all=True, append_images=rest)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "Maker of cameras"
    tags[0x0112] = orientation
    return tags


@cache
def samples() -> dict[str, tuple[bytes, ImageFacts]]:
    """A valid file of each kind, and what there is to know of it."""
    rgb = picture()
    grey16 = Image.frombytes("I;16", (90, 60), random.Random(1).randbytes(90 * 60 * 2))

    def facts(
        format_: str, ext: str, mode: str = "RGB", turn: int | None = None, frames: int = 1
    ) -> ImageFacts:
        return ImageFacts(format_, ext, 90, 60, mode, turn, frames)

    tall = saved("TIFF", tiffinfo={0x0112: 6})
    return {
        "jpeg": (saved("JPEG"), facts("JPEG", ".jpg")),
        "jpeg turned": (saved("JPEG", exif=exif(6)), facts("JPEG", ".jpg", turn=6)),
        "jpeg grey": (saved("JPEG", rgb.convert("L")), facts("JPEG", ".jpg", "L")),
        "jpeg cmyk": (saved("JPEG", rgb.convert("CMYK")), facts("JPEG", ".jpg", "CMYK")),
        "jpeg progressive": (saved("JPEG", progressive=True), facts("JPEG", ".jpg")),
        "jpeg restarts": (saved("JPEG", restart_marker_rows=1), facts("JPEG", ".jpg")),
        "jpeg 4:4:4": (saved("JPEG", subsampling=0), facts("JPEG", ".jpg")),
        "jpeg as rgb": (saved("JPEG", keep_rgb=True), facts("JPEG", ".jpg")),
        "jpeg tail": (saved("JPEG") + b"a note" * 99, facts("JPEG", ".jpg")),
        "jpeg mpo": (saved_frames("MPO"), facts("JPEG", ".jpg")),
        "png": (saved("PNG"), facts("PNG", ".png")),
        "png turned": (saved("PNG", exif=exif(3)), facts("PNG", ".png", turn=3)),
        "png alpha": (saved("PNG", rgb.convert("RGBA")), facts("PNG", ".png", "RGBA")),
        "png palette": (saved("PNG", rgb.quantize(16)), facts("PNG", ".png", "P")),
        "png 16 bits": (saved("PNG", grey16), facts("PNG", ".png", "I;16")),
        "png tail": (saved("PNG") + bytes(9), facts("PNG", ".png")),
        "apng": (saved_frames("PNG"), facts("PNG", ".png", frames=3)),
        "gif": (saved("GIF"), facts("GIF", ".gif", "P")),
        "gif animated": (saved_frames("GIF"), facts("GIF", ".gif", "P", frames=3)),
        "gif tail": (saved("GIF") + b"\0\0;", facts("GIF", ".gif", "P")),
        "webp": (saved("WEBP", exif=exif(8)), facts("WEBP", ".webp", turn=8)),
        "webp lossless": (
            saved("WEBP", rgb.convert("RGBA"), lossless=True, exact=True),
            facts("WEBP", ".webp", "RGB"),
        ),
        "webp animated": (saved_frames("WEBP"), facts("WEBP", ".webp", frames=3)),
        "tiff": (saved("TIFF"), facts("TIFF", ".tif")),
        "tiff turned": (tall, facts("TIFF", ".tif", turn=6)),
        "tiff lzw": (saved("TIFF", compression="tiff_lzw"), facts("TIFF", ".tif")),
        "tiff jpeg": (saved("TIFF", compression="jpeg"), facts("TIFF", ".tif")),
        "tiff 16 bits": (saved("TIFF", grey16), facts("TIFF", ".tif", "I;16")),
        "tiff pages": (saved_frames("TIFF"), facts("TIFF", ".tif", frames=3)),
        "tiff tiled": (tiled_tiff(), facts("TIFF", ".tif", "L")),
        "bigtiff": (saved("TIFF", big_tiff=True), facts("TIFF", ".tif")),
        "bmp": (saved("BMP"), facts("BMP", ".bmp")),
        "jpeg 2000": (saved("JPEG2000"), facts("JPEG2000", ".jp2")),
        "jpeg 2000 stream": (saved("JPEG2000", no_jp2=True), facts("JPEG2000", ".j2k")),
        "avif": (saved("AVIF", exif=exif(6)), facts("AVIF", ".avif", turn=6)),
        "ppm": (saved("PPM"), facts("PPM", ".ppm")),
        "pgm": (saved("PPM", rgb.convert("L")), facts("PPM", ".pgm", "L")),
        "pbm": (saved("PPM", rgb.convert("1")), facts("PPM", ".pbm", "1")),
    }


def tiff_of(tags: dict[int, tuple[int, list[int]]], body: bytes = b"", link: int = 0) -> bytes:
    """A little-endian TIFF: header, `body` at offset 8, one directory; tag -> (type, values)."""
    codes = {3: "H", 4: "I"}
    directory_at = 8 + len(body)
    extra_at = directory_at + 2 + 12 * len(tags) + 4
    entries, extra = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{codes[kind]}", *values)
        if len(packed) > 4:
            place = struct.pack("<I", extra_at + len(extra))
            extra += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(values)) + place
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", link)
    return struct.pack("<2sHI", b"II", 42, directory_at) + body + directory + extra


def tiled_tiff() -> bytes:
    """90 x 60 grey pixels in 6 x 4 tiles of 16 x 16, uncompressed."""
    body = random.Random(2).randbytes(24 * 256)
    offsets = [8 + 256 * i for i in range(24)]
    return tiff_of(
        {
            256: (3, [90]),
            257: (3, [60]),
            258: (3, [8]),
            259: (3, [1]),
            262: (3, [1]),
            277: (3, [1]),
            322: (3, [16]),
            323: (3, [16]),
            324: (4, offsets),
            325: (4, [256] * 24),
        },
        body,
    )


def png_of(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rest = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + rest


def gif_of(screen: tuple[int, int], extent: tuple[int, int, int, int]) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0, 0, 0)
    return head + b"," + struct.pack("<HHHHB", *extent, 0) + b"\2\2\x4c\1\0;"


def refusal(
    source: bytes | Path, level: CheckLevel = CheckLevel.DECODE, limits: PixelLimits = LIMITS
) -> RecordMissing:
    with pytest.raises(RecordMissing) as caught:
        check_image(source, level, limits)
    return caught.value


def verdict(
    source: bytes, level: CheckLevel = CheckLevel.DECODE, limits: PixelLimits = LIMITS
) -> ImageFacts | RecordMissing:
    try:
        return check_image(source, level, limits)
    except RecordMissing as bad:
        return bad

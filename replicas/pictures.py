"""Generated pictures in every encoding: equal numbers give equal bytes."""

from __future__ import annotations

import struct
from functools import lru_cache
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable

VARIANTS = 40  # different lesions; each record's file differs by its XMP all the same


@lru_cache(maxsize=256)
def lesion(number: int, size: tuple[int, int]) -> Image.Image:
    """Draw a blot on skin."""
    random = Random(number)
    width, height = size
    tone = random.randrange(190, 235)
    image = Image.new("RGB", size, (tone, tone - 40, tone - 60))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = random.gauss(width / 2, width / 14), random.gauss(height / 2, height / 14)
        r = random.uniform(0.08, 0.2) * min(size)
        shade = random.randrange(40, 120)
        draw.ellipse((x - r, y - r * 0.8, x + r, y + r * 0.8), fill=(shade + 50, shade, shade - 20))
    # Pillow's own noise is another in every process.
    noise = Image.frombytes("L", size, random.randbytes(width * height))
    noise = noise.point(lambda value: 96 + value // 4).convert("RGB")
    return Image.blend(image.filter(ImageFilter.GaussianBlur(width / 120)), noise, 0.08)


@lru_cache(maxsize=512)
def jpeg(variant: int, size: tuple[int, int]) -> bytes:
    """Return a baseline JPEG."""
    return encoded(lesion(variant, size), "JPEG", quality=85)


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return a picture's bytes."""
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def with_xmp(picture: bytes, isic_id: str, credit: str) -> bytes:
    """Return a JPEG with the XMP packet that the archive embeds when it publishes an image."""
    packet = (
        "http://ns.adobe.com/xap/1.0/\0"
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'photoshop:Credit="{credit}" dc:identifier="{isic_id}"/></rdf:RDF></x:xmpmeta>'
    ).encode()
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet + picture[2:]


@lru_cache(maxsize=256)
def mask(number: int, size: tuple[int, int]) -> bytes:
    """Return a segmentation mask: an 8-bit PNG of 0 and 255."""
    random = Random(number)
    image = Image.new("L", size, 0)
    w, h = size
    left, top = random.uniform(0.1, 0.4) * w, random.uniform(0.1, 0.4) * h
    ImageDraw.Draw(image).ellipse((left, top, left + w / 2, top + h / 2), fill=255)
    return encoded(image, "PNG")


def any_kind(kind: str, number: int, size: tuple[int, int]) -> bytes | None:
    """Return a picture in an encoding by name; None for an unknown name."""
    maker = _KINDS.get(kind)
    return maker(lesion(number % VARIANTS, size)) if maker else None


def _with_exif(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    exif[0x0110] = "Replica 1"
    return encoded(image, "JPEG", quality=90, exif=exif)


def _alpha(image: Image.Image) -> bytes:
    image = image.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return encoded(image, "PNG")


def _png16(image: Image.Image) -> bytes:
    gray = image.convert("L")
    wide = b"".join(struct.pack("<H", value * 257) for value in gray.tobytes())
    return encoded(Image.frombytes("I;16", gray.size, wide), "PNG")


def _frames(image: Image.Image, image_format: str, **options: object) -> bytes:
    frames = [image.rotate(20 * turn) for turn in range(1, 4)]
    return encoded(image, image_format, save_all=True, append_images=frames, **options)


_KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda image: encoded(image, "JPEG", quality=85),
    "progressive": lambda image: encoded(image, "JPEG", quality=85, progressive=True),
    "oriented": _with_exif,
    "cmyk": lambda image: encoded(image.convert("CMYK"), "JPEG", quality=90),
    "gray": lambda image: encoded(image.convert("L"), "JPEG", quality=90),
    "png": lambda image: encoded(image, "PNG"),
    "alpha": _alpha,
    "png16": _png16,
    "tiff": lambda image: encoded(image, "TIFF", compression="tiff_lzw"),
    "multipage": lambda image: _frames(image, "TIFF"),
    "gif": lambda image: _frames(image, "GIF", duration=50),
    "webp": lambda image: encoded(image, "WEBP", quality=80),
    "bmp": lambda image: encoded(image, "BMP"),
}

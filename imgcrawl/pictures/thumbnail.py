"""Derived sizes: a smaller copy of a picture, upright, beside the original."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

QUALITY = 92  # of derived JPEGs
EXTENSIONS = (".jpg", ".png")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An encoded smaller picture; PNG where the original has transparency, else JPEG."""

    data: bytes
    extension: str


def thumbnail(body: bytes, image_format: str, size: tuple[int, int]) -> Thumbnail | None:
    """Fit a picture into `size` (width, height; pixels), never larger than it is.

    The EXIF orientation is applied, 16-bit grey is scaled to 8 bits by its own range, of an
    animation the first frame is taken. Return None if the picture cannot be read.
    """
    try:
        with Image.open(BytesIO(body), formats=[image_format]) as opened:
            opened.draft("RGB", size)
            image: Image.Image = ImageOps.exif_transpose(opened)
            image = _eight_bits(image)
            image.thumbnail(size, Image.Resampling.LANCZOS)
            buffer = BytesIO()
            if image.mode == "RGBA":
                image.save(buffer, "PNG")
                return Thumbnail(buffer.getvalue(), ".png")
            image.save(buffer, "JPEG", quality=QUALITY)
            return Thumbnail(buffer.getvalue(), ".jpg")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        low, high = image.convert("F").getextrema()
        assert isinstance(low, float)
        assert isinstance(high, float)
        scale = 255 / ((high - low) or 1)
        return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")

"""Pictures opened with Pillow: one plugin, no surprises.

The class of the one format is called itself, never ``Image.open``: so hostile bytes reach no other
plugin, no plugin is searched for or loaded in a thread, and Pillow's guard against decompression
bombs, which is one number for the whole process, does not decide what is opened. The guard is left
as it is, for others; a caller that decodes keeps within `pixel_guard` and limits of its own.
"""

from __future__ import annotations

import errno
import math
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from PIL import Image

from imgcrawl.pictures import tiff
from imgcrawl.pictures.png_chunks import require_few_chunks
from imgcrawl.pictures.source import as_file
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

    from imgcrawl.pictures.source import Source

# Loaded when a picture of the format comes: all of them take 5 MB.
_PLUGINS = {
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "JPEG2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "PPM": ("PpmImagePlugin", "PpmImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
}
_WIDTH, _HEIGHT = 0x0100, 0x0101  # tags of TIFF
_ORIENTATION = 0x0112


@contextmanager
def opened(format_: str, source: Source) -> Iterator[ImageFile]:
    """Yield a picture open in Pillow, its pixels not read yet.

    Whatever Pillow raises here or within the block becomes RecordMissing: `truncated` if its
    message says so, `too_large` if its guard objects, else `corrupt`. A failing disk stays an
    OSError.
    """
    with as_file(source) as file:
        try:
            if format_ == "PNG":
                require_few_chunks(file)
            with _plugin(format_)(file, "") as image:
                yield image
        except RecordMissing:
            raise
        except Image.DecompressionBombError as error:
            raise RecordMissing(Outcome.TOO_LARGE, printable(str(error))) from error
        # Decoders meet hostile bytes with a dozen classes of errors, and none is promised.
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EIO:
                raise
            words = _describe_error(error)
            cut = "truncated" in words.lower()
            outcome = Outcome.TRUNCATED if cut else Outcome.CORRUPT
            raise RecordMissing(outcome, f"does not decode as {format_}: {words}") from error


@cache
def _plugin(format_: str) -> type[ImageFile]:
    module, name = _PLUGINS[format_]
    plugin: type[ImageFile] = getattr(import_module(f"PIL.{module}"), name)
    return plugin


def pixel_guard(format_: str | None) -> float:
    """Return how many pixels the plugin of a format decodes without a warning of bombs.

    GIF and TIFF ask ``Image.MAX_IMAGE_PIXELS``, a setting of the whole process, themselves.
    """
    if format_ not in {"GIF", "TIFF"} or Image.MAX_IMAGE_PIXELS is None:
        return math.inf
    return Image.MAX_IMAGE_PIXELS


def stored_size(image: ImageFile) -> tuple[int, int]:
    """Return width and height in pixels as stored; Pillow swaps those of a turned TIFF itself."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        return tags[_WIDTH], tags[_HEIGHT]
    return image.size


def orientation(image: ImageFile) -> int | None:
    """Return the EXIF orientation, 1 to 8, of a picture that is not loaded yet, or None."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        value = tags.get(_ORIENTATION)
        return value if isinstance(value, int) and 1 <= value <= 8 else None
    exif = image.info.get("exif")
    return tiff.orientation(exif) if isinstance(exif, bytes) else None


def _describe_error(error: Exception) -> str:
    text = printable(str(error))
    if isinstance(error, OSError | SyntaxError | ValueError | RuntimeError) and text:
        return text
    return f"{type(error).__name__} {text}".strip()

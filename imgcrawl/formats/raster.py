"""Pictures opened with Pillow: one plugin, no surprises.

The class of the one format is called itself, never ``Image.open``: so hostile bytes reach no other
plugin, no plugin is searched for or loaded in a thread, and Pillow's guard against decompression
bombs, which is one number for the whole process, has no say in what is opened. The guard is left as
it is, for others; whoever decodes keeps within `pixel_guard` as well as within limits of their own.
"""

from __future__ import annotations

import errno
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imgcrawl.formats import tiff
from imgcrawl.formats.errors import BadImage, printable
from imgcrawl.formats.source import as_file
from imgcrawl.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

    from imgcrawl.formats.source import Source

_CLASSES: dict[str, type[ImageFile]] = {
    "AVIF": AvifImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "JPEG": JpegImageFile,
    "JPEG2000": Jpeg2KImageFile,
    "PNG": PngImageFile,
    "PPM": PpmImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}
_ORIENTATION = 0x0112


@contextmanager
def opened(format_: str, source: Source) -> Iterator[ImageFile]:
    """A picture open in Pillow, its pixels not read yet.

    Whatever Pillow raises here or within the block becomes BadImage: `truncated` where its words
    say so, `too_large` where its guard objects, else `corrupt`. A disk that fails stays an OSError.
    """
    with as_file(source) as file:
        try:
            with _CLASSES[format_](file, "") as image:
                yield image
        except BadImage:
            raise
        except Image.DecompressionBombError as error:
            raise BadImage(Outcome.TOO_LARGE, printable(str(error))) from error
        # Decoders meet hostile bytes with a dozen classes of errors, and none is promised.
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EIO:
                raise
            words = _words(error)
            cut = "truncated" in words.lower()
            outcome = Outcome.TRUNCATED if cut else Outcome.CORRUPT
            raise BadImage(outcome, f"does not decode as {format_}: {words}") from error


def pixel_guard(format_: str | None) -> float:
    """How many pixels the plugin of a format decodes without a warning of bombs.

    GIF and TIFF ask ``Image.MAX_IMAGE_PIXELS``, a setting of the whole process, themselves.
    """
    if format_ not in {"GIF", "TIFF"} or Image.MAX_IMAGE_PIXELS is None:
        return math.inf
    return Image.MAX_IMAGE_PIXELS


def stored_size(image: ImageFile) -> tuple[int, int]:
    """Width and height in pixels as stored; Pillow turns the size of a TIFF upright itself."""
    if isinstance(image, TiffImageFile):
        return image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]
    return image.size


def orientation(image: ImageFile) -> int | None:
    """The EXIF orientation, 1 to 8, of a picture that is not loaded yet."""
    if isinstance(image, TiffImageFile):
        value = image.tag_v2.get(_ORIENTATION)
        return value if isinstance(value, int) and 1 <= value <= 8 else None
    exif = image.info.get("exif")
    return tiff.orientation(exif) if isinstance(exif, bytes) else None


def _words(error: Exception) -> str:
    text = printable(str(error))
    if isinstance(error, OSError | SyntaxError | ValueError | RuntimeError) and text:
        return text
    return f"{type(error).__name__} {text}".strip()

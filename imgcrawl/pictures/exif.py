"""All that a picture's EXIF says, by the names of its tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image

if TYPE_CHECKING:
    from pathlib import Path

MAX_TAGS = 500
MAX_TEXT = 1000  # characters of a value
_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def exif_tags(file: Path, image_format: str) -> dict[str, Any] | None:
    """Return the tags of a picture, those of the camera and of the place among them, or None.

    Names are Exif 2.32's, as Pillow has them; an unknown tag has its number. Values are JSON:
    numbers, text of at most 1,000 characters, and lists of those; what is binary is left out.
    """
    try:
        with Image.open(file, formats=[image_format]) as image:
            exif = image.getexif()
            found = _named(exif, ExifTags.TAGS)
            for ifd in _IFDS:
                names = ExifTags.GPSTAGS if ifd is ExifTags.IFD.GPSInfo else ExifTags.TAGS
                found |= _named(exif.get_ifd(ifd), names)
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError):
        return None
    except Image.DecompressionBombError:
        return None
    return dict([*found.items()][:MAX_TAGS]) or None


def _named(tags: Any, names: dict[int, str]) -> dict[str, Any]:
    values = ((names.get(tag, str(tag)), _plain(value)) for tag, value in tags.items())
    return {name: value for name, value in values if value is not None}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; None for what is binary or no number."""
    if isinstance(value, str):
        return value.strip("\0 ")[:MAX_TEXT]
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, tuple):
        return [_plain(each) for each in value[:100]]
    try:
        number = float(value)  # a fraction, whose denominator may be 0
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if abs(number) < float("inf") else None

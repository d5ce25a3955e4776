"""Whether bytes are a whole, readable picture, and what picture they are.

`check_image` is safe to call from several threads at once and releases the GIL while it decodes
(JPEG 2000 excepted: Pillow's plugin reads files through Python).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from imgcrawl.pictures import gif, jpeg, pillow, tiff_pages
from imgcrawl.pictures.decode_memory import DecodeMemory, bytes_of_pixel
from imgcrawl.pictures.endings import has_end
from imgcrawl.pictures.sniff import HEAD_BYTES, FileKind, excerpt, sniff
from imgcrawl.pictures.source import as_data
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from imgcrawl.pictures.source import Data, Source

__all__ = ["CheckLevel", "ImageFacts", "PixelLimits", "RecordMissing", "check_image"]

# A frame of one pixel costs time too: each after the first counts as this many at least.
_FRAME_COST = 50_000
# Each scan of a JPEG is a pass over all its pixels; a progressive one has about a dozen. A small
# file of thousands of empty scans would keep a decoder busy for minutes.
_MAX_PASSES = 32
_MAX_PLAIN_BYTES = 1 << 20
_DAMAGE = frozenset({Outcome.TRUNCATED, Outcome.CORRUPT})


class CheckLevel(StrEnum):
    """How closely a picture is checked."""

    DECODE = "decode"  # every pixel is decoded
    HEADER = "header"  # headers, and that the end is there
    OFF = "off"  # only that it is a picture at all


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """How large and how small a picture may be; in pixels.

    max_pixels:            more is `too_large`: a decompression bomb, or a slide
    max_decode_pixels:     more is not decoded, only its header is checked; of an animation or a
                           TIFF of many pages, the sum of what is decoded. For GIF and TIFF
                           Pillow's own ``Image.MAX_IMAGE_PIXELS`` (89 million) holds as well
    min_width, min_height: less is `too_small`
    max_aspect_ratio:      the longer side by the shorter; more is `too_large`; 0 for any
    memory:                what the pictures under check may take together
    """

    max_pixels: int = 1_000_000_000
    max_decode_pixels: int = 150_000_000
    min_width: int = 1
    min_height: int = 1
    max_aspect_ratio: float = 0.0
    memory: DecodeMemory = field(default_factory=partial(DecodeMemory, 256 << 20), compare=False)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The facts of a picture; None for one that the level of the check does not find out.

    format:        Pillow's name: JPEG, PNG, TIFF, ...
    extension:     with its dot, by the format
    width, height: pixels, as stored (EXIF orientation not applied)
    mode:          Pillow's: RGB, L, I;16, CMYK, ...
    orientation:   EXIF, 1 to 8
    frames:        of an animation, or pages of a TIFF; 1 for others
    suspect:       what a strict decoder objected to, or why it was not asked
    """

    format: str
    extension: str
    width: int | None = None
    height: int | None = None
    mode: str | None = None
    orientation: int | None = None
    frames: int | None = None
    suspect: str | None = None


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture under check; `data` is the content of `source`."""

    format: str
    extension: str
    source: Source
    data: Data


_DEFAULT_LIMITS = PixelLimits()


def check_image(
    source: Source, level: CheckLevel = CheckLevel.DECODE, limits: PixelLimits = _DEFAULT_LIMITS
) -> ImageFacts:
    """Check a picture in memory or in a file.

    Raises RecordMissing (`empty`, `not_image`, `truncated`, `corrupt`, `too_large`, `too_small`),
    and OSError for a file that cannot be read. With the level `off`, damage raises nothing.
    """
    with as_data(source) as data:
        kind = sniff(data[:HEAD_BYTES])
        if kind.format is None:
            raise _no_picture(kind, data)
        try:
            check = _check_jpeg if kind.format == "JPEG" else _check_raster
            return check(_Picture(kind.format, kind.extension, source, data), level, limits)
        except RecordMissing as bad:
            if level is CheckLevel.OFF and bad.outcome in _DAMAGE:
                return ImageFacts(kind.format, kind.extension)
            raise


def _no_picture(kind: FileKind, data: Data) -> RecordMissing:
    if not data:
        return RecordMissing(Outcome.EMPTY, "no bytes at all")
    words = excerpt(data[: 16 * HEAD_BYTES])
    return RecordMissing(Outcome.NOT_IMAGE, f"{kind.what}: {words}" if words else kind.what)


def _check_jpeg(picture: _Picture, level: CheckLevel, limits: PixelLimits) -> ImageFacts:
    """Check a JPEG, without Pillow unless libjpeg objects."""
    header = jpeg.read_header(picture.data)
    _admit(header.width, header.height, limits)
    facts = ImageFacts(
        format=picture.format,
        extension=picture.extension,
        width=header.width,
        height=header.height,
        mode=header.mode,
        orientation=header.orientation,
        frames=1,
    )
    if level is not CheckLevel.OFF:
        jpeg.check_end(picture.data, header)
    if level is CheckLevel.DECODE:
        return replace(facts, suspect=_decode_jpeg(picture, header, limits))
    return facts


def _decode_jpeg(picture: _Picture, header: jpeg.JpegHeader, limits: PixelLimits) -> str | None:
    """Decode all pixels; return what makes the picture suspect, or None.

    Raises RecordMissing if nothing reads it.
    """
    pixels = header.width * header.height
    if pixels > limits.max_decode_pixels:
        return f"not decoded: {pixels:,} pixels"
    scans = jpeg.count_scans(picture.data, header)
    if scans * pixels > _MAX_PASSES * limits.max_decode_pixels:
        return f"not decoded: {scans:,} scans of {pixels:,} pixels"
    # Of one scan libjpeg holds a few lines, scaled down; of several, each component's coefficients.
    size = pixels * 2 * len(header.mode) if scans > 1 else pixels // 16
    with limits.memory.room(size):
        words = jpeg.complaint(picture.data)
    if words is None:
        return None
    try:
        with (
            limits.memory.room(pixels * bytes_of_pixel(header.mode) + size),
            pillow.opened("JPEG", picture.source) as image,
        ):
            image.load()
    except RecordMissing as bad:
        raise RecordMissing(Outcome.CORRUPT, bad.message) from bad  # the end was seen to be there
    return words if jpeg.tells_of_damage(words) else None


def _check_raster(picture: _Picture, level: CheckLevel, limits: PixelLimits) -> ImageFacts:
    """Check anything but a JPEG, with Pillow."""
    outline = _outline(picture, limits)
    try:
        with pillow.opened(picture.format, picture.source) as image:
            facts = _raster_facts(picture, image, outline)
            _admit(*pillow.stored_size(image), limits)
            if level is CheckLevel.OFF:
                return facts
            if outline.complete is False:
                raise RecordMissing(Outcome.TRUNCATED, f"the {picture.format} stops before its end")
            suspect = outline.suspect
            if level is CheckLevel.DECODE:
                suspect = (
                    _reason_not_to_decode(picture)
                    or _decode_frames(image, facts, limits)
                    or suspect
                )
            return replace(facts, suspect=suspect)
    except RecordMissing as bad:
        raise _with_outcome(bad, outline) from bad


@dataclass(frozen=True, slots=True)
class _Outline:
    """The structure found without Pillow: how many frames, and whether it ends; None: unknown."""

    frames: int | None
    complete: bool | None
    suspect: str | None = None


def _outline(picture: _Picture, limits: PixelLimits) -> _Outline:
    """Measure the structure. Raises RecordMissing for a GIF that Pillow's guard would refuse."""
    if picture.format == "GIF":
        blocks = gif.outline(picture.data)
        most = min(limits.max_pixels, pillow.pixel_guard("GIF"))
        _admit_large(*blocks.screen, most)
        suspect = None if blocks.trailer else "the GIF has no trailer"
        outline = _Outline(blocks.frames, blocks.complete, suspect)
        if blocks.canvas[0] * blocks.canvas[1] > most:
            raise _with_outcome(
                RecordMissing(Outcome.CORRUPT, "a frame far outside the screen"), outline
            )
        return outline
    if picture.format == "TIFF":
        chain = tiff_pages.pages(picture.data)
        return _Outline(chain.count, chain.complete, chain.suspect or None)
    return _Outline(None, has_end(picture.format, picture.data))


def _with_outcome(bad: RecordMissing, outline: _Outline) -> RecordMissing:
    """Return Pillow's refusal, with the outcome that the structure of the file calls for."""
    if outline.complete is None or bad.outcome not in _DAMAGE:
        return bad
    outcome = Outcome.CORRUPT if outline.complete else Outcome.TRUNCATED
    return RecordMissing(outcome, bad.message)


def _raster_facts(picture: _Picture, image: ImageFile, outline: _Outline) -> ImageFacts:
    width, height = pillow.stored_size(image)
    frames = getattr(image, "n_frames", 1) if outline.frames is None else outline.frames
    return ImageFacts(
        format=picture.format,
        extension=picture.extension,
        width=width,
        height=height,
        mode=image.mode,
        orientation=pillow.orientation(image),
        frames=frames,
    )


def _reason_not_to_decode(picture: _Picture) -> str | None:
    """Return why a picture is not decoded although it is small enough, or None."""
    # Pillow reads PNM of the plain kind in Python, and comments in quadratic time.
    if picture.data[:2] in {b"P1", b"P2", b"P3"} and len(picture.data) > _MAX_PLAIN_BYTES:
        return f"not decoded: {len(picture.data):,} bytes of plain PNM"
    return None


def _decode_frames(image: ImageFile, facts: ImageFacts, limits: PixelLimits) -> str | None:
    """Load each frame as long as the budget of pixels lasts; return which were not, or None."""
    frames = facts.frames or 1
    budget = min(limits.max_decode_pixels, pillow.pixel_guard(image.format))
    for index in range(frames):
        image.seek(index)
        width, height = pillow.stored_size(image)
        _admit_large(width, height, limits.max_pixels)
        pixels = width * height
        budget -= max(pixels, _FRAME_COST) if index else pixels
        if budget < 0:
            what = f"frames from {index + 1:,} of {frames:,}" if index else f"{pixels:,} pixels"
            return f"not decoded: {what}"
        # Frames that build on one another are held twice.
        with limits.memory.room(pixels * bytes_of_pixel(image.mode) * min(frames, 2)):
            image.load()
            if index == frames - 1:
                image.close()  # which frees the pixels before the room is given back
    return None


def _admit(width: int, height: int, limits: PixelLimits) -> None:
    """Raise RecordMissing for a size outside the limits."""
    _admit_large(width, height, limits.max_pixels)
    if width < limits.min_width or height < limits.min_height:
        least = f"{limits.min_width} x {limits.min_height}"
        raise RecordMissing(Outcome.TOO_SMALL, f"{width} x {height} pixels, less than {least}")
    most = limits.max_aspect_ratio
    if most and max(width, height) > most * min(width, height):
        shown = f"{width} x {height} pixels, an aspect ratio of more than {most:g}"
        raise RecordMissing(Outcome.TOO_LARGE, shown)


def _admit_large(width: int, height: int, most: float) -> None:
    if width * height > most:
        raise RecordMissing(Outcome.TOO_LARGE, f"{width} x {height} pixels, more than {most:,}")

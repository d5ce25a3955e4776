"""The bytes of a picture and its masks as an export has them: the originals', or smaller ones."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from imgcrawl.pictures.thumbnail import thumbnail

if TYPE_CHECKING:
    from imgcrawl.exports.source import ExportRecord, ExportSource, LeftOut

NOT_THE_SAME = "files that are not as they were stored (`scrapy verify OUT` tells)"
NOT_SMALLER = "pictures that cannot be made smaller"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes, and the extension that they have."""

    data: bytes
    extension: str


@dataclass(frozen=True, slots=True)
class Bodies:
    """A picture and its masks."""

    picture: Body
    masks: list[Body]


def bodies_of(
    source: ExportSource, record: ExportRecord, size: int | None, left_out: LeftOut
) -> Bodies | None:
    """Return what a record is exported as, or None, counted, if its file is not what it was.

    size: the longest side, pixels; None for the originals' bytes
    """
    record_id = str(record.row["record_id"])
    data = source.read(record.row)
    if data is None:
        left_out.add(NOT_THE_SAME, record_id)
        return None
    picture = Body(data, record.extension)
    if size is not None:
        smaller = thumbnail(data, str(record.row.get("format")), (size, size))
        if smaller is None:
            left_out.add(NOT_SMALLER, record_id)
            return None
        picture = Body(smaller.data, smaller.extension)
    masks = []
    for row in record.masks:
        mask = source.read(row)
        if mask is None:
            left_out.add(NOT_THE_SAME, str(row["record_id"]))
            continue
        extension = "." + str(row["file_name"]).rpartition(".")[2].lower()
        masks.append(Body(mask, extension) if size is None else _smaller_mask(mask, size))
    return Bodies(picture, masks)


def _smaller_mask(data: bytes, size: int) -> Body:
    """Return a smaller mask with the values of the original: none between two of them."""
    with Image.open(BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
        scale = min(1.0, size / max(image.size))
        wanted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        buffer = BytesIO()
        image.resize(wanted, Image.Resampling.NEAREST).save(buffer, "PNG")
    return Body(buffer.getvalue(), ".png")

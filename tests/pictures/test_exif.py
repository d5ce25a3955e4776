"""What a picture's EXIF says, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from imgcrawl.pictures.exif import exif_tags
from tests.pictures.samples import picture, saved

if TYPE_CHECKING:
    from pathlib import Path


def with_tags() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    exif[ExifTags.Base.Orientation] = 6
    exif[0xFDE8] = "of nobody"
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.ExposureTime] = IFDRational(1, 250)
    camera[ExifTags.Base.MakerNote] = b"\0\1binary"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_tags_by_their_names(format_: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(saved(format_, picture(), exif=with_tags().tobytes()))
    tags = exif_tags(path, format_)
    assert tags is not None
    assert (tags["Make"], tags["Orientation"]) == ("Canon", 6)
    assert tags["ExposureTime"] == pytest.approx(0.004)
    assert tags["GPSLatitudeRef"] == "N"
    assert "MakerNote" not in tags
    json.dumps(tags, allow_nan=False)


def test_no_tags_and_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(saved("PNG"))
    assert exif_tags(path, "PNG") is None
    path.write_bytes(b"\xff\xd8\xff\xe1")
    assert exif_tags(path, "JPEG") is None


@given(st.binary(max_size=300))
def test_no_bytes_of_tags_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.jpg"
    path.write_bytes(saved("JPEG", picture(), exif=b"Exif\0\0" + data))
    json.dumps(exif_tags(path, "JPEG"), allow_nan=False)

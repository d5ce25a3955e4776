"""From a body to a stored picture, on a disk and in a store."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest
from scrapy.settings import Settings

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.items import ImageItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.open_store import media_storage
from imgcrawl.storage.origin import Origin, proven_origin
from imgcrawl.storage.pictures import CheckedPictureStore
from imgcrawl.storage.record_files import RecordFiles
from imgcrawl.storage.thumbnails import Thumbnails
from tests.pictures.samples import picture, saved
from tests.stores import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imgcrawl.storage.pictures import CheckedPicture
    from tests.stores import S3

PICTURE = saved("JPEG", picture(size=(32, 16)))
MIRROR = Origin("https://a.example/1", "https://b.example/1", "mirror")


def settings_of(tmp_path: Path) -> Settings:
    settings = Settings({"OUT": str(tmp_path / "out")})
    settings.setmodule("imgcrawl.settings")
    settings.set("OUT", str(tmp_path / "out"))
    return settings


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[CheckedPictureStore]:
    settings = settings_of(tmp_path)
    storage = media_storage("IMAGES_STORE", settings)
    made = CheckedPictureStore(storage, settings, min_width=0, min_height=0)
    yield made
    made.close()


def keep(
    pictures: CheckedPictureStore,
    body: bytes | Path,
    digests: dict[str, str],
    name: Callable[..., str],
    origin: Origin,
) -> CheckedPicture:
    return asyncio.run(pictures.keep(body, digests, name, origin))


def name(extension: str = "") -> str:
    return f"images/1{extension}"


def test_bytes_and_files_are_stored_as_they_are(
    pictures: CheckedPictureStore, tmp_path: Path
) -> None:
    kept = keep(pictures, PICTURE, {}, name, MIRROR)
    stored = tmp_path / "out/images/1.jpg"
    assert stored.read_bytes() == PICTURE
    assert (kept.path, kept.size) == ("images/1.jpg", len(PICTURE))
    assert kept.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert (kept.facts.width, kept.facts.height) == (32, 16)
    assert proven_origin(stored, ImageItem("1", [MIRROR.url], "1")) == MIRROR
    spool = tmp_path / "spool"
    spool.write_bytes(PICTURE)
    again = keep(pictures, spool, {}, name, Origin("u", "u", "original"))
    assert again == kept
    assert not spool.exists()
    assert proven_origin(stored, ImageItem("1", ["u"], "1")) == Origin("u", "u", "original")


@pytest.mark.parametrize(
    ("body", "digests"),
    [(PICTURE[:-20], {}), (b"<html>", {}), (PICTURE, {"md5": "0" * 32})],
)
def test_a_body_that_is_refused_leaves_nothing(
    pictures: CheckedPictureStore, tmp_path: Path, body: bytes, digests: dict[str, str]
) -> None:
    with pytest.raises(RecordMissing) as error:
        keep(pictures, body, digests, name, MIRROR)
    assert error.value.outcome in {Outcome.CORRUPT, Outcome.NOT_IMAGE, Outcome.TRUNCATED}
    assert not [*(tmp_path / "out").rglob("*.*")]


@pytest.fixture
def remote_pictures(s3: S3, tmp_path: Path) -> Iterator[CheckedPictureStore]:
    settings = settings_of(tmp_path)
    settings.set("IMAGES_STORE", f"s3://{BUCKET}/a/")
    storage = media_storage("IMAGES_STORE", settings)
    made = CheckedPictureStore(storage, settings, min_width=0, min_height=0)
    yield made
    made.close()


def test_a_bucket_gets_the_same_bytes(
    s3: S3, remote_pictures: CheckedPictureStore, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    for body in (PICTURE, spool):
        spool.write_bytes(PICTURE)
        keep(remote_pictures, body, {}, name, MIRROR)
        head = s3.client.head_object(Bucket=BUCKET, Key="a/images/1.jpg")
        assert head["ContentLength"] == len(PICTURE)
        assert head["ContentType"] == "image/jpeg"
        assert head["Metadata"] == {"width": "32", "height": "16"}
        assert asyncio.run(remote_pictures.read("images/1.jpg")) == PICTURE
        s3.delete("a/images/1.jpg")
    assert not spool.exists()


def test_copies_are_made_of_a_picture_that_has_left_for_a_bucket(
    s3: S3, remote_pictures: CheckedPictureStore, tmp_path: Path
) -> None:
    out = OutputDirectory(tmp_path / "out")
    files = RecordFiles(out, local=False, uploader=None)
    thumbnails = Thumbnails(
        {"8": (8, 8)}, lambda item, size: f"sizes/{size}/{item.path}", remote_pictures, files
    )
    spool = tmp_path / "spool"  # too long to be kept in memory
    spool.write_bytes(PICTURE)
    kept = keep(remote_pictures, spool, {}, name, MIRROR)
    item = ImageItem("1", ["https://a.example/1"], "images/1")
    asyncio.run(thumbnails.make(item, kept))
    assert s3.keys() == ["a/images/1.jpg", "a/sizes/8/images/1.jpg"]
    out.close()

"""The files of records below OUT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgcrawl.records.items import Document
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.record_files import RecordFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def out(tmp_path: Path) -> Iterator[OutputDirectory]:
    directory = OutputDirectory(tmp_path / "out")
    yield directory
    directory.close()


def write(out: OutputDirectory, *names: str) -> None:
    for name in names:
        path = out.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")


def names(out: OutputDirectory) -> set[str]:
    found = (path for path in out.root.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(out.root).as_posix() for path in found}


def test_a_file_is_there_with_its_size(out: OutputDirectory) -> None:
    files = RecordFiles(out, local=True, uploader=None)
    write(out, "images/1.jpg", "v.zarr/.zattrs", "v.zarr/s0/0/0")
    assert files.is_there("images/1.jpg", 5)
    assert not files.is_there("images/1.jpg", 6)
    assert not files.is_there("images/2.jpg", 5)
    assert files.is_there("v.zarr", 10)  # of a folder, all that is in it
    assert files.on_disk("images/1.jpg") == out.root / "images/1.jpg"


def test_a_store_elsewhere_is_trusted(out: OutputDirectory) -> None:
    files = RecordFiles(out, local=False, uploader=None)
    assert files.is_there("images/1.jpg", 5)
    assert files.on_disk("images/1.jpg") is None
    write(out, "images/1.jpg")
    files.remove("images/1.jpg")
    assert names(out) == {"images/1.jpg"}


# A name may look like a pattern.
@pytest.mark.parametrize("stem", ["1", "a[1]", "a*", "deep/er/1.2"])
def test_a_file_goes_with_its_copies_alone(out: OutputDirectory, stem: str) -> None:
    files = RecordFiles(out, local=True, uploader=None)
    own = {f"images/{stem}.jpg", f"sizes/16/images/{stem}.jpg", f"sizes/32/images/{stem}.png"}
    others = {"images/a1.jpg", "images/11.jpg", "sizes/16/images/a1.jpg", "sizes/16/images/11.jpg"}
    write(out, *own, *others)
    files.remove(f"images/{stem}.jpg")
    assert names(out) == others
    files.remove(f"images/{stem}.jpg")  # it is gone: nothing to do


def test_a_file_without_an_extension_goes_too(out: OutputDirectory) -> None:
    files = RecordFiles(out, local=True, uploader=None)
    write(out, "files/README", "files/README.jpg")
    files.remove("files/README")
    assert names(out) == {"files/README.jpg"}


def test_a_document_stays_below_out(out: OutputDirectory) -> None:
    files = RecordFiles(out, local=True, uploader=None)
    document = Document("licenses/CC-0.txt", "text ä\n")
    assert not files.has_document(document)
    files.write_document(document)
    assert files.has_document(document)
    assert (out.root / "licenses/CC-0.txt").read_text("utf-8") == "text ä\n"

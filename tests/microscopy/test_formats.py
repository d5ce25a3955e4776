"""A format is one object: what recognizes a file, what describes it, what its files are called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from scrapy.settings import Settings

from imgcrawl.microscopy import describe as describing
from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.describe_paths import describe_all
from imgcrawl.microscopy.facts import FileFacts
from imgcrawl.microscopy.format import FileFormat
from imgcrawl.microscopy.merge import describe_file, merge_record, misnamed
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.microscopy.registry import FORMATS
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.pictures.samples import samples

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", samples())
def test_each_picture_is_recognized_by_one_format(name: str) -> None:
    data, facts = samples()[name]
    (found,) = [each for each in FORMATS if each.recognizes(data[:1024])]
    assert found.name == facts.format
    assert describe(bytes_ranges(data)).format.endswith(found.name)


def test_no_two_formats_share_a_name() -> None:
    extensions = [extension for each in FORMATS for extension in each.extensions]
    assert all(each == each.lower() and each.startswith(".") for each in extensions)
    assert len({each.name for each in FORMATS}) == len(FORMATS)


def test_a_format_is_added_by_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    added = FileFormat(
        "XYZ",
        (".xyz",),
        recognizes=lambda head: head.startswith(b"XYZ1"),
        describe=lambda ranges, _: FileFacts("XYZ", size_x=ranges.read(4, 1)[0]),
    )
    file = b"XYZ1\x07" + bytes(800)
    with pytest.raises(RecordMissing):
        describe(bytes_ranges(file), name="a.xyz")
    monkeypatch.setattr(describing, "FORMATS", (*FORMATS, added))
    assert describe(bytes_ranges(file)).size_x == 7


def test_a_name_that_promises_a_format_is_held_to_it(tmp_path: Path) -> None:
    picture = tmp_path / "picture"
    Image.new("L", (9, 6)).save(picture, "PNG")
    facts = describe_file(picture, "a.tif")
    assert facts is not None
    assert misnamed("a.tif", facts) == "named .tif, and is PNG"
    assert misnamed("a.PNG", facts) is misnamed("a.xyz", facts) is misnamed("a", facts) is None
    page = tmp_path / "page"
    page.write_text("<html><title>Gone</title></html>")
    for name in ("a.dm3", "a.DM4", "a.tiff", "a.png", "a.jpeg", "a.gif", "a.bmp", "a.webp"):
        with pytest.raises(RecordMissing) as refused:
            describe_file(page, name)
        assert refused.value.outcome is Outcome.NOT_IMAGE


def test_a_file_is_believed_before_its_record() -> None:
    facts = FileFacts("DM3", size_x=5, extra={"dwell_us": 2.0, "mode": "SEM"})
    columns = merge_record(facts, {"size_x": 6, "size_y": 7, "mode": "TEM", "title": "a"})
    assert (columns["size_x"], columns["size_y"], columns["title"]) == (5, 7, "a")
    assert (columns["dwell_us"], columns["mode"]) == (2.0, "TEM")
    assert columns["conflicts"] == "size_x: file 5, record 6"
    assert "format" not in columns
    assert "size_z" not in columns


def test_a_folder_is_one_array_by_its_documents(tmp_path: Path) -> None:
    array = tmp_path / "below" / "a.zarr"
    array.mkdir(parents=True)
    node = {"zarr_format": 2, "shape": [4, 5], "chunks": [4, 5], "dtype": "|u1", "compressor": None}
    (array / ".zarray").write_text(json.dumps(node))
    (array / "0.0").write_bytes(bytes(20))
    (row,) = describe_all(
        [str(tmp_path)], Settings({"ALLOWED_PRIVATE_NETWORKS": [], "USER_AGENT": "a test"})
    )
    assert row.name == str(array)
    assert row.facts is not None
    assert (row.facts.format, row.facts.size_y, row.facts.size_x) == ("Zarr v2", 4, 5)

from __future__ import annotations

import pytest

from imgcrawl.microscopy.facts import FileFacts, merge_sources
from imgcrawl.microscopy.ranges import (
    CachedRanges,
    CallableRanges,
    FileRanges,
    RangesFile,
    bytes_ranges,
)
from imgcrawl.microscopy.units import c_time, filetime, iso_date, nanometres
from imgcrawl.records.errors import RecordMissing


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (8, "nm", 8.0),
        ("8.0", "nanometers", 8.0),
        (0.02, "\\u00B5m", 20.0),
        (0.02, "\u00b5m", 20.0),
        (0.02, "\u03bcm", 20.0),
        (0.02, "Microns", 20.0),
        (0.02, "micrometre", 20.0),
        (80.0, "\u00c5", 8.0),
        (80.0, "\u212b", 8.0),
        (80.0, "angstroms", 8.0),
        (500, "pm", 0.5),
        (6.5e-8, "m", 65.0),
        (1, "mm", 1e6),
        (0.1, "1/nm", None),
        (1, "pixel", None),
        (1, "", None),
        (1, None, None),
        (0, "nm", None),
        (-1, "nm", None),
        (True, "nm", None),
        ("x", "nm", None),
        (float("nan"), "nm", None),
        (float("inf"), "nm", None),
        (10**400, "nm", None),
        (1e300, "m", None),
        (1, "n" * 10**6, None),
    ],
)
def test_nanometres(value: object, unit: object, expected: float | None) -> None:
    assert nanometres(value, unit) == expected


def test_dates() -> None:
    assert filetime(1.3173222436078186e17) == "2018-06-11T20:27:16Z"
    for wrong in (0, -1, 1, 1e30, float("nan"), "x", None, 9e18):
        assert filetime(wrong) is None
    assert iso_date("2018-06-11") == "2018-06-11"
    assert iso_date(" 2018-06-11 20:27:16.5+02:00 ") == "2018-06-11T20:27:16+02:00"
    for words in ("11.06.2018", "06/11/2018", "2018-13-01", "2018-02-30", "", None, "0001-01-01"):
        assert iso_date(words) is None
    assert c_time("Mon Jun  1 22:26:45 2018\u2028") == "2018-06-01T22:26:45"
    for words in ("Mo Juni 11 22:26:45 2018", "Mon Jan 41 22:26:45 2018", None):
        assert c_time(words) is None


def test_columns_are_always_the_same() -> None:
    empty = FileFacts("PNG").columns()
    facts = FileFacts("DM3", size_x=5, voxel_x_nm=8.0, voxel_source={"x": "file: DM calibration"})
    assert list(facts.columns()) == list(empty)
    assert facts.columns()["voxel_x_from"] == "file: DM calibration"
    assert empty["voxel_z_from"] is None
    assert set(empty) >= {"acquired_at", "size_t", "levels", "pages", "compression", "detector"}


def test_sources_are_merged() -> None:
    file = FileFacts(
        "DM3",
        size_x=5500,
        voxel_x_nm=7.998250424861908,
        voxel_source={"x": "file: DM calibration"},
        acquired="2018-06-11T20:27:16Z",
    ).columns()
    record = {"size_x": 5632, "voxel_x_nm": 8.0, "acquired_at": "2018-06-11", "title": "Slices"}
    page = {"voxel_x_nm": 80.0, "voxel_z_nm": 50.0, "title": ""}
    merged, words = merge_sources([("file", file), ("record", record), ("page", page)])
    assert merged["size_x"] == 5500
    assert (merged["voxel_x_nm"], merged["voxel_x_from"]) == (
        7.998250424861908,
        "file: DM calibration",
    )
    assert (merged["voxel_z_nm"], merged["voxel_z_from"]) == (50.0, "page")
    assert merged["voxel_y_nm"] is None
    assert merged["title"] == "Slices"
    assert words == (
        "size_x: file 5500, record 5632; voxel_x_nm: file 7.99825, record 8.0, page 80.0"
    )
    assert merge_sources([]) == ({}, "")
    assert merge_sources([("file", {"dtype": "UINT8"}), ("record", {"dtype": "uint8"})])[1] == ""


def test_ranges_of_a_file(tmp_path: object) -> None:
    path = f"{tmp_path}/file"
    data = bytes(range(256)) * 10
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(data)
    with FileRanges(path) as ranges:
        assert ranges.size == 2560
        for each in (ranges, CachedRanges(ranges, block=100, max_blocks=2), bytes_ranges(data)):
            assert each.read(250, 300) == data[250:550]
            assert each.read(2500, 1 << 60) == data[2500:]
            assert each.read(2560, 1) == each.read(1 << 70, 9) == b""


def test_blocks_are_fetched_once_and_counted() -> None:
    asked: list[tuple[int, int]] = []

    def fetch(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return bytes(max(0, min(length, 1000 - offset)))

    cached = CachedRanges(CallableRanges(fetch), block=64, budget=640)
    assert cached.size is None
    for offset in (0, 10, 60, 990):
        cached.read(offset, 10)
    assert asked == [(0, 64), (64, 64), (960, 64)]
    assert (cached.requests, cached.fetched) == (3, 64 + 64 + 40)
    with pytest.raises(RecordMissing):
        cached.read(0, 1000)
    # What ends early is the end: nothing behind it is asked for.
    assert len(CachedRanges(CallableRanges(fetch), block=64).read(900, 10**9 // 64)) == 100


def test_a_file_made_of_ranges() -> None:
    file = RangesFile(bytes_ranges(b"0123456789"), 10, budget=20)
    assert file.readable()
    assert file.seekable()
    assert file.seek(-3, 2) == 7
    assert (file.read(), file.tell()) == (b"789", 10)
    buffer = bytearray(4)
    file.seek(8)
    assert (file.readinto(buffer), bytes(buffer)) == (2, b"89\0\0")
    with pytest.raises(ValueError, match="before"):
        file.seek(-1)
    file.seek(0)
    file.read(10)
    file.seek(0)
    with pytest.raises(RecordMissing):
        file.read(10)
    assert isinstance(file.failure, RecordMissing)

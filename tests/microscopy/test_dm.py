from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.microscopy.dm import MAX_DEPTH, MAX_VALUE, LazyTag, read_tags
from imgcrawl.microscopy.dm_facts import describe_dm
from imgcrawl.microscopy.ranges import CachedRanges, CallableRanges, bytes_ranges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from replicas.dm3 import Blob, PlainString, Struct, Typed, nested, write_dm

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import FileFacts

_TAGS = "ImageList.1.ImageTags."
_DATA = "ImageList.1.ImageData."
# Of a real file of EMPIAR-11759: a slice of a serial block face, with its traps. The image comes
# after a thumbnail, the date is written the German way, and two sizes belong to the autofocus.
EXCERPT = {
    "DocumentObjectList.0.ImageDisplayInfo.CLUT.Size": "1536",
    "DocumentObjectList.0.ImageDisplayInfo.CLUT.Offset": "654",
    "DocumentObjectList.0.ImageSource": "0",
    "HasWindowPosition": "True",
    "ImageList.0.ImageData.Calibrations.Dimension.0.Scale": "1.0",
    "ImageList.0.ImageData.Calibrations.Dimension.0.Units": "",
    "ImageList.0.ImageData.Data.Size": "147456",
    "ImageList.0.ImageData.Data.Offset": "4515",
    "ImageList.0.ImageData.DataType": "23",
    "ImageList.0.ImageData.Dimensions.0": "192",
    "ImageList.0.ImageData.Dimensions.1": "192",
    "ImageList.0.ImageData.PixelDepth": "4",
    _DATA + "Calibrations.Dimension.0.Origin": "0.0",
    _DATA + "Calibrations.Dimension.0.Scale": "0.007998250424861908",
    _DATA + "Calibrations.Dimension.0.Units": "\u00b5m",
    _DATA + "Calibrations.Dimension.1.Origin": "0.0",
    _DATA + "Calibrations.Dimension.1.Scale": "0.007998250424861908",
    _DATA + "Calibrations.Dimension.1.Units": "\u00b5m",
    _DATA + "Data.Size": "30228000",
    _DATA + "Data.Offset": "152855",
    _DATA + "DataType": "6",
    _DATA + "Dimensions.0": "5496",
    _DATA + "Dimensions.1": "5500",
    _DATA + "PixelDepth": "1",
    _TAGS + "DataBar.Acquisition Date": "11.06.2018",
    _TAGS + "DataBar.Acquisition Time": "22:27:16",
    _TAGS + "DataBar.Acquisition Time (OS)": "1.3173222436078186e+17",
    _TAGS + "DataBar.Exposure Number": "897131",
    _TAGS + "DataBar.Signal Name": "3VBSED",
    _TAGS + "DigiScan.Sample Time": "0.5",
    _TAGS + "DigiScan.TimeStamp": "Mon Jun 11 22:26:45 2018\u2028",
    _TAGS + "GMS Version.Created": "3.21.1374.0",
    _TAGS + "Meta Data.Dimension info.2.Scale": "50.0",
    _TAGS + "Meta Data.Dimension info.2.Units": "nm",
    _TAGS + "Microscope Info.Illumination Mode": "SEM",
    _TAGS + "Microscope Info.Indicated Magnification": "2159.0",
    _TAGS + "Microscope Info.Name": "FEI Quanta",
    _TAGS + "Microscope Info.Stage Position.Stage X": "79.26780559398513",
    _TAGS + "Microscope Info.Voltage": "1900.0",
    _TAGS + "Microscope Info.WD (mm)": "5.500151666250906",
    _TAGS + "SBFSEM.AFS options.Pixel size": "100.0",
    _TAGS + "SBFSEM.Approach.Slice thickness": "200.0",
    _TAGS + "SBFSEM.Record.Base file name": "C:\\Users\\Somebody\\F57\\test1",
    _TAGS + "SBFSEM.Record.Slice thickness": "50.0",
    _TAGS + "Session Info.Detector": "3VBSED",
    _TAGS + "Session Info.Operator": "A. Nother",
    _TAGS + "Session Info.WD (mm)": "5591.26",
    "PageSetup.Win32.Size": "60",
    "PageSetup.Win32.Offset": "30394458",
    "Thumbnails.0.ImageIndex": "0",
}


def described(data: bytes, *, private: bool = False) -> FileFacts:
    return describe_dm(bytes_ranges(data), private=private)


def refused(data: bytes) -> RecordMissing:
    with pytest.raises(RecordMissing) as caught:
        described(data)
    return caught.value


def small(**more: Any) -> dict[str, Any]:
    """The tags of a picture of 6 x 4 pixels."""
    data = {"Data": Blob(4, bytes(48)), "DataType": 10, "Dimensions": {"0": 6, "1": 4}, **more}
    return {"ImageList": {"0": {"ImageData": data, "ImageTags": {}}}}


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("little", [True, False])
def test_a_real_excerpt(version: int, little: bool) -> None:
    cached = CachedRanges(bytes_ranges(write_dm(nested(EXCERPT), version, little=little)))
    facts = describe_dm(cached)
    assert cached.requests <= 4
    assert cached.fetched <= 4 * 64 * 1024  # of 30 MB
    assert facts.format == f"DM{version}"
    assert (facts.size_y, facts.size_x, facts.size_z) == (5500, 5496, None)
    assert (facts.dtype, facts.size_c) == ("uint8", None)
    assert facts.voxel_x_nm == facts.voxel_y_nm == pytest.approx(7.99825, abs=1e-5)
    assert facts.voxel_z_nm == 50.0
    assert facts.voxel_source == {
        "x": "file: DM calibration",
        "y": "file: DM calibration",
        "z": "file: SBFSEM slice thickness",
    }
    assert facts.acquired == "2018-06-11T20:27:16Z"
    assert (facts.magnification, facts.voltage_v, facts.detector) == (2159.0, 1900.0, "3VBSED")
    assert facts.extra["working_distance_mm"] == pytest.approx(5.5, abs=1e-3)
    assert facts.extra["dwell_us"] == 0.5
    assert facts.extra["instrument"] == "FEI Quanta"


def test_persons_are_left_out_unless_asked_for() -> None:
    data = write_dm(nested(EXCERPT))
    assert not {"operator", "base_file_name"} & set(described(data).extra)
    assert "Somebody" not in str(described(data))
    extra = described(data, private=True).extra
    assert extra["operator"] == "A. Nother"
    assert "Somebody" in str(extra["base_file_name"])


def test_dates_that_cannot_be_read_two_ways() -> None:
    tags = {key: value for key, value in EXCERPT.items() if "(OS)" not in key}
    assert described(write_dm(nested(tags))).acquired == "2018-06-11T22:26:45"
    del tags[_TAGS + "DigiScan.TimeStamp"]
    assert described(write_dm(nested(tags))).acquired is None
    tags[_TAGS + "DataBar.Acquisition Date"] = "2018-06-11"
    assert described(write_dm(nested(tags))).acquired == "2018-06-11"


def test_every_kind_of_value() -> None:
    tags = {
        "short": Typed(2, -3),
        "ushort": Typed(4, 65535),
        "float": Typed(6, 0.5),
        "octet": Typed(10, 200),
        "char": Typed(9, -1),
        "long": Typed(11, -(1 << 40)),
        "ulong": Typed(12, 1 << 63),
        "flag": True,
        "text": "\u00b5m \U0001f52c",
        "plain": PlainString(b"caf\xe9"),
        "struct": Struct(((7, 1.5), (3, -2), (8, True))),
        "structs": Struct(((2, 7), (6, 0.25)), count=2),
        "numbers": Blob(2, struct.pack("<3h", 1, -2, 3)),
        "long array": Blob(7, bytes(8 * MAX_VALUE)),
        "Emission (\u00b5A)": {"0": 4, "1": {"0": 5}},
    }
    _, found = read_tags(bytes_ranges(write_dm(tags)))
    lazy = found.pop("long array")
    assert isinstance(lazy, LazyTag)
    assert (lazy.count, lazy.code, lazy.nbytes) == (MAX_VALUE, "d", 8 * MAX_VALUE)
    assert found == {
        "short": -3,
        "ushort": 65535,
        "float": 0.5,
        "octet": 200,
        "char": -1,
        "long": -(1 << 40),
        "ulong": 1 << 63,
        "flag": True,
        "text": "\u00b5m \U0001f52c",
        "plain": "caf\xe9",
        "struct": (1.5, -2, True),
        "structs": ((7, 0.25), (7, 0.25)),
        "numbers": (1, -2, 3),
        "Emission (\u00b5A)": {"0": 4, "1": {"0": 5}},
    }


@pytest.mark.parametrize(
    ("unit", "axis"), [("nm", "size_z"), ("", "size_z"), ("s", "size_t"), ("eV", "size_c")]
)
def test_the_third_dimension(unit: str, axis: str) -> None:
    scales = {
        str(i): {"Scale": Typed(6, 2.0), "Units": u} for i, u in enumerate(("um", "um", unit))
    }
    tags = small(Dimensions={"0": 3, "1": 2, "2": 4}, Calibrations={"Dimension": scales})
    facts = described(write_dm(tags))
    assert getattr(facts, axis) == 4
    assert sum(s is not None for s in (facts.size_z, facts.size_t, facts.size_c)) == 1
    assert facts.voxel_z_nm == (2.0 if unit == "nm" else None)


def measured(
    sides: tuple[int, ...], units: tuple[str, ...], **meta: str
) -> tuple[FileFacts, tuple[float | None, ...]]:
    scales = {str(i): {"Scale": Typed(6, 2.0), "Units": unit} for i, unit in enumerate(units)}
    tags = small(
        Data=Blob(4, bytes(2 * math.prod(sides))),
        Dimensions={str(i): side for i, side in enumerate(sides)},
        Calibrations={"Dimension": scales},
    )
    tags["ImageList"]["0"]["ImageTags"] = {"Meta Data": meta}
    facts = described(write_dm(tags, 4))
    return facts, (facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm)


def test_a_wavelength_is_no_length() -> None:
    spectrum = {"Format": "Spectrum image", "Signal": "CL"}
    cube, voxels = measured((3, 2, 70), ("nm", "nm", "nm"), **spectrum)
    assert (cube.size_z, cube.size_c, voxels) == (None, 70, (None, 2.0, 2.0))
    line, voxels = measured((70, 3), ("nm", "nm"), **spectrum)
    assert (line.size_c, voxels) == (70, (None, 2.0, None))
    for format_ in ("Spectrum", "Spectrum image"):
        one, voxels = measured((70,), ("nm",), Format=format_, Signal="CL")
        assert (one.size_c, voxels) == (70, (None, None, None))
    series, voxels = measured((70, 9), ("nm", "s"), Signal="CL")
    assert (series.size_c, series.size_t, voxels) == (70, 9, (None, None, None))
    # A picture at one wavelength is a picture, a profile without such a tag is one in space.
    assert measured((3, 2), ("nm", "nm"), Signal="CL")[1] == (None, 2.0, 2.0)
    assert measured((70,), ("nm",))[1] == (None, None, 2.0)
    energies, voxels = measured((3, 2, 70), ("nm", "nm", "eV"), Format="Spectrum image")
    assert (energies.size_c, voxels) == (70, (None, 2.0, 2.0))


@pytest.mark.parametrize("unit", ["1/nm", "mrad", "nm"])
def test_a_scan_of_patterns_has_no_depth(unit: str) -> None:
    units = (unit, unit, "nm", "nm")
    facts, voxels = measured((4, 4, 5, 7), units, Format="Diffraction image")
    assert (facts.size_z, facts.size_y, facts.size_x, voxels) == (None, 4, 4, (None, None, None))
    assert (facts.extra["scan"], facts.extra["scan_step_nm"]) == ("7 x 5", 2.0)
    if unit != "nm":
        assert measured((4, 4, 5, 7), units)[0].extra["scan"] == "7 x 5"


def test_units_as_digital_micrograph_writes_them() -> None:
    film, voxels = measured((4, 4, 9), ("nm", "A", "sec."))
    assert (film.size_t, film.size_z, voxels) == (9, None, (None, 0.2, 2.0))


def test_a_reciprocal_unit_is_no_length() -> None:
    scales = {str(i): {"Scale": Typed(6, 0.1), "Units": "1/nm"} for i in range(2)}
    facts = described(write_dm(small(Calibrations={"Dimension": scales})))
    assert (facts.dtype, facts.voxel_x_nm, facts.voxel_source) == ("uint16", None, {})


def test_only_a_thumbnail_is_better_than_nothing() -> None:
    tags = small() | {"Thumbnails": {"0": {"ImageIndex": 0}}}
    assert described(write_dm(tags)).size_x == 6


def test_the_size_need_not_be_known() -> None:
    data = write_dm(nested(EXCERPT))
    ranges = CallableRanges(lambda offset, length: data[offset : offset + length])
    assert describe_dm(ranges).voxel_z_nm == 50.0


# Faults


@pytest.mark.parametrize("version", [3, 4])
def test_cut_anywhere(version: int) -> None:
    data = write_dm(small(), version)
    for end in range(1, len(data) - 8):
        bad = refused(data[:end])
        expected = Outcome.TRUNCATED if end > 3 else Outcome.NOT_IMAGE
        assert bad.outcome is expected, end


def test_cut_within_the_pixels() -> None:
    bad = refused(write_dm(nested(EXCERPT))[:20_000_000])
    assert bad.outcome is Outcome.TRUNCATED
    assert bad.message.endswith("of 20,000,000 bytes")


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", Outcome.EMPTY),
        (b"<!DOCTYPE html><html><title>Log in</title>", Outcome.NOT_IMAGE),
        (b"II*\0" + bytes(100), Outcome.NOT_IMAGE),
        (write_dm({}), Outcome.CORRUPT),
        (write_dm({"ImageList": 7}), Outcome.CORRUPT),
        (write_dm(small(Dimensions={"0": 6, "1": 0})), Outcome.CORRUPT),
        (write_dm(small(Dimensions={"0": -6, "1": -4})), Outcome.CORRUPT),
        (write_dm(small(Dimensions={"0": 60, "1": 40}, Data=Blob(10, bytes(99)))), Outcome.CORRUPT),
        (write_dm(small(Dimensions={str(i): 1 for i in range(9)})), Outcome.CORRUPT),
    ],
)
def test_refused(data: bytes, outcome: Outcome) -> None:
    assert refused(data).outcome is outcome


def test_hostile_numbers() -> None:
    head = struct.pack(">IQI", 4, 1 << 60, 1) + b"\1\0"
    tag = b"\x15\0\1x" + struct.pack(">Q", 0) + b"%%%%"
    for tail in (
        struct.pack(">Q", 1 << 63),
        struct.pack(">Q", 1) + b"\x63\0\1x" + bytes(40),
        struct.pack(">Q", 1) + tag + struct.pack(">Q", 1 << 40),
        struct.pack(">Q", 1) + tag + struct.pack(">Q", 0) + bytes(40),
        struct.pack(">Q", 1) + tag + struct.pack(">4Q", 3, 20, 2, 1 << 60),
        struct.pack(">Q", 1) + tag + struct.pack(">4Q", 3, 20, 99, 1),
        struct.pack(">Q", 1) + tag + struct.pack(">4Q", 3, 15, 0, 1 << 62),
        struct.pack(">Q", 1) + tag.replace(b"%%%%", b"%%%!") + bytes(40),
    ):
        assert refused(head + tail).outcome is Outcome.CORRUPT


def test_depth_is_bounded() -> None:
    tags: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        tags = {"0": tags}
    assert "deep" in refused(write_dm(tags)).message


def test_groups_that_claim_one_another() -> None:
    # Endless empty groups: each is short, and there is no end of them but that of the file.
    data = struct.pack(">III", 3, 0, 1) + b"\1\0" + struct.pack(">I", 100_000)
    data += (b"\x14\0\0" + b"\1\0" + struct.pack(">I", 0)) * 99_999
    assert refused(data).outcome is Outcome.TRUNCATED


def test_far_apart_tags_spend_the_budget() -> None:
    data = write_dm({str(i): Blob(10, bytes(100_000)) for i in range(40)})
    with pytest.raises(RecordMissing) as caught:
        read_tags(CachedRanges(bytes_ranges(data), budget=1_000_000))
    assert caught.value.outcome is Outcome.TOO_LARGE

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import CachedRanges, CallableRanges, FileRanges, bytes_ranges
from imgcrawl.microscopy.tiff_facts import describe_tiff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.microscopy.facts import FileFacts

_FEI = (
    "[User]\r\nDate=06/11/2018\r\nTime=10:00:00 AM\r\nUser=supervisor\r\n\r\n"
    "[System]\r\nSystemType=Helios G4\r\n\r\n[Beam]\r\nHV=2000\r\n\r\n"
    "[Scan]\r\nPixelWidth=6.5e-008\r\nPixelHeight=6.5e-008\r\nDwelltime=1e-006\r\n\r\n"
    "[Stage]\r\nStageX=0.001\r\nWorkingDistance=0.004\r\n\r\n[Detectors]\r\nName=TLD\r\n"
)


def written(shape: tuple[int, ...] = (4, 6), dtype: str = "uint8", **how: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros(shape, dtype), **how)
    return file.getvalue()


def described(data: bytes, *, walk: bool = True) -> FileFacts:
    return describe_tiff(bytes_ranges(data), walk=walk)


def refused(data: bytes) -> RecordMissing:
    with pytest.raises(RecordMissing) as caught:
        described(data)
    return caught.value


def voxels(facts: FileFacts) -> tuple[float | None, ...]:
    return facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm


@pytest.mark.parametrize("unit", ["\\u00B5m", "micron", "um", "\u00b5m"])
def test_imagej(unit: str) -> None:
    text = f"ImageJ=1.52p\nimages=5\nslices=5\nunit={unit}\nspacing=0.02\nloop=false\n"
    raw = text.encode("latin-1")
    data = written((5, 4, 6), description=raw, resolution=(50, 40), resolutionunit=1, metadata=None)
    facts = described(data)
    assert facts.format == "ImageJ TIFF"
    assert (facts.size_z, facts.size_y, facts.size_x) == (5, 4, 6)
    assert (facts.size_c, facts.size_t, facts.dtype, facts.pages) == (None, None, "uint8", 5)
    assert voxels(facts) == (20.0, 25.0, 20.0)
    assert set(facts.voxel_source.values()) == {"file: ImageJ tags"}


def test_imagej_hyperstack_of_one_directory() -> None:
    data = written((2, 3, 4, 4, 6), "uint16", imagej=True, metadata={"axes": "TZCYX"})
    facts = described(data, walk=False)
    assert (facts.size_t, facts.size_z, facts.size_c, facts.pages) == (2, 3, 4, 24)
    assert voxels(facts) == (None, None, None)


def test_ome() -> None:
    metadata = {
        "axes": "TCZYX",
        "PhysicalSizeX": 0.008,
        "PhysicalSizeXUnit": "\u00b5m",
        "PhysicalSizeY": 8,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.05,
    }
    data = written((1, 2, 3, 4, 6), "uint16", ome=True, metadata=metadata)
    facts = described(data)
    assert (facts.format, facts.dtype, facts.pages) == ("OME-TIFF", "uint16", 6)
    assert (facts.size_t, facts.size_c, facts.size_z) == (1, 2, 3)
    assert voxels(facts) == (50.0, 8.0, 8.0)
    assert described(data, walk=False).pages is None


def test_ome_more() -> None:
    text = (
        '<OME:OME xmlns="x"><Objective ID="1" NominalMagnification="63"/>'
        '<Detector Model="HyD &amp; co"/><AcquisitionDate>2018-06-11T20:27:16</AcquisitionDate>'
        "<OME:Pixels SizeX='6' SizeZ = '9' PhysicalSizeX='0.5' PhysicalSizeXUnit='reference frame'"
        " SizeT='99999999999999999999' ></OME:Pixels></OME:OME>"
    )
    facts = described(written(description=text, metadata=None))
    assert (facts.magnification, facts.detector) == (63.0, "HyD & co")
    assert facts.acquired == "2018-06-11T20:27:16"
    assert (facts.size_z, facts.size_t, facts.voxel_x_nm) == (9, None, None)


@pytest.mark.parametrize("tag", [34680, 34682])
@pytest.mark.parametrize("private", [False, True])
def test_fei(tag: int, private: bool) -> None:
    data = written(metadata=None, extratags=[(tag, 2, None, _FEI, True)])
    facts = describe_tiff(bytes_ranges(data), private=private)
    assert facts.format == "FEI TIFF"
    assert voxels(facts) == (None, 65.0, 65.0)
    assert facts.acquired is None  # 6 November or 11 June?
    assert (facts.voltage_v, facts.detector) == (2000.0, "TLD")
    assert facts.extra["working_distance_mm"] == 4.0
    assert facts.extra["dwell_us"] == 1.0
    assert facts.extra["stage_x_um"] == 1000.0
    assert ("supervisor" in facts.extra.values()) is private


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        ((300, 300), 2, None),
        ((72, 72), 2, None),
        ((4800, 4800), 2, None),
        ((1_250_000, 1_250_000), 3, 8.0),
        ((1_250_000, 1_250_000), 1, None),
        ((3_175_000, 3_175_000), 2, 8.0),
    ],
)
def test_plain_resolution(resolution: tuple[int, int], unit: int, size: float | None) -> None:
    facts = described(written(resolution=resolution, resolutionunit=unit, metadata=None))
    assert facts.format == "TIFF"
    assert voxels(facts) == (None, size, size)
    assert facts.pages == 1


def test_a_stack_of_chained_pages() -> None:
    pages: dict[str, Any] = {"metadata": None, "subfiletype": 2, "software": "InsightToolkit"}
    data = written((12, 4, 6), **pages)
    facts = described(data)
    assert (facts.size_z, facts.pages, voxels(facts)) == (12, 12, (None, None, None))
    remote = described(data, walk=False)
    assert (remote.size_z, remote.pages) == (None, None)
    extra = [(297, 3, 2, (0, 12), True)]
    told = described(written((12, 4, 6), extratags=extra, **pages), walk=False)
    assert (told.size_z, told.pages) == (12, 12)


def test_colour_and_big() -> None:
    facts = described(written((4, 6, 3), photometric="rgb", bigtiff=True, byteorder=">"))
    assert (facts.size_c, facts.size_y, facts.size_x, facts.pages) == (3, 4, 6, 1)
    assert described(written(compression="zlib")).compression == "adobe_deflate"


def test_few_bytes_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, np.zeros((64, 512, 512), "uint8"), metadata=None, rowsperstrip=4)
    with FileRanges(path) as ranges:
        cached = CachedRanges(ranges)
        facts = describe_tiff(cached, walk=False)
        assert (facts.size_x, facts.pages) == (512, None)
        assert cached.fetched <= 3 * 64 * 1024
        assert describe_tiff(ranges).pages == 64


# Faults


def test_cut_anywhere() -> None:
    data = written(metadata=None)
    for end in range(len(data)):
        assert refused(data[:end]).outcome in {Outcome.TRUNCATED, Outcome.CORRUPT}, end
    assert refused(data[:-1]).outcome is Outcome.TRUNCATED


@pytest.mark.parametrize("data", [b"", b"<html><title>No</title>", b"\x89PNG\r\n\x1a\n" * 9])
def test_no_tiff(data: bytes) -> None:
    assert refused(data).outcome in {Outcome.TRUNCATED, Outcome.CORRUPT}


def directory(*entries: tuple[int, int, int, int], link: int = 0, at: int = 8) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", at, len(entries)) + body + struct.pack("<I", link)


_GOOD = ((256, 4, 1, 6), (257, 4, 1, 4), (258, 3, 1, 8), (273, 4, 1, 0), (279, 4, 1, 24))


def test_a_loop_of_pages_ends() -> None:
    assert described(directory(*_GOOD, link=8) + bytes(99)).pages == 1


def test_giant_dimensions() -> None:
    giant = ((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1), *_GOOD[2:])
    assert refused(directory(*giant) + bytes(99)).outcome is Outcome.CORRUPT
    # A picture of a slide is large, and no lie by that alone.
    assert described(directory((256, 4, 1, 10**6), *_GOOD[1:]) + bytes(99)).size_x == 10**6


def test_far_offsets() -> None:
    far = directory(*_GOOD[:3], (273, 4, 1, 2**31), (279, 4, 1, 24))
    assert refused(far + bytes(99)).outcome is Outcome.TRUNCATED
    assert refused(directory(*_GOOD, at=2**31)).outcome is Outcome.TRUNCATED
    assert refused(directory(*_GOOD, link=2**31) + bytes(99)).outcome is Outcome.TRUNCATED


def test_tags_that_share_a_long_value() -> None:
    value = 6 << 20
    many = [(270, 2, value, 8)] * 500  # the description, which is read at once
    data = directory(*_GOOD, *many) + bytes(value)
    assert refused(data).outcome is Outcome.TOO_LARGE


def test_a_failing_read_is_no_verdict_on_the_file() -> None:
    data = written()

    def fetch(offset: int, length: int) -> bytes:
        if offset:
            raise ConnectionResetError("lost")
        return data[offset : offset + length]

    ranges = CallableRanges(fetch, 10**9)
    with pytest.raises(ConnectionResetError):
        describe_tiff(CachedRanges(ranges, block=16))


def test_units_of_imagej_for_each_axis() -> None:
    text = "ImageJ=1.54f\nimages=3\nslices=3\nunit=micron\nyunit=nm\nzunit=nm\nspacing=50\n"
    how: dict[str, Any] = {"resolution": (125, 0.125), "resolutionunit": 1, "metadata": None}
    how["photometric"] = "minisblack"
    facts = described(written((3, 4, 6), description=text, **how))
    assert voxels(facts) == (50.0, 8.0, 8.0)
    for unit, spacing, sizes in (
        ("cm", "0.00001", (100.0, 80000.0, 80000.0)),
        ("inch", "0.0001", (None, None, None)),  # 125 dots to an inch: a printer's
    ):
        text = f"ImageJ=1.54f\nimages=3\nslices=3\nunit={unit}\nspacing={spacing}\n"
        how["resolution"] = (125, 125)
        assert voxels(described(written((3, 4, 6), description=text, **how))) == sizes


# Whole is whole


def raw_pages(n: int, *, link: int = 0, more: int = 0, compression: int = 1) -> bytes:
    """Pages of 6 x 4 bytes, each directory before its pixels.

    link: of the last page; more: bytes that each says it has more
    """
    body = b"II*\0" + struct.pack("<I", 8)
    for index in range(n):
        start = 8 + index * (2 + 6 * 12 + 4 + 24)
        pixels = start + 2 + 6 * 12 + 4
        entries = (
            (256, 6),
            (257, 4),
            (258, 8),
            (259, compression),
            (273, pixels),
            (279, 24 + more),
        )
        body += struct.pack("<H", 6) + b"".join(
            struct.pack("<HHII", t, 4, 1, n) for t, n in entries
        )
        body += struct.pack("<I", pixels + 24 if index < n - 1 else link)
        body += bytes(range(24))
    return body


def test_every_page_has_its_pixels() -> None:
    data = raw_pages(5)
    facts = described(data)
    assert (facts.pages, facts.proof) == (5, Proof(Checked.WHOLE))
    # Directories in front, pixels of the last two pages cut off.
    front = written((5, 40, 60), metadata=None)
    assert described(front).pages == 5
    for end in (len(data) - 1, len(data) - 24, len(data) - 60, len(data) // 2):
        assert refused(data[:end]).outcome is Outcome.TRUNCATED


def test_pages_in_front_of_all_pixels() -> None:
    size = 2 + 6 * 12 + 4
    body = b"II*\0" + struct.pack("<I", 8)
    for index in range(5):
        pixels = 8 + 5 * size + 24 * index
        entries = ((256, 6), (257, 4), (258, 8), (259, 1), (273, pixels), (279, 24))
        body += struct.pack("<H", 6) + b"".join(
            struct.pack("<HHII", t, 4, 1, n) for t, n in entries
        )
        body += struct.pack("<I", 8 + (index + 1) * size if index < 4 else 0)
    assert described(body + bytes(5 * 24)).pages == 5
    bad = refused(body + bytes(2 * 24))
    assert bad.outcome is Outcome.TRUNCATED
    assert bad.message == "page 2 reaches to byte 470 of 446"


@pytest.mark.parametrize("images", [2, 100])
def test_imagej_images_behind_one_directory(images: int) -> None:
    data = written((images, 32, 32), imagej=True, metadata={"axes": "ZYX"})
    page = tifffile.TiffFile(io.BytesIO(data)).pages.first
    assert isinstance(page, tifffile.TiffPage)
    # ImageJ itself writes no directories behind the first.
    link, end = page.offset + 2 + 12 * len(page.tags), page.dataoffsets[0] + 1024 * images
    data = data[:link] + bytes(4) + data[link + 4 : end]
    facts = described(data)
    assert (facts.size_z, facts.pages, facts.proof) == (images, images, Proof(Checked.WHOLE))
    bad = refused(data[:-1])
    assert bad.outcome is Outcome.TRUNCATED
    assert bad.message.startswith(f"the {images} images reach to byte")


def test_imagej_speaks_of_images_that_are_not_there() -> None:
    text = "ImageJ=1.53t\nimages=100\nslices=100\nunit=nm\nspacing=40\n"
    data = raw_pages(3)
    mine = written((4, 6), description=text, metadata=None, compression="zlib")
    facts = described(mine)
    assert (facts.size_z, facts.pages) == (None, 1)
    assert facts.proof.suspect == "ImageJ speaks of 100 images, and 1 are there"
    assert described(data).pages == 3


@pytest.mark.parametrize(
    ("data", "suspect"),
    [
        (raw_pages(2, link=1 << 20), "page 2 lies behind the end, at byte 1,048,576 of 212"),
        (
            raw_pages(1, more=6),
            "page 0: its pixels are said to reach to byte 116 of 110, and do not",
        ),
        (
            raw_pages(1, more=0xFFFFFC00 - 24),
            "page 0: its pixels are said to reach to byte 4,294,966,358 of 110, and do not",
        ),
    ],
)
def test_what_every_reader_opens_is_suspect_and_kept(data: bytes, suspect: str) -> None:
    facts = described(data)
    assert (facts.proof.checked, facts.proof.suspect) == (Checked.WHOLE, suspect)
    for page in tifffile.TiffFile(io.BytesIO(data)).pages:
        assert np.array_equal(page.asarray().ravel(), np.arange(24))
    # A pixel less, and it is what it looks like.
    assert refused(data[:-1]).outcome is Outcome.TRUNCATED


def test_deflated_pixels_have_an_end_of_their_own() -> None:
    data = bytearray(written((40, 60), compression="zlib", metadata=None))
    (page,) = tifffile.TiffFile(io.BytesIO(bytes(data))).pages
    assert isinstance(page, tifffile.TiffPage)
    place = page.tags["StripByteCounts"].valueoffset
    data[place : place + 4] = struct.pack("<I", 100_000)
    assert page.dataoffsets[0] + page.databytecounts[0] == len(data)
    assert "and do not" in described(bytes(data)).proof.suspect
    assert refused(bytes(data[:-9])).outcome is Outcome.TRUNCATED


def test_a_page_that_was_cut_off_is_no_rubbish_link() -> None:
    # Pixels before their directory, as libtiff writes them: what the last link leads to is gone.
    first = b"II*\0" + struct.pack("<I", 32) + bytes(24)
    entries = ((256, 6), (257, 4), (258, 8), (259, 1), (273, 8), (279, 24))
    first += struct.pack("<H", 6) + b"".join(struct.pack("<HHII", t, 4, 1, n) for t, n in entries)
    first += struct.pack("<I", 32 + 78 + 24)
    assert refused(first + bytes(20)).outcome is Outcome.TRUNCATED


def test_smaller_levels_are_there_too() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(np.ones((64, 64), "uint8"), subifds=1, metadata=None)
        tiff.write(np.ones((32, 32), "uint8"), subfiletype=1, metadata=None)
    data = file.getvalue()
    assert described(data).proof.checked is Checked.WHOLE
    assert refused(data[:-1]).outcome is Outcome.TRUNCATED


def test_an_lsm_has_byte_counts_that_are_too_large() -> None:
    pixels = bytes(range(24))
    entries = ((256, 4, 6), (257, 4, 4), (258, 4, 8), (259, 4, 5), (273, 4, 8), (279, 4, 900))

    def lzw(*more: tuple[int, int, int]) -> bytes:
        tags = sorted((*entries, *more))
        head = b"II*\0" + struct.pack("<I", 32) + pixels + struct.pack("<H", len(tags))
        return head + b"".join(struct.pack("<HHII", t, k, 1, n) for t, k, n in tags) + bytes(4)

    assert refused(lzw()).outcome is Outcome.TRUNCATED
    assert "and do not" in described(lzw((34412, 1, 1))).proof.suspect


def test_a_plain_tiff_of_more_than_four_gigabytes_is_kept() -> None:
    data = raw_pages(2, link=3)  # which leads to nowhere that 32 bits can tell

    def fetch(offset: int, length: int) -> bytes:
        return data[offset : offset + length].ljust(length, b"\xff")

    facts = describe_tiff(CallableRanges(fetch, 5 << 30))
    assert facts.proof.checked is Checked.HEADER
    assert "page 2" in facts.proof.suspect
    odd = CallableRanges(
        lambda at, n: (b"II*\0" + bytes(4))[at : at + n].ljust(n, b"\xff"), 5 << 30
    )
    assert "offsets of 32 bits in 5,368,709,120 bytes" in describe_tiff(odd).proof.suspect
    with pytest.raises(RecordMissing):
        describe_tiff(CallableRanges(odd.fetch, 3 << 30))

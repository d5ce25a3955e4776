"""What each format's own header says of a picture, and that a few bytes are enough to read it."""

from __future__ import annotations

import bz2
import struct
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.formats.mrc import parse_header
from imgcrawl.microscopy.proof import Checked, Proof
from imgcrawl.microscopy.ranges import CachedRanges, bytes_ranges
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.microscopy.files import (
    LIF_XML,
    PIXELS,
    boxes,
    czi,
    czi_entry,
    emi,
    jeol,
    leaf,
    level,
    lif,
    mha,
    mib,
    mrc,
    nd2,
    nd2_chunks,
    nifti,
    nrrd,
    obf,
    ole_of,
    streak,
    tiff,
    tvips,
    whole_files,
)

if TYPE_CHECKING:
    from imgcrawl.microscopy.facts import FileFacts

ND2 = nd2(nd2_chunks())
# Sizes (z, y, x, c, t), dtype, voxel sizes (z, y, x) in nanometres.
SAID: dict[str, tuple[Any, ...]] = {
    ".mrc": ((2, 48, 64, None, None), "int8", (0.3, 0.2, 0.2)),
    ".dv": ((1, 48, 64, 2, 1), "uint8", (300.0, 100.0, 100.0)),
    ".em": ((2, 48, 64, None, None), "int8", (None, None, None)),
    ".spi": ((1, 24, 64, None, None), "float32", (None, None, None)),
    ".hed": ((3, 48, 64, None, None), "float32", (None, None, None)),
    ".ser": ((None, 48, 64, None, 2), "uint8", (None, 1.0, 1.0)),
    ".blo": ((None, 16, 16, None, None), "uint8", (None, None, None)),
    ".klb": ((2, 48, 64, 1, 1), "uint8", (2000.0, 500.0, 500.0)),
    ".nii": ((2, 48, 64, None, None), "uint8", (2e6, 5e5, 5e5)),
    ".nrrd": ((2, 48, 64, None, None), "uint8", (2000.0, 500.0, 500.0)),
    ".npy": ((2, 48, 64, None, None), "uint16", (None, None, None)),
    ".img": ((None, 48, 64, None, None), "uint16", (None, None, None)),
    ".fits": ((None, 96, 64, None, None), None, (None, None, None)),
    ".sif": ((None, 24, 32, None, 2), "float32", (None, None, None)),
    ".pic": ((2, 48, 64, None, None), "uint8", (None, None, None)),
    ".czi": ((2, 48, 64, 1, None), "uint8", (500.0, 100.0, 100.0)),
    ".lif": ((2, 48, 64, 1, None), "uint8", (500.0, 100.0, 100.0)),
    ".dcm": ((2, 48, 64, None, None), "uint8", (None, 1000.0, 2000.0)),
    ".jp2": ((None, 96, 64, None, None), "uint8", (None, None, None)),
    ".nd2": ((3, 48, 64, 2, 5), "uint16", (300.0, 100.0, 100.0)),
    ".obf": ((2, 48, 64, None, None), "uint8", (2000.0, 500.0, 500.0)),
    ".ets": ((None, 48, 120, None, None), "uint8", (None, None, None)),
    ".mha": ((2, 48, 64, None, None), "uint8", (2e6, 5e5, 5e5)),
    ".mib": ((None, 24, 64, None, 2), "uint16", (None, None, None)),
    ".tvips": ((None, 24, 64, None, 2), "uint16", (None, None, None)),
}


def described(data: bytes, name: str = "", *, walk: bool = True) -> FileFacts:
    return describe(bytes_ranges(data), name=name, walk=walk)


@pytest.mark.parametrize("extension", SAID)
@pytest.mark.parametrize("walk", [False, True])
def test_what_a_header_says(extension: str, walk: bool) -> None:
    data = ND2 if extension == ".nd2" else whole_files()[extension]
    cached = CachedRanges(bytes_ranges(data), block=1024)
    facts = describe(cached, name=f"a{extension}", walk=walk)
    sizes = tuple(getattr(facts, f"size_{axis}") for axis in "zyxct")
    voxels = tuple(getattr(facts, f"voxel_{axis}_nm") for axis in "zyx")
    assert (sizes, facts.dtype, voxels) == SAID[extension]
    assert set(facts.voxel_source) == {a for a, size in zip("zyx", voxels, strict=True) if size}
    assert walk or cached.requests <= 7


def test_mrc_bytes_are_signed_unless_imod_says_otherwise() -> None:
    data = bytearray(mrc())
    assert described(bytes(data)).dtype == "int8"
    for flags, dtype in ((1, "int8"), (0, "uint8"), (2, "uint8"), (3, "int8")):
        struct.pack_into("<2i", data, 152, 1146047817, flags)
        assert described(bytes(data)).dtype == dtype


@pytest.mark.parametrize("order", ["<", ">"])
def test_mrc_of_either_byte_order_and_without_a_mark(order: str) -> None:
    data = bytearray(mrc(6, order=order))
    assert described(bytes(data)).dtype == "uint16"
    data[208:216] = bytes(8)  # as it was before 2000
    assert described(bytes(data), "a.st").size_x == 64
    with pytest.raises(RecordMissing):
        described(bytes(data), "a.unheard")


def test_mrc_axes_are_permuted() -> None:
    data = bytearray(mrc())
    struct.pack_into("<3i", data, 64, 3, 1, 2)  # columns are z
    facts = described(bytes(data))
    # The cell's sides count along x, y, z: 64 columns of 6 angstrom in all.
    assert facts.voxel_x_nm == pytest.approx(6 / 2 / 10)


@pytest.mark.parametrize(("mode", "bits"), [(1, 16), (2, 32), (4, 64), (12, 16), (101, 4)])
def test_the_length_of_an_mrc_follows_from_its_mode(mode: int, bits: int) -> None:
    head = bytearray(mrc()[:1024])
    struct.pack_into("<4i", head, 0, 7, 3, 2, mode)
    length = (7 * bits + 7) // 8 * 6
    assert described(bytes(head) + bytes(length)).proof.suspect == ""
    with pytest.raises(RecordMissing, match=f"reaches to byte {1024 + length:,} of"):
        described(bytes(head) + bytes(length - 1))
    longer = described(bytes(head) + bytes(length + 5)).proof
    assert (longer.checked, longer.suspect) == (Checked.WHOLE, "5 bytes follow its end")


def fei(angle: float) -> bytes:
    block = bytearray(768)
    struct.pack_into("<2i", block, 0, 768, 0)
    block[20:27] = b"Krios-1"
    block[435:441] = b"Falcon"
    for place, value in ((84, 3e5), (92, 1.5e20), (100, angle), (156, 1e-10), (289, 1e5)):
        struct.pack_into("<d", block, place, value)
    struct.pack_into("<2d", block, 220, -2e-6, 0)
    return bytes(block)


def test_mrc_with_the_header_of_a_microscope() -> None:
    data = mrc(extended=fei(-60.0) + fei(-57.0), kind=b"FEI1")
    facts = described(data)
    assert (facts.voltage_v, facts.magnification, facts.detector) == (
        300_000.0,
        100_000.0,
        "Falcon",
    )
    assert facts.extra == {
        "tilt_angles": "-60 -57",
        "dose": 1.5,
        "defocus_um": -2.0,
        "instrument": "Krios-1",
    }
    assert facts.voxel_z_nm is None  # of a series of pictures


def test_mrc_with_the_header_of_serialem() -> None:
    sections = b"".join(struct.pack("<4h", angle, 1, 2, 3) for angle in (-6000, -5700))
    data = bytearray(mrc(extended=sections, kind=b"SERI"))
    struct.pack_into("<2h", data, 128, 8, 1 | 2)
    assert described(bytes(data)).extra == {"tilt_angles": "-60 -57"}


def test_units_and_encodings() -> None:
    assert described(nifti(unit=3)).voxel_x_nm == 500.0
    assert described(nifti(unit=0)).voxel_x_nm is None
    packed = described(nrrd("gzip"))
    assert (packed.compression, packed.proof.checked) == ("gzip", Checked.WHOLE)
    with pytest.raises(RecordMissing):
        described(nrrd("gzip")[:-4])


def test_a_channel_and_an_objective_of_many() -> None:
    xml = (
        "<Information><Image><ObjectiveSettings><ObjectiveRef Id='O:2'/></ObjectiveSettings>"
        "<Channels><Channel Id='C:0' Name='DAPI'/><Channel Id='C:1' Name='GFP'/></Channels></Image>"
        "<Objectives>"
        "<Objective Id='O:1'><NominalMagnification>10</NominalMagnification></Objective>"
        "<Objective Id='O:2'><NominalMagnification>40</NominalMagnification></Objective>"
        "</Objectives>"
        "</Information>"
    )
    segment = bytes(32) + struct.pack("<2i248x", len(xml), 0) + xml.encode()
    from imgcrawl.microscopy.formats.czi_xml import read_czi_xml

    facts = read_czi_xml(bytes_ranges(bytes(64) + segment), 64)
    assert (facts["magnification"], facts["extra"]) == (40.0, {"channels": "DAPI, GFP"})


def test_channels_loops_and_objective_of_an_nd2() -> None:
    facts = described(ND2, "a.nd2")
    assert facts.magnification == 60.0
    assert facts.extra == {"channels": "DAPI, GFP", "time_step_s": 2.0}
    older = {
        b"ImageAttributes!": b'<a><uiWidth runtype="lx_uint32" value="64"/>'
        b'<uiHeight runtype="lx_uint32" value="48"/></a>'
    }
    assert (described(nd2(older)).size_x, described(nd2(older)).size_y) == (64, 48)


def test_noise_is_no_mrc() -> None:
    assert parse_header(PIXELS[:1024]) is None
    assert parse_header(bytes(1024)) is None


MDOC = (
    "PixelSpacing = 1.7\nVoltage = 300\nImageFile = C:\\\\data\\\\a.st\nImageSize = 4096 3072\n"
    "DataMode = 1\n\n[ZValue = 0]\nTiltAngle = -60.01\nExposureDose = 2.5\nExposureTime = 1.2\n"
    "Magnification = 42000\n\n[ZValue = 1]\nTiltAngle = -57\nExposureDose = 2.5\n"
)


def test_mdoc() -> None:
    facts = described(MDOC.encode(), "a.mrc.mdoc")
    assert (facts.size_z, facts.size_y, facts.size_x, facts.dtype) == (2, 3072, 4096, "int16")
    assert (facts.voxel_x_nm, facts.voltage_v, facts.magnification) == (0.17, 300_000.0, 42_000.0)
    assert facts.extra == {
        "tilt_angles": "-60.01 -57",
        "dose": 5.0,
        "exposure": 1.2,
        "image_file": "a.st",
    }


OIF = (
    '[Acquisition Parameters Common]\r\nAcquisition Device="FV1000"\r\n'
    "ImageCaputreDate='2012-07-26 15:13:35'\r\n"
    '[Axis 0 Parameters Common]\r\nAxisCode="X"\r\nMaxSize=256\r\nUnitName="um"\r\n'
    '[Axis 3 Parameters Common]\r\nAxisCode="Z"\r\nMaxSize=3\r\nInterval=840\r\nUnitName="nm"\r\n'
    "StartPosition=0.0\r\nEndPosition=-1680.0\r\n"
    '[Axis 4 Parameters Common]\r\nAxisCode="T"\r\nMaxSize=5\r\nUnitName="ms"\r\n'
    "StartPosition=0.0\r\nEndPosition=2000.0\r\n"
    '[Reference Image Parameter]\r\nImageDepth=2\r\nWidthConvertValue=0.177\r\nWidthUnit="um"\r\n'
)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_oif(encoding: str) -> None:
    facts = described(OIF.encode(encoding), "a.oif")
    assert (facts.size_x, facts.size_z, facts.size_t, facts.dtype) == (256, 3, 5, "uint16")
    assert (facts.voxel_x_nm, facts.voxel_z_nm) == (177.0, 840.0)
    assert (facts.acquired, facts.extra["time_step_s"]) == ("2012-07-26T15:13:35", 0.5)


def test_a_header_in_text_is_no_oif() -> None:
    assert described(b"ENVI\nsamples = 9\n", "a.hdr").format == "header"
    detached = mha().partition(b"LOCAL")[0] + b"a.raw\n"
    facts = described(detached, "a.mhd")
    assert (facts.format, facts.size_z, facts.extra) == ("MetaImage", 2, {"data_file": "a.raw"})
    for name, text in (
        ("a.oif", "404: Not Found"),
        ("a.pty", '[{"error": "quota"}]'),
        ("a.mhd", "errors:\n  - quota"),
        ("a.hdr", "404: Not Found"),
        ("a.svg", "Not Found"),
        ("a.html", "Not Found"),
    ):
        with pytest.raises(RecordMissing) as refused:
            described(text.encode(), name)
        assert refused.value.outcome is Outcome.NOT_IMAGE


def test_random_groups_of_fits_are_as_long_as_they_say() -> None:
    cards = ("SIMPLE  =  T", "BITPIX  = 8", "NAXIS   = 3", "NAXIS1  = 0", "NAXIS2  = 3")
    more = ("NAXIS3  = 100", "GROUPS  =  T", "PCOUNT  = 6", "GCOUNT  = 20", "END")
    head = "".join(card.ljust(80) for card in (*cards, *more)).ljust(2880).encode()
    data = head + bytes(3 * 2880)  # (3 x 100 + 6) x 20 bytes, in blocks
    assert described(data, "a.fits").proof.checked is Checked.WHOLE
    with pytest.raises(RecordMissing, match="reaches to byte 11,520 of 11,519"):
        described(data[:-1], "a.fits")


def test_a_header_of_fits_by_itself_is_a_header() -> None:
    cards = ("SIMPLE  =  T", "BITPIX  = 8", "NAXIS   = 0", "END")
    data = "".join(card.ljust(80) for card in cards).encode()
    assert described(data, "a.hdr").format == "header"


def test_oib_is_an_oif_within_an_ole_file() -> None:
    """The layout of a real one: the text of the main stream is named in another."""
    info = "[OibSaveInfo]\r\nMainFileName=Stream00013\r\n".encode("utf-16")
    facts = described(ole_of({"OibInfo.txt": info, "Stream00013": OIF.encode("utf-16")}), "a.oib")
    assert (facts.format, facts.size_z, facts.voxel_x_nm) == ("OLE (OIB)", 3, 177.0)
    assert facts.proof == Proof(Checked.WHOLE)


def test_a_companion_of_ome_tiffs() -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="a"><Image><Pixels SizeX="8" SizeZ="30"'
        ' PhysicalSizeX="0.1"><TiffData><UUID FileName="b.ome.tif">urn:uuid:1</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    facts = described(xml.encode(), "a.companion.ome")
    assert (facts.format, facts.size_z, facts.voxel_x_nm) == ("OME-XML", 30, 100.0)
    with pytest.raises(RecordMissing):
        described(xml[:-9].encode(), "a.companion.ome")


def test_text_in_old_encodings_is_text() -> None:
    for data in (
        "Gr\u00f6\u00dfe;Wert\n".encode("latin-1") * 9,
        "\u986f\u5fae\u93e1,1\n".encode("shift-jis") * 9,
        b"N\x08NA\x08AM\x08ME\x08E\n" * 20,  # bold, on a terminal
        "a,b\n".encode("utf-16"),
    ):
        assert described(data, "a.csv").format == "text"
    assert described(b'<p align="center">Readme</p>\n', "README.md").format == "Markdown"
    assert described(b"<!doctype html><html>", "a.html").format == "HTML"


def test_the_xml_of_big_data_viewer() -> None:
    setup = (
        "<ViewSetup><id>{}</id><name>a</name><size>64 48 12</size><voxelSize><unit>um</unit>"
        "<size>0.1 0.1 0.5</size></voxelSize></ViewSetup>"
    )
    xml = '<?xml version="1.0"?><SpimData version="0.2"><SequenceDescription><ViewSetups>'
    xml += "".join(setup.format(n) for n in range(3))
    xml += "</ViewSetups></SequenceDescription></SpimData>"
    facts = described(xml.encode(), "dataset.xml")
    assert (facts.format, facts.proof.checked) == ("BigDataViewer XML", Checked.WHOLE)
    assert (facts.size_z, facts.size_y, facts.size_x) == (12, 48, 64)
    assert (facts.voxel_z_nm, facts.voxel_x_nm, facts.extra) == (500.0, 100.0, {"setups": 3})


def test_an_extension_may_be_that_of_several_instruments() -> None:
    for name, data, format_ in (
        ("View000_0000001.map", jeol(), "JEOL"),
        ("View000_0000000.img", jeol(), "JEOL"),
        ("a.img", streak(), "Hamamatsu IMG"),
        ("a.map", mrc(), "MRC"),
        ("a.emi", emi(), "EMI"),
    ):
        assert described(data, name).format == format_
    cut = streak()[:-1]
    with pytest.raises(RecordMissing, match="an IMG of 64 x 48 reaches to byte"):
        described(cut, "a.img")


def test_pictures_behind_one_another_are_counted_and_the_last_is_whole() -> None:
    for data, name, what in ((mib(32), "a.mib", "MIB"), (tvips(), "a.tvips", "TVIPS file")):
        facts = described(data, name)
        assert (facts.size_t, facts.proof.checked) == (2, Checked.HEADER)
        with pytest.raises(RecordMissing, match=f"picture 1 of the {what} reaches to byte"):
            described(data[:-1], name)
    assert facts.voltage_v == 200_000.0
    raw = described(mib().replace(b",U16,", b",R64,"), "a.mib")
    assert (raw.size_x, raw.dtype, raw.proof.checked) == (64, None, Checked.HEADER)


def test_a_czi_whose_xml_has_no_sizes_has_them_in_its_directory() -> None:
    xml = "<ImageDocument><Metadata><Information><Image><SizeX>-1</SizeX></Image></Information>"
    entries = (
        czi_entry(3, 6, X=(-100, 200), Y=(0, 50), C=(0, 1), Z=(0, 1)),
        czi_entry(3, 6, X=(100, 200), Y=(20, 50), C=(1, 1), Z=(4, 1)),
    )
    facts = described(czi(xml_text=xml + "</Metadata></ImageDocument>", entries=entries))
    assert (facts.size_z, facts.size_y, facts.size_x, facts.size_c) == (5, 70, 400, 6)
    assert (facts.dtype, facts.compression) == ("uint8", "zstd")
    known = described(czi(entries=(czi_entry(1, 4, X=(0, 9)),)))
    assert (known.size_x, known.dtype, known.compression) == (64, "uint8", "jpegxr")
    cut = described(czi(xml_text=xml, entries=(entries[0][:40],)))
    assert (cut.size_x, cut.compression) == (None, "zstd")


def test_wavelengths_of_a_lif_are_channels() -> None:
    axis = '<DimensionDescription DimID="5" NumberOfElements="10" Length="4.5e-08" Unit="m"/>'
    facts = described(lif(xml_text=LIF_XML.replace("</Dimensions>", f"{axis}</Dimensions>")))
    assert (facts.size_z, facts.size_c, facts.extra) == (2, 10, {"wavelengths": 10})


def test_a_lif_without_a_block_that_its_xml_lists_is_cut() -> None:
    more = '<Memory Size="900" MemoryBlockID="M2"/><Memory Size="0" MemoryBlockID="M3"/></Element>'
    with pytest.raises(RecordMissing, match="block M2 of the LIF is not there") as cut:
        described(lif(xml_text=LIF_XML.replace("</Element>", more)))
    assert cut.value.outcome is Outcome.TRUNCATED


def test_an_objective_may_be_known_by_its_name_alone() -> None:
    for name, power in (("Plan Apo 60x Oil", 60.0), ("S Fluor 2.5x", 2.5), ("Plan Fluor", None)):
        picture = level("a", leaf("wsObjectiveName", name), leaf("dObjectiveMag", -1.5))
        assert described(nd2({b"ImageMetadataSeqLV|0!": picture})).magnification == power


def test_compressed_pixels_are_expanded_to_their_end() -> None:
    facts = described(mha(packed=True), "a.mha")
    assert (facts.compression, facts.proof) == ("zlib", Proof(Checked.WHOLE))
    bzip2 = nrrd().replace(b"encoding: raw", b"encoding: bzip2").replace(PIXELS, b"")
    assert described(bzip2 + bz2.compress(PIXELS), "a.nrrd").proof == Proof(Checked.WHOLE)
    for bad, outcome in (
        (mha(packed=True)[:-3], Outcome.TRUNCATED),
        (mha(packed=True, pixels=PIXELS[:-1]), Outcome.CORRUPT),
        (mha(packed=True).replace(b"\x78\x9c", b"\x78\x9d"), Outcome.CORRUPT),
        (bzip2 + bz2.compress(PIXELS)[:-2], Outcome.TRUNCATED),
    ):
        with pytest.raises(RecordMissing) as refused:
            described(bad, "a.nrrd" if bad.startswith(b"NRRD") else "a.mha")
        assert refused.value.outcome is outcome


def test_old_files_without_a_mark_are_known_by_their_numbers() -> None:
    analyze = bytearray(nifti()[:348])
    analyze[344:348] = bytes(4)
    assert described(bytes(analyze), "a.hdr").format == "NIfTI (Analyze)"
    matlab = struct.pack("<5i", 0, 4, 4, 0, 2) + b"M\0" + bytes(128)
    assert described(matlab, "a.mat").format == "MATLAB"
    with pytest.raises(RecordMissing):
        described(PIXELS, "a.mat")


def test_smv_as_others_spell_its_type() -> None:
    text = b"{\nHEADER_BYTES=  512;\nData_type= unsigned short int;\nSIZE1=64;\nSIZE2=48;\n}\n"
    facts = described(text.ljust(512) + PIXELS, "a.img")
    assert (facts.dtype, facts.proof) == ("uint16", Proof(Checked.WHOLE))


def test_a_heic_by_its_size_or_by_what_is_cut_out_of_it() -> None:
    ispe = struct.pack(">I4sIII", 20, b"ispe", 0, 64, 64)
    clap = struct.pack(">I4s8I", 40, b"clap", 64, 1, 48, 1, 0, 2, 0, 2)
    for inner, sides in ((ispe, (64, 64)), (ispe + clap, (48, 64))):
        meta = struct.pack(">I4s", 8 + len(inner), b"free") + inner
        facts = described(boxes(b"heic") + meta, "a.heic")
        assert (facts.size_y, facts.size_x) == sides


def test_two_places_of_a_file_that_disagree_stand_in_conflicts() -> None:
    series = described(mrc(extended=fei(0.0) * 2, kind=b"FEI1"))
    assert series.conflicts == "; ".join(
        f"voxel_{axis}_nm: file: MRC cell 0.2, file: MRC extended header 0.1" for axis in "xy"
    )
    assert series.voxel_x_nm == 0.2
    entry = czi_entry(1, 0, X=(0, 9), Y=(0, 48))
    assert described(czi(entries=(entry,))).conflicts == "dtype: XML uint8, directory uint16"
    description = (
        '<OME><Image ID="Image:0"><Pixels DimensionOrder="XYZCT" SizeX="64" SizeY="40" SizeZ="3"'
        ' SizeC="1" SizeT="1" PhysicalSizeX="0.1"><TiffData/></Pixels></Image></OME>'
    )
    ome = described(
        tiff(description=description, metadata=None, resolution=(20_000, 20_000), resolutionunit=3)
    )
    assert ome.voxel_x_nm == 100.0
    assert "voxel_x_nm: OME-XML 100.0, TIFF resolution 500.0" in ome.conflicts
    assert "size_y: page 48, OME-XML 40" in ome.conflicts
    assert "pages: file 2, OME-XML 3" in ome.conflicts


def test_stacks_of_an_obf() -> None:
    facts = described(obf(), "a.msr")
    assert (facts.format, facts.extra, facts.proof) == ("OBF", {"images": 2}, Proof(Checked.WHOLE))
    assert described(obf(unit=(0, 1))).voxel_x_nm is None  # no metres
    older = b"\xff\xfe\xffCDataStack" + bytes(100)
    assert described(older, "a.msr").format == "MSR"
    loop = bytearray(obf())
    struct.pack_into("<Q", loop, 26 + 16 + 17 * 4 + 30 * 8 + 5 * 4 + 2 * 8, 26)
    with pytest.raises(RecordMissing, match="is followed by one before it"):
        described(bytes(loop))


def test_a_vsi_names_the_folder_that_has_its_pixels() -> None:
    facts = described(whole_files()[".tif"], "https://example.org/a%20b/Slide 1.vsi")
    assert facts.extra == {"data_folder": "_Slide 1_"}
    assert "data_folder" not in described(whole_files()[".tif"], "a.tif").extra


def test_an_emi_says_what_the_microscope_was_set_to() -> None:
    for walk in (False, True):
        facts = described(emi(), "a.emi", walk=walk)
        assert (facts.voltage_v, facts.magnification) == (200_000.0, 19_500.0)
        assert (facts.detector, facts.acquired) == ("WA-Orius", "2016-02-21T17:50:18")
        assert facts.extra == {"instrument": "Tecnai 200 kV", "mode": "TEM uP SA Zoom Image"}
    cut = described(emi()[:-30], "a.emi").proof
    assert cut == Proof(Checked.HEADER, "it has no description at its end, as if it were cut")

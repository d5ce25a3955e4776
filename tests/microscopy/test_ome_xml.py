"""An OME-XML description is that of a whole set; what counts is what this file holds of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from imgcrawl.microscopy.ome_xml import OmeXml, parse_ome_xml
from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.microscopy.tiff_facts import describe_tiff


def pixels(z: int, c: int = 1, t: int = 1, size: str = "0.1", more: str = "") -> str:
    return (
        f'<Pixels DimensionOrder="XYZCT" SizeX="8" SizeY="6" SizeZ="{z}" SizeC="{c}" SizeT="{t}"'
        f' PhysicalSizeX="{size}" PhysicalSizeZ="0.3" {more}>'
    )


def planes(uuid: str, name: str | int = "", **where: int) -> str:
    attributes = " ".join(f'{key}="{value}"' for key, value in where.items())
    named = f' FileName="{name}"' if name else ""
    return f"<TiffData {attributes}><UUID{named}>{uuid}</UUID></TiffData>"


def ome(*images: str, uuid: str = "urn:uuid:2", before: str = "") -> str:
    body = "".join(f"<Image>{image}</Image>" for image in images)
    return f'<?xml version="1.0"?><OME UUID="{uuid}">{before}{body}</OME>'


OVERVIEW = pixels(30, size="5") + planes("urn:uuid:1", "overview.ome.tif", IFD=0, PlaneCount=30)
DETAIL = pixels(2) + planes("urn:uuid:2", "detail.ome.tif", IFD=0, PlaneCount=2)


def test_the_image_of_this_file_is_told_by_its_uuid() -> None:
    found = parse_ome_xml(ome(OVERVIEW + "</Pixels>", DETAIL + "</Pixels>"))
    assert (found.sizes["z"], found.voxels) == (2, {"z": 300.0, "x": 100.0})
    # A file that was copied by a program that knows nothing of UUIDs still has its name.
    renamed = ome(OVERVIEW + "</Pixels>", DETAIL + "</Pixels>", uuid="")
    assert parse_ome_xml(renamed, "https://a/b/detail.ome.tif").sizes["z"] == 2
    # Of neither: nothing is said of a picture that may be another.
    assert parse_ome_xml(renamed, "other.tif") == OmeXml()


def test_the_whole_file_is_described_by_it() -> None:
    file = io.BytesIO()
    text = ome(OVERVIEW + "</Pixels>", DETAIL + "</Pixels>")
    data = np.zeros((2, 6, 8), "uint8")
    tifffile.imwrite(file, data, description=text, metadata=None, photometric="minisblack")
    facts = describe_tiff(bytes_ranges(file.getvalue()))
    assert (facts.size_z, facts.pages, facts.voxel_x_nm) == (2, 2, 100.0)


@pytest.mark.parametrize(
    ("own", "sizes"),
    [
        ([{"FirstZ": 4, "PlaneCount": 1}], (1, 1, 1)),
        ([{"FirstZ": 0, "PlaneCount": 10}], (10, 1, 1)),
        ([{"FirstZ": 0, "PlaneCount": 20}], (10, 2, 1)),
        ([{"FirstC": 1, "PlaneCount": 10}], (10, 1, 1)),
        ([{"FirstT": t, "FirstZ": 3, "PlaneCount": 1} for t in range(5)], (1, 1, 5)),
    ],
)
def test_a_file_of_some_planes_has_these_sizes(
    own: list[dict[str, int]], sizes: tuple[int, int, int]
) -> None:
    image = pixels(10, 2, 5) + planes("urn:uuid:9", PlaneCount=1)
    image += "".join(planes("urn:uuid:2", **where) for where in own)
    found = parse_ome_xml(ome(image + "</Pixels>"))
    assert tuple(found.sizes[axis] for axis in "zct") == sizes


INSTRUMENT = (
    '<Instrument><Detector ID="Detector:0" Model="Spare"/><Detector ID="Detector:1" Model="Used"/>'
    '<Objective ID="Objective:0" NominalMagnification="5"/>'
    '<Objective ID="Objective:2" NominalMagnification="63"/></Instrument>'
)


def test_the_objective_and_the_detector_that_were_used() -> None:
    image = (
        "<AcquisitionDate>2020-05-01T10:00:00</AcquisitionDate>"
        '<ObjectiveSettings ID="Objective:2"/>'
        + pixels(1, 2, more='TimeIncrement="500" TimeIncrementUnit="ms"')
        + '<Channel Name="DAPI"><DetectorSettings ID="Detector:1"/></Channel>'
        + '<Channel Name="GFP"><DetectorSettings ID="Detector:1"/></Channel><TiffData/></Pixels>'
    )
    found = parse_ome_xml(ome(image, before=INSTRUMENT))
    assert (found.magnification, found.detector) == (63.0, "Used")
    assert found.acquired == "2020-05-01T10:00:00"
    assert found.extra == {"channels": "DAPI, GFP", "time_step_s": 0.5}
    # Nobody says which of several was used; of one, it was that.
    untold = parse_ome_xml(ome(pixels(1) + "<TiffData/></Pixels>", before=INSTRUMENT))
    assert (untold.magnification, untold.detector) == (None, None)
    one = '<Instrument><Objective ID="a" NominalMagnification="20"/></Instrument>'
    assert parse_ome_xml(ome(pixels(1) + "</Pixels>", before=one)).magnification == 20.0


def test_several_images_in_one_file_are_counted() -> None:
    held = [pixels(n) + planes("urn:uuid:2", IFD=n) + "</Pixels>" for n in (3, 4)]
    found = parse_ome_xml(ome(*held, OVERVIEW + "</Pixels>"))
    assert (found.images, found.sizes["z"]) == (2, 3)


def test_a_hostile_description_costs_little() -> None:
    many = ome(pixels(10**9, 10**9, 10**9) + planes("urn:uuid:2", PlaneCount=10**9) * 9)
    assert parse_ome_xml(many + planes("x")).sizes["z"] == 10**9
    assert parse_ome_xml("<" * 10**6) == OmeXml()
    assert parse_ome_xml("<Image " * 10**5) == OmeXml()
    assert parse_ome_xml('<Pixels SizeX="99999999999999999999999"/>').sizes == {}

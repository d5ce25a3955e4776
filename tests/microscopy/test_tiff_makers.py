"""What makers of microscopes and cameras write into a TIFF, each in a way of its own."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile

from imgcrawl.microscopy.ranges import bytes_ranges
from imgcrawl.microscopy.tiff_facts import describe_tiff
from imgcrawl.microscopy.tiff_makers import Made, made_by
from imgcrawl.microscopy.tiff_page import TiffHead


def head(tags: dict[int, Any], description: str = "", compression: str = "none") -> TiffHead:
    return TiffHead(2048, 1536, 1, 1, "uint8", compression, description, tags, False, 0, 1)


def made(tags: dict[int, Any], description: str = "", compression: str = "none") -> Made:
    found = made_by(head(tags, description, compression))
    assert found is not None
    return found


def test_a_plain_one_is_of_no_maker() -> None:
    assert made_by(head({282: (1, 1), 305: "a program"}, "a picture")) is None


def test_zeiss_sem() -> None:
    tags = {
        "ap_image_pixel_size": ("Image Pixel Size", 5.5, "nm"),
        "ap_mag": ("Mag", 20.0, "K X"),
        "ap_actualkv": ("EHT Target", 1.5, "kV"),
        "ap_wd": ("WD", 5.1, "mm"),
        "dp_detector_channel": ("Signal A", "InLens"),
    }
    found = made({34118: tags})
    assert found.voxels.sizes == {"x": 5.5, "y": 5.5}
    assert found.facts == {"magnification": 20_000.0, "voltage_v": 1500.0, "detector": "InLens"}
    assert found.extra == {"working_distance_mm": 5.1}
    # Of an older program: metres of a display of 1024 columns.
    assert made({34118: {"": (0, 0, 0, 1.1e-8)}}).voxels.get("x") == 5.5
    assert made({34118: {"": (), "ap_mag": "no tuple"}}).voxels.sizes == {}


def test_lsm() -> None:
    tag = {"VoxelSizeX": 1e-7, "VoxelSizeY": 1e-7, "VoxelSizeZ": 5e-7, "DimensionZ": 9}
    found = made({34412: tag | {"DimensionChannels": 2, "DimensionTime": 1, "TimeIntervall": 1.5}})
    assert found.voxels.sizes == {"x": 100.0, "y": 100.0, "z": 500.0}
    assert found.facts == {"size_z": 9, "size_c": 2, "size_t": 1}
    assert found.extra == {"time_step_s": 1.5}


def test_sis_and_ndpi_and_the_streak_camera() -> None:
    tag = {"pixelsizex": 2e-9, "pixelsizey": 3e-9, "magnification": 6000.0, "cameraname": "Mega"}
    found = made({33560: tag})
    assert found.voxels.sizes == {"x": 2.0, "y": 3.0}
    assert (found.facts["magnification"], found.facts["detector"]) == (6000.0, "Mega")
    slide = made({65421: 40.0, 282: (43478, 1), 283: (43478, 1)})
    assert slide.facts["magnification"] == 40.0
    assert slide.voxels.get("x") == pytest.approx(230.0, abs=0.1)
    assert made({305: "HPD-TA 9.4", 282: (1, 10**6)}).voxels.sizes == {}


def test_jeol() -> None:
    text = (
        "<TemReporter><ModeString>MAG</ModeString><SelectorValue>10000</SelectorValue>"
        "<AccelerationVoltage>200000</AccelerationVoltage></TemReporter>"
    )
    tags = {271: "JEOL Ltd.", 282: (500, 1), 283: (500, 1), 296: 3}
    found = made(tags, text)
    assert found.voxels.sizes == {"x": 2.0, "y": 2.0}  # 20 micrometres on the camera
    assert found.facts == {"voltage_v": 200_000.0, "magnification": 10_000.0}
    assert made(tags, text.replace("MAG", "DIFF")).voxels.sizes == {}


def test_eer() -> None:
    xml = (
        b'<metadata><item name="exposureTime" unit="s">5.6</item><item name="totalDose" unit="e">'
        b'40.5</item><item name="numberOfFrames">1200</item><item name="commercialName">Falcon 4i'
        b'</item><item name="sensorPixelSize.width" unit="m">7.4e-11</item></metadata>'
    )
    found = made({65001: xml}, compression="eer_v1")
    assert found.voxels.sizes == {"x": 0.074}
    assert found.extra == {"dose": 40.5, "exposure": 5.6}
    assert (found.facts["size_t"], found.facts["detector"]) == (1200, "Falcon 4i")


def test_slides_of_leica_and_ventana() -> None:
    text = (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><image>'
        '<pixels sizeX="1000" sizeY="500"/><view sizeX="500000" sizeY="250000"/>'
        "<objective>20</objective></image></scn>"
    )
    assert made({}, text).voxels.get("x") == 500.0
    assert made({}, text).facts == {"magnification": 20.0}
    scan = made({700: b'<iScan Magnification="40" ScanRes="0.25" />'})
    assert (scan.facts["magnification"], scan.voxels.get("y")) == (40.0, 250.0)


def written(**how: Any) -> bytes:
    file = io.BytesIO()
    data = np.zeros((40, 60), "uint8")
    tifffile.imwrite(file, data, metadata=None, photometric="minisblack", **how)
    return file.getvalue()


def test_whole_files_of_makers() -> None:
    aperio = "Aperio Image Library v10.0.51\r\n46920x33014 [0,100] |AppMag = 20|MPP = 0.4990"
    slide = describe_tiff(bytes_ranges(written(description=aperio)))
    assert (slide.format, slide.magnification) == ("Aperio SVS TIFF", 20.0)
    assert (slide.voxel_x_nm, slide.voxel_source["x"]) == (499.0, "file: Aperio MPP")
    tags: list[Any] = [(65003, "s", 3, "nm", True), (65009, "d", 1, 0.5, True)]
    tags += [(65004, "s", 3, "nm", True), (65010, "d", 1, 0.25, True)]
    gatan = describe_tiff(bytes_ranges(written(extratags=tags)))
    assert (gatan.format, gatan.voxel_x_nm, gatan.voxel_y_nm) == ("Gatan TIFF", 0.5, 0.25)
    # A tag of a maker that cannot be read is no fault of the picture.
    broken = written(extratags=[(34412, "B", 8, bytes(8), True)])
    assert describe_tiff(bytes_ranges(broken)).size_x == 60

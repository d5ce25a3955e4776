from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from cloudvolume import CloudVolume
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.microscopy.describe import describe
from imgcrawl.microscopy.ranges import FileRanges
from imgcrawl.microscopy.zarr_facts import describe_zarr
from imgcrawl.records.volume import Raw
from imgcrawl.volumes.crop import writing
from imgcrawl.volumes.crop.writing import boxes as boxes_module
from imgcrawl.volumes.crop.writing import check_dtype
from imgcrawl.volumes.crop.writing.boxes import boxes, open_voxels
from tests.conftest import ROOT
from tests.volumes.crops import ORIGIN, VOXEL_NM, made_crop, made_raw

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.records.volume import Crop, Format

SHAPES = [(1, 70, 65, 129), (2, 5, 130, 3), (1, 1, 1, 1)]
DTYPES = ["uint8", "uint16", "int16", "float32", "uint64"]


def write(raw: Raw, crop: Crop, target: Path) -> Path:
    return writing.write([(raw, crop, "")], target)


def squeezed(voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return voxels if voxels.shape[0] > 1 else voxels[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*DTYPES, "bool", "float16"])
def test_ome_zarr_opens_in_zarr_python(tmp_path: Path, shape: Any, dtype: str) -> None:
    crop = made_crop("ome-zarr", shape, dtype)
    raw, voxels = made_raw(crop, tmp_path / "raw")
    made = write(raw, crop, tmp_path / "a.ome.zarr")
    group: Any = zarr.open_group(made, mode="r")
    found = group["0"][:]
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, squeezed(voxels))
    (scales,) = group.attrs["multiscales"]
    assert [axis["name"] for axis in scales["axes"]] == (
        ["c", "z", "y", "x"] if shape[0] > 1 else ["z", "y", "x"]
    )
    assert {axis["unit"] for axis in scales["axes"] if axis["type"] == "space"} == {"nanometer"}
    scale, translation = scales["datasets"][0]["coordinateTransformations"]
    assert tuple(scale["scale"][-3:]) == VOXEL_NM
    assert translation["translation"][-3:] == pytest.approx(
        [10 + 128 * 2.96, 20 + 192 * 4.0, 320 * 4.0]
    )
    facts = describe_zarr(lambda name: _bytes(made / name))
    assert (facts.size_z, facts.size_y, facts.size_x) == shape[1:]
    assert (facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm) == VOXEL_NM
    assert facts.dtype == dtype
    assert facts.format == "OME-Zarr"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_hdf5_opens_in_h5py(tmp_path: Path, shape: Any, dtype: str) -> None:
    crop = made_crop("hdf5", shape, dtype)
    raw, voxels = made_raw(crop, tmp_path / "raw")
    twice = [write(raw, crop, tmp_path / name) for name in ("a.h5", "b.h5")]
    with h5py.File(twice[0]) as file:
        assert [*file] == ["raw"]
        assert file["raw"].dtype == np.dtype(dtype)
        assert np.array_equal(file["raw"][:], squeezed(voxels))
        assert file["raw"].attrs["element_size_um"] == pytest.approx(np.divide(VOXEL_NM, 1000))
        assert file["raw"].attrs["origin_nm"] == pytest.approx([388.88, 788.0, 1280.0])
    assert twice[0].read_bytes() == twice[1].read_bytes()  # as often as one likes


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def test_no_chunk_is_left_out_not_even_one_of_zeros(tmp_path: Path) -> None:
    crop = made_crop("ome-zarr", SHAPES[0], "uint8")
    raw, _ = made_raw(crop, tmp_path / "raw")
    made = write(raw, crop, tmp_path / "a")
    assert len([f for f in (made / "0").rglob("*") if f.name.isdigit() and f.is_file()]) == 12


def test_an_unknown_voxel_size_is_not_made_up(tmp_path: Path) -> None:
    crop = made_crop("ome-zarr", SHAPES[0], "uint8", voxel_nm=(None, 4.0, 4.0))
    raw, _ = made_raw(crop, tmp_path / "raw")
    made = write(raw, crop, tmp_path / "a")
    (scales,) = json.loads((made / ".zattrs").read_text())["multiscales"]
    assert [axis.get("unit") for axis in scales["axes"]] == [None, "nanometer", "nanometer"]
    assert scales["datasets"][0]["coordinateTransformations"][1]["translation"][0] == ORIGIN[0]
    assert describe_zarr(lambda name: _bytes(made / name)).voxel_z_nm is None

    crop = made_crop("tiff", SHAPES[0], "uint8", voxel_nm=(None, 4.0, 4.0))
    made = write(raw, crop, tmp_path / "a.tif")
    with FileRanges(made) as ranges:
        facts = describe(ranges)
    assert (facts.voxel_z_nm, facts.voxel_x_nm) == (None, 4.0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_ome_tiff_opens_in_tifffile(tmp_path: Path, shape: Any, dtype: str) -> None:
    crop = made_crop("tiff", shape, dtype)
    raw, voxels = made_raw(crop, tmp_path / "raw")
    made = write(raw, crop, tmp_path / "a.ome.tif")
    with tifffile.TiffFile(made) as file:
        assert file.is_ome
        assert not file.is_bigtiff
        assert len(file.pages) == shape[0] * shape[1]
        found = file.series[0].asarray(squeeze=False)
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found.reshape(shape), voxels)
    with FileRanges(made) as ranges:
        facts = describe(ranges)
    assert (facts.size_z, facts.size_y, facts.size_x) == shape[1:]
    assert (facts.voxel_z_nm, facts.voxel_y_nm, facts.voxel_x_nm) == VOXEL_NM
    assert "OME" in facts.format


def test_the_same_crop_is_the_same_tiff(tmp_path: Path) -> None:
    crop = made_crop("tiff", SHAPES[0], "uint8")
    raw, _ = made_raw(crop, tmp_path / "raw")
    one, other = (write(raw, crop, tmp_path / name) for name in ("a.tif", "b.tif"))
    assert one.read_bytes() == other.read_bytes()


def test_a_tiff_beyond_4_gb_is_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crop = made_crop("tiff", SHAPES[0], "uint8")
    raw, voxels = made_raw(crop, tmp_path / "raw")
    monkeypatch.setattr("imgcrawl.volumes.crop.writing.tiff._CLASSIC", 1000)
    made = write(raw, crop, tmp_path / "a.tif")
    with tifffile.TiffFile(made) as file:
        assert file.is_bigtiff
        assert np.array_equal(file.asarray(), voxels[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_precomputed_opens_in_cloud_volume(tmp_path: Path, shape: Any, dtype: str) -> None:
    crop = made_crop("precomputed", shape, dtype)
    raw, voxels = made_raw(crop, tmp_path / "raw")
    made = write(raw, crop, tmp_path / "a.precomputed")
    volume = CloudVolume(f"precomputed://file://{made}", progress=False)
    assert volume.layer_type == ("segmentation" if dtype == "uint64" else "image")
    assert tuple(volume.voxel_offset[::-1]) == ORIGIN
    assert tuple(volume.resolution[::-1]) == pytest.approx(VOXEL_NM)
    found = np.asarray(volume[:])  # x, y, z, channel; a chunk that lacks is an error
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found.transpose(3, 2, 1, 0), voxels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*DTYPES, "bool", "complex64"])
def test_npy_opens_in_numpy_and_is_no_second_copy(tmp_path: Path, shape: Any, dtype: str) -> None:
    crop = made_crop("npy", shape, dtype)
    raw, voxels = made_raw(crop, tmp_path / "raw")
    made = write(raw, crop, tmp_path / "unused.npy")
    assert made == tmp_path / "raw"
    assert not (tmp_path / "unused.npy").exists()
    found = np.load(made, allow_pickle=False)
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, squeezed(voxels), equal_nan=dtype == "complex64")


def test_a_format_that_cannot_hold_a_type_says_which_can() -> None:
    with pytest.raises(ValueError, match="OME-TIFF cannot hold uint64: type format=ome-zarr or"):
        check_dtype("tiff", "uint64")
    with pytest.raises(ValueError, match="precomputed cannot hold float64"):
        check_dtype("precomputed", "float64")
    with pytest.raises(ValueError, match="any format here"):
        check_dtype("npy", "bfloat16")


def test_voxels_that_end_early_are_no_crop(tmp_path: Path) -> None:
    for format_ in ("ome-zarr", "tiff", "precomputed"):
        crop = made_crop(format_, SHAPES[0], "uint8")
        raw, _ = made_raw(crop, tmp_path / "raw")
        os.truncate(tmp_path / "raw", 1000)
        with pytest.raises(OSError, match="ends at byte"):
            write(raw, crop, tmp_path / format_)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), *[st.integers(1, 200)] * 3),
    most=st.integers(1, 2 << 20),
)
def test_boxes_cover_each_voxel_once(shape: tuple[int, int, int, int], most: int) -> None:
    covered = np.zeros(shape, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes_module, "MAX_BYTES", most)
        for box in boxes(Raw("", shape, "uint16")):
            z, y, x = (slice(a, b) for a, b in zip(box.low, box.high, strict=True))
            covered[box.channel, z, y, x] += 1
            assert all(a % 64 == 0 for a in box.low)
            assert covered[box.channel, z, y, x].nbytes * 2 <= max(most, 64**3 * 2)
    assert (covered == 1).all()


def test_a_box_is_read_as_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes_module, "MAX_BYTES", 64**3 * 2)
    crop = made_crop("npy", (2, 70, 130, 140), "uint16")
    raw, voxels = made_raw(crop, tmp_path / "raw")
    with open_voxels(raw) as file:
        for box in boxes(raw):
            z, y, x = (slice(a, b) for a, b in zip(box.low, box.high, strict=True))
            assert np.array_equal(file.read(box), voxels[box.channel, z, y, x])


PEAK = """
import resource, sys
from pathlib import Path
from imgcrawl.records.volume import Raw
from imgcrawl.volumes.crop import writing
from imgcrawl.volumes.crop.digests import voxels_sha256
from tests.volumes.crops import made_crop
format_, folder = sys.argv[1], Path(sys.argv[2])
from imgcrawl.volumes.crop.writing import ome_zarr, tiff, precomputed, npy
import tensorstore
def run(side, name):
    crop = made_crop(format_, (1, side, side, side), "uint16")
    first = writing.voxels_start(crop)
    with (folder / name).open("wb") as file:
        file.truncate(first + side ** 3 * 2)
    raw = Raw(str(folder / name), (1, side, side, side), "uint16", first)
    voxels_sha256(raw)
    writing.write([(raw, crop, "")], folder / (name + ".out"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
small = run(64, "small")
print(small, run(512, "large"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["ome-zarr", "tiff", "precomputed", "npy"])
def test_memory_does_not_grow_with_the_cube(tmp_path: Path, format_: Format) -> None:
    # 256 MB of voxels.
    ended = subprocess.run(
        [sys.executable, "-c", PEAK, format_, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    small, large = map(int, ended.stdout.split())
    assert large - small < 80, ended.stdout

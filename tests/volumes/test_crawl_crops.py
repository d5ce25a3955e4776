from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore as ts
import tifffile
from cloudvolume import CloudVolume

from imgcrawl.records.volume import Crop, CubeMember, Raw, VolumeAddress
from imgcrawl.volumes.crop.digests import result_sha256
from imgcrawl.volumes.crop.provenance import (
    ProvenanceFile,
    format_provenance,
    make_provenance,
    read_provenance,
)
from imgcrawl.volumes.crop.writing import EXTENSIONS
from imgcrawl.volumes.metadata.multiscale import read_multiscale
from tests.conftest import ROOT, Crawler, scrapy, until
from tests.volumes.serving import Store, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.records.volume import Format, Level

SHAPE = (150, 140, 130)
ORIGIN = (10, 3, 20)
BOX = (130, 100, 70)
SCALES = {
    "version": "0.4",
    "axes": [{"name": n, "type": "space", "unit": "nanometer"} for n in "zyx"],
    "datasets": [
        {
            "path": "s0",
            "coordinateTransformations": [{"type": "scale", "scale": [2.96, 4.0, 4.0]}],
        }
    ],
}


def make_zarr(root: Path, seed: int = 1) -> np.ndarray[Any, Any]:
    group = root / "a.zarr"
    group.mkdir(parents=True, exist_ok=True)
    (group / ".zgroup").write_text('{"zarr_format": 2}')
    (group / ".zattrs").write_text(json.dumps({"multiscales": [SCALES]}))
    return make_zarr_voxels(root, seed)


def make_zarr_voxels(root: Path, seed: int) -> np.ndarray[Any, Any]:
    group = root / "a.zarr"
    voxels = np.random.default_rng(seed).integers(-999, 999, SHAPE, np.int16)
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{group / 's0'}/"},
        "metadata": {
            "shape": SHAPE,
            "chunks": [32, 32, 32],
            "dtype": "<i2",
            "dimension_separator": "/",
            "compressor": {"id": "zstd", "level": 1},
        },
    }
    ts.open(spec, create=True, delete_existing=True).result().write(voxels).result()
    return voxels


def level_of(root: Path, address: VolumeAddress, below: VolumeAddress) -> Level:
    async def get(url: str) -> bytes | None:
        path = root / url.removeprefix(address.url)
        return path.read_bytes() if path.is_file() else None

    (level,) = asyncio.run(read_multiscale(get, below)).levels
    return level


def description(
    tmp_path: Path, level: Level, format_: Format, name: str = "cube", **crop: Any
) -> Path:
    """A crop.json as another user would send it; what its voxels come to is not known yet."""
    wanted = Crop(level, ORIGIN, BOX, format_, seed=5, draw=2)
    wanted = replace(wanted, **crop)
    path = f"cubes/{name}{EXTENSIONS[format_]}"
    made = {
        "file": ProvenanceFile(name=path, bytes=0, sha256="0" * 64),
        "made_at": "2026-01-01T00:00:00Z",
    }
    member, raw = CubeMember(f"s0/{name}", path, wanted), Raw("", (1, *BOX), level.dtype)
    url = "https://viewer.example/"
    file = tmp_path / f"{name}.crop.json"
    text = format_provenance(make_provenance([member], [raw], ["0" * 64], [], url, **made))
    file.write_text(text)
    return file


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    root = tmp_path / "store"
    root.mkdir()
    with served(root) as found:
        yield found


@pytest.fixture
def crawl(tmp_path: Path) -> Crawler:
    return Crawler(tmp_path, None)


PRIVATE = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}


def zarr_level(store: Store) -> Level:
    address = VolumeAddress("s3://b", store.url)
    return level_of(store.root, address, address.below("a.zarr/s0"))


def opened(path: Path, format_: Format) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any]
    match format_:
        case "npy":
            found = np.load(path)
        case "tiff":
            found = tifffile.imread(path)
        case "precomputed":
            volume = CloudVolume(f"precomputed://file://{path}", progress=False)
            found = np.asarray(volume[:])[..., 0].transpose()
        case "ome-zarr":
            spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": f"{path / '0'}/"}}
            found = ts.open(spec).result().read().result()
    return found


@pytest.mark.parametrize("format_", ["ome-zarr", "tiff", "precomputed", "npy"])
def test_a_cube_is_stored_described_and_left_alone(
    tmp_path: Path, store: Store, crawl: Crawler, format_: Format
) -> None:
    voxels = make_zarr(store.root)
    file = description(tmp_path, zarr_level(store), format_)
    ended = crawl("recrop", file=file, settings=PRIVATE)
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    path = ended.out.root / row["file_name"]
    box = tuple(slice(a, a + n) for a, n in zip(ORIGIN, BOX, strict=True))
    assert np.array_equal(opened(path, format_), voxels[box])
    provenance = read_provenance(path.with_name(path.name + ".crop.json"))
    assert provenance.voxels_sha256 == row["voxels_sha256"]
    assert provenance.crop == read_provenance(file).crop
    assert provenance.file.sha256 == row["sha256"] == result_sha256(path)
    assert (row["size_z"], row["size_y"], row["size_x"]) == ("130", "100", "70")
    assert (row["width"], row["height"]) == ("70", "100")
    assert (row["voxel_z_nm"], row["voxel_x_nm"]) == ("2.96", "4.0")
    assert (row["origin_z"], row["seed"], row["draw"]) == ("10", "5", "2")
    assert row["volume"] == "s3://b/a.zarr/s0"
    assert not list(ended.out.root.glob(".*"))  # nothing is left of the work

    before, table = ended.out.files(), ended.out.rows()
    store.asked.clear()
    again = crawl("recrop", file=file, settings=PRIVATE)
    assert again.status == 0, again.log
    assert not store.chunks()
    assert again.out.files() == before
    assert again.out.rows() == table


def test_channels_and_a_precomputed_source(tmp_path: Path, store: Store, crawl: Crawler) -> None:
    voxels = np.random.default_rng(1).integers(0, 255, (2, 40, 50, 60), np.uint8)  # c, z, y, x
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{store.root / 'pre'}/"},
        "multiscale_metadata": {"data_type": "uint8", "num_channels": 2, "type": "image"},
        "scale_metadata": {
            "size": [60, 50, 40],
            "resolution": [8, 8, 8],
            "voxel_offset": [7, 0, 100],
            "chunk_size": [32, 32, 32],
            "encoding": "raw",
        },
    }
    ts.open(spec, create=True).result()[...].write(voxels.transpose()).result()
    address = VolumeAddress("gs://b", store.url)
    level = level_of(store.root, address, address.below("pre"))
    file = description(tmp_path, level, "npy", origin=(110, 5, 17), shape=(30, 45, 50))
    ended = crawl("recrop", file=file, settings=PRIVATE)
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    found = np.load(ended.out.root / row["file_name"])
    assert np.array_equal(found, voxels[:, 10:40, 5:50, 10:60])
    assert (row["axes"], row["size_c"]) == ("czyx", "2")


@pytest.mark.parametrize("format_", ["ome-zarr", "npy"])
def test_killed_and_resumed_is_as_undisturbed(
    tmp_path: Path, store: Store, crawl: Crawler, format_: Format
) -> None:
    make_zarr(store.root)
    file = description(tmp_path, zarr_level(store), format_)
    whole = crawl("recrop", file=file, settings=PRIVATE, out="whole")
    assert whole.status == 0, whole.log
    store.asked.clear()
    store.delay = 0.05
    process = crawl.start("recrop", file=file, settings=PRIVATE)
    until(lambda: len(store.chunks()) > 10, every=0.01)
    process.kill()
    process.communicate(timeout=30)
    root = crawl.out().root
    assert not (root / "cubes").exists()
    store.delay = 0.0
    resumed = crawl("recrop", file=file, settings=PRIVATE)
    assert resumed.status == 0, resumed.log
    assert cubes(resumed.out.files()) == cubes(whole.out.files())
    assert [without_time(r) for r in resumed.out.rows()] == [
        without_time(r) for r in whole.out.rows()
    ]
    assert not list(root.glob(".*"))


def cubes(files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if not name.endswith(".json")}


def without_time(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "downloaded_at"}


KILL = """
import os, signal, sys
import imgcrawl.volumes.crop.crop_file as files
import imgcrawl.volumes.crop.volume_crop as volumes
from scrapy.cmdline import execute
name = sys.argv.pop(1)
target, _, method = name.rpartition(".")
owner = next(module for module in (volumes, files) if hasattr(module, target or method))
owner = getattr(owner, target) if target else owner
def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv.pop(1) == "after":
    before = getattr(owner, method)
    def killed(*args, **kwargs):
        before(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, method, killed)
execute(["scrapy", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "when", "reads"),
    [
        ("CropParts.finish", "after", False),  # all voxels are there, nothing is written
        ("voxels_sha256", "before", False),  # the cube lies in .partial
        ("move_into_place", "before", False),  # the description is there, the cube is not
        ("move_into_place", "after", False),  # all is there but the row
    ],
)
@pytest.mark.parametrize("format_", ["precomputed", "npy"])
def test_a_kill_at_any_step_costs_no_download_and_leaves_one_cube(
    tmp_path: Path,
    store: Store,
    crawl: Crawler,
    place: str,
    when: str,
    reads: bool,
    format_: Format,
) -> None:
    voxels = make_zarr(store.root)
    file = description(tmp_path, zarr_level(store), format_)
    command = crawl.command("recrop", file=file, settings=PRIVATE)
    killed = subprocess.run(
        [sys.executable, "-c", KILL, place, when, *command[3:]],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    store.asked.clear()
    ended = crawl("recrop", file=file, settings=PRIVATE)
    assert ended.status == 0, ended.log
    assert bool(store.chunks()) is reads
    (row,) = ended.out.rows()
    box = tuple(slice(a, a + n) for a, n in zip(ORIGIN, BOX, strict=True))
    path = ended.out.root / row["file_name"]
    assert np.array_equal(opened(path, format_), voxels[box])
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, f"{path.name}.crop.json"]
    assert (
        row["sha256"]
        == result_sha256(path)
        == read_provenance(path.with_name(f"{path.name}.crop.json")).file.sha256
    )
    assert not list(ended.out.root.glob(".*"))


@pytest.mark.slow
def test_a_cube_that_is_not_what_its_description_says_is_made_again(
    tmp_path: Path, store: Store, crawl: Crawler
) -> None:
    voxels = make_zarr(store.root)
    file = description(tmp_path, zarr_level(store), "ome-zarr")
    command = crawl.command("recrop", file=file, settings=PRIVATE)
    subprocess.run(
        [sys.executable, "-c", KILL, "move_into_place", "after", *command[3:]],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    path = crawl.out().root / "cubes" / "cube.ome.zarr"
    (path / "0" / "0" / "0" / "0").write_bytes(b"rot")
    ended = crawl("recrop", file=file, settings=PRIVATE)
    assert ended.status == 0, ended.log
    box = tuple(slice(a, a + n) for a, n in zip(ORIGIN, BOX, strict=True))
    assert np.array_equal(opened(path, "ome-zarr"), voxels[box])


def test_a_format_that_cannot_hold_the_voxels_is_said_before_a_chunk_is_asked_for(
    tmp_path: Path, store: Store, crawl: Crawler
) -> None:
    make_zarr(store.root)
    file = description(tmp_path, replace(zarr_level(store), dtype="uint64"), "tiff")
    ended = crawl("recrop", file=file, settings=PRIVATE)
    assert ended.status == 3, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert "OME-TIFF cannot hold uint64: type format=ome-zarr" in row["message"]
    assert not store.chunks()


def test_a_disk_without_room_stops_the_run(tmp_path: Path, store: Store, crawl: Crawler) -> None:
    make_zarr(store.root)
    huge = replace(zarr_level(store), shape=(1 << 16, 1 << 16, 1 << 13))
    file = description(tmp_path, huge, "tiff", shape=(1 << 15, 1 << 15, 1 << 12))
    ended = crawl("recrop", file=file, settings=PRIVATE)
    assert ended.status == 1, ended.log
    assert "Free some" in ended.log
    assert not store.chunks()


def recrop(file: Path, *args: str) -> subprocess.CompletedProcess[str]:
    settings = [word for name, value in PRIVATE.items() for word in ("-s", f"{name}={value}")]
    return scrapy("recrop", *settings, *args, file)


@pytest.mark.slow
def test_recrop_tells_whether_a_crop_is_still_the_same(
    tmp_path: Path, store: Store, crawl: Crawler
) -> None:
    make_zarr(store.root)
    ended = crawl("recrop", file=description(tmp_path, zarr_level(store), "tiff"), settings=PRIVATE)
    (row,) = ended.out.rows()
    file = ended.out.root / f"{row['file_name']}.crop.json"

    same = recrop(file)
    assert same.returncode == 0, same.stderr
    assert "metadata: equal\nvoxels:   equal\n" in same.stdout

    attributes = store.root / "a.zarr" / ".zattrs"
    attributes.write_text(attributes.read_text().replace("2.96", "3.0"))
    make_zarr_voxels(store.root, seed=2)
    other = recrop(file, "--out", str(tmp_path / "anew"))
    assert other.returncode == 3, other.stderr
    assert "metadata: changed\nvoxels:   different\n" in other.stdout
    assert (tmp_path / "anew" / row["file_name"]).is_file()


@pytest.mark.slow
def test_recrop_of_a_volume_of_another_type_or_that_is_gone(
    tmp_path: Path, store: Store, crawl: Crawler
) -> None:
    make_zarr(store.root)
    file = description(tmp_path, zarr_level(store), "tiff")
    array = store.root / "a.zarr" / "s0" / ".zarray"
    array.write_text(array.read_text().replace("<i2", "<u2"))
    typed = recrop(file)
    assert typed.returncode == 3, typed.stderr
    assert "its voxels were 1 x int16, and are 1 x uint16" in typed.stderr
    array.unlink()
    gone = recrop(file)
    assert gone.returncode == 1, gone.stderr


def test_recrop_of_what_is_no_description_asks_nobody(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "a.crop.json"
    file.write_text("{}")
    ended = recrop(file)
    assert ended.returncode == 2
    assert "a.crop.json: not the description of a crop" in ended.stderr
    assert not store.asked


def test_a_strangers_description_reads_no_folder_of_this_computer(
    tmp_path: Path, crawl: Crawler
) -> None:
    voxels = make_zarr(tmp_path)
    address = VolumeAddress(str(tmp_path), f"file://{tmp_path}/")
    level = level_of(tmp_path, address, address.below("a.zarr/s0"))
    file = description(tmp_path, level, "npy")
    refused = crawl("recrop", file=file)
    assert refused.status == 2, refused.log
    assert "local=1" in refused.log
    ended = crawl("recrop", file=file, local=1)
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    box = tuple(slice(a, a + n) for a, n in zip(ORIGIN, BOX, strict=True))
    assert np.array_equal(np.load(ended.out.root / row["file_name"]), voxels[box])

"""Whole crawls of cubes: the voxels are those of the source, whatever keeps them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore as ts

from tests.conftest import Crawler
from tests.volumes import stores, worlds

if TYPE_CHECKING:
    from pathlib import Path

VOXELS = np.random.default_rng(5).integers(0, 60_000, (40, 50, 60), np.uint16)  # z, y, x
CHUNK = [16, 16, 16]
SHARDED = {
    "shape": VOXELS.shape,
    "data_type": "uint16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [32, 32, 32]}},
    "codecs": [
        {
            "name": "sharding_indexed",
            "configuration": {"chunk_shape": CHUNK, "codecs": [{"name": "zstd"}]},
        }
    ],
    "dimension_names": ["z", "y", "x"],
}
STORES: dict[str, tuple[dict[str, Any], bool]] = {  # metadata, and whether it counts from x
    "zarr": ({"shape": VOXELS.shape, "chunks": CHUNK, "dtype": ">u2"}, False),
    "zarr3": (SHARDED, False),
    "n5": (
        {
            "dimensions": VOXELS.shape[::-1],
            "blockSize": CHUNK,
            "dataType": "uint16",
            "axes": ["x", "y", "z"],
            "compression": {"type": "gzip"},
        },
        True,
    ),
}


@pytest.fixture
def alone(tmp_path: Path) -> Crawler:
    """A crawl of folders of this computer."""
    return Crawler(tmp_path, None)


@pytest.mark.parametrize("driver", STORES)
def test_a_cube_of_every_store_has_its_voxels(alone: Crawler, tmp_path: Path, driver: str) -> None:
    metadata, from_x = STORES[driver]
    root = tmp_path / "store"
    spec = {"driver": driver, "kvstore": f"file://{root}/", "metadata": metadata}
    store = ts.open(spec, create=True).result()
    store[...] = VOXELS.T if from_x else VOXELS
    ended = alone("zarr", url=str(root), box="3:33,5:40,7:70", format="npy")
    assert ended.status == 0, ended.log
    assert "clipped to 3:33,5:40,7:60" in ended.log
    (row,) = ended.out.rows()
    found = np.load(ended.out.root / row["file_name"])
    assert np.array_equal(np.squeeze(found), VOXELS[3:33, 5:40, 7:60])
    assert (row["origin_z"], row["origin_y"], row["origin_x"]) == ("3", "5", "7")


def test_more_cubes_of_a_seed_are_added_to_those_that_are_there(
    alone: Crawler, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    spec = {"driver": "zarr", "kvstore": f"file://{root}/", "metadata": STORES["zarr"][0]}
    ts.open(spec, create=True).result()[...] = VOXELS
    ask: dict[str, Any] = {"url": str(root), "size": "8,9,10", "seed": 4, "format": "npy"}
    first = alone("zarr", count=2, **ask)
    before = first.out.files()
    again = alone("zarr", count=3, **ask)
    assert again.status == 0, again.log
    assert "1 new" in again.log
    assert "2 already there" in again.log
    assert before.items() <= again.out.files().items()
    rows = again.out.rows()
    assert {row["draw"] for row in rows} == {"0", "1", "2"}
    for row in rows:
        z, y, x = (int(row[f"origin_{axis}"]) for axis in "zyx")
        cube = np.squeeze(np.load(again.out.root / row["file_name"]))
        assert np.array_equal(cube, VOXELS[z : z + 8, y : y + 9, x : x + 10])


def test_what_is_not_said_or_known_here_is_told(alone: Crawler, tmp_path: Path) -> None:
    root = tmp_path / "store"
    spec = {"driver": "zarr", "kvstore": f"file://{root}/", "metadata": STORES["zarr"][0]}
    ts.open(spec, create=True).result()[...] = VOXELS
    ask = {"url": str(root), "box": "0:20,0:20,0:20"}
    precomputed = alone("zarr", out="a", format="precomputed", **ask)
    assert precomputed.status == 0, precomputed.log
    assert "has no word for that: what is stored says 1 nm" in precomputed.log
    document = json.loads((root / ".zarray").read_text())
    document["compressor"] = {"id": "pcodec", "level": 8}
    (root / ".zarray").write_text(json.dumps(document))
    ended = alone("zarr", out="b", format="npy", **ask)
    assert ended.status == 3, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert 'not known here ("pcodec" is not registered): copy it as it is' in row["message"]
    copied = alone("zarr", out="c", url=str(root))
    assert copied.status == 0, copied.log


def test_an_encoding_of_others_is_called_so(alone: Crawler, tmp_path: Path) -> None:
    scale = {"key": "s", "size": [9, 9, 9], "resolution": [8, 8, 8], "voxel_offset": [0, 0, 0]}
    scale |= {"chunk_sizes": [[9, 9, 9]], "encoding": "compresso"}
    info = {"type": "segmentation", "data_type": "uint64", "num_channels": 1, "scales": [scale]}
    (tmp_path / "v").mkdir()
    (tmp_path / "v/info").write_text(json.dumps(info))
    ended = alone("neuroglancer", url=str(tmp_path / "v"), size="4")
    assert ended.status == 3, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert 'not known here (Expected one of "raw"' in row["message"]
    assert 'but received: "compresso")' in row["message"]


def test_a_cube_of_which_most_is_absent_is_told(alone: Crawler, tmp_path: Path) -> None:
    root = tmp_path / "store"
    spec = {"driver": "zarr", "kvstore": f"file://{root}/", "metadata": STORES["zarr"][0]}
    ts.open(spec, create=True).result()[:16, :16, :20] = VOXELS[:16, :16, :20]  # 2 chunks
    ask = {"url": str(root), "box": "0:20,0:20,0:20", "format": "npy"}
    for again in range(2):
        ended = alone("zarr", **ask)
        assert ended.status == 3, ended.log
        assert "1 are fill value for the most part" in ended.log
        assert again or "npy: 6 of 8 chunks are not there" in ended.log
        (row,) = ended.out.rows()
        assert (row["mostly_absent"], row["chunks_missing"]) == ("6 of 8 chunks", "6")
    allowed = alone("zarr", allow_empty=1, **ask)
    assert allowed.status == 0, allowed.log


def make_inner(folder: Path, adapter: str) -> Any:
    """A picture ``b`` within ``there/a.zarr.zip`` or ``there/db``; its voxels."""
    voxels = np.random.default_rng(6).integers(0, 999, (9, 20, 14)).astype("<u2")
    scales = {"multiscales": [worlds.multiscales("zyx", {"s 0": ([8, 4, 4], [0, 0, 0])})]}
    spec = stores.v2(voxels.shape, (4, 8, 8), "<u2")
    if adapter == "zip":
        stores.write(folder / "a/b/s 0", spec, voxels)
        worlds.write(folder / "a/b", {".zattrs": scales})
        shutil.make_archive(str(folder / "there/a.zarr"), "zip", folder / "a")
        return voxels
    store = {"driver": "ocdbt", "base": f"file://{folder}/there/db/", "path": "b/"}
    kept = ts.KvStore.open(store).result()
    kept.write(".zattrs", json.dumps(scales).encode()).result()
    spec["kvstore"] = store | {"path": "b/s 0/"}
    ts.open(spec, create=True).result().write(voxels).result()
    return voxels


@pytest.mark.parametrize("adapter", ["zip", "ocdbt"])
def test_cubes_of_what_lies_within_a_zip_or_a_database(
    alone: Crawler, tmp_path: Path, adapter: str
) -> None:
    voxels = make_inner(tmp_path, adapter)
    name = "a.zarr.zip|zip:b/" if adapter == "zip" else "db/|ocdbt:b/|zarr2:"
    with stores.serving(tmp_path / "there") as store_of:
        settings = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
        ended = alone("zarr", url=store_of.url + name, format="npy", settings=settings)
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    assert np.array_equal(np.load(ended.out.root / row["file_name"]), voxels)
    assert row["voxel_z_nm"] == "8.0"
    local = alone("zarr", url=f"{tmp_path}/there/{name}", box="1:5,2:9,0:14", format="npy", out="l")
    assert local.status == 0, local.log
    (row,) = local.out.rows()
    assert np.array_equal(np.load(local.out.root / row["file_name"]), voxels[1:5, 2:9])


@pytest.mark.parametrize("inner", ["", "b/"])
def test_a_zip_is_copied_as_the_file_that_it_is(alone: Crawler, tmp_path: Path, inner: str) -> None:
    make_inner(tmp_path, "zip")
    name = f"a.zarr.zip|zip:{inner}"
    settings = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
    with stores.serving(tmp_path / "there") as store:
        ended = alone("zarr", url=store.url + name, settings=settings)
        chosen = alone("zarr", url=store.url + name, level="s 0", settings=settings, out="l")
        absent = alone("zarr", url=f"{store.url}a.zarr.zip|zip:c/", settings=settings, out="c")
    assert ended.status == 0, ended.log
    assert ("all of that is copied" in ended.log) is bool(inner)
    (row,) = ended.out.rows()
    assert row["file_name"] == "a.zarr.zip"
    copy = ended.out.root / "a.zarr.zip"
    assert copy.read_bytes() == (tmp_path / "there/a.zarr.zip").read_bytes()
    assert row["checked"] == "whole"
    assert chosen.status == 1
    assert "is copied as a whole: leave level" in chosen.log
    assert absent.status == 1
    assert not [*absent.out.root.glob("*.zip")]
    local = alone("zarr", url=f"{tmp_path}/there/{name}", out="local")
    assert local.status == 1
    assert "is one file of this computer: copy that (cp)" in local.log
    cut = alone("zarr", url=f"{copy}|zip:b/", box="0:4,0:4,0:4", format="npy", out="cut")
    assert cut.status == 0, cut.log


def test_a_database_is_copied_with_all_its_files(alone: Crawler, tmp_path: Path) -> None:
    voxels = make_inner(tmp_path, "ocdbt")
    ended = alone("zarr", url=f"{tmp_path}/there/db/|ocdbt:b/|zarr2:")
    assert ended.status == 0, ended.log
    (row,) = ended.out.rows()
    files = {
        p.relative_to(tmp_path / "there/db"): p.read_bytes()
        for p in (tmp_path / "there/db").rglob("*")
        if p.is_file()
    }
    assert files == {
        p.relative_to(ended.out.root / row["file_name"]): p.read_bytes()
        for p in (ended.out.root / row["file_name"]).rglob("*")
        if p.is_file()
    }
    assert int(row["objects"]) == len(files)
    there = f"{ended.out.root / row['file_name']}/|ocdbt:b/|zarr2:"
    cut = alone("zarr", url=there, format="npy", out="cut")
    assert cut.status == 0, cut.log
    (cube,) = cut.out.rows()
    assert np.array_equal(np.load(cut.out.root / cube["file_name"]), voxels)
    with stores.serving(tmp_path / "there") as store:
        settings = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
        unlisted = alone("zarr", url=f"{store.url}db/|ocdbt:b/|zarr2:", settings=settings, out="u")
    assert unlisted.status == 3
    (failure,) = unlisted.out.rows("failures.csv")
    assert "its list is refused" in failure["message"]

"""Whole copies from a server that lists nothing: its documents name every chunk and every shard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorstore as ts

from tests.conftest import Crawler
from tests.volumes import stores
from tests.volumes.test_other_chunks import repack

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
SIZE = (60, 50, 40)


@pytest.fixture
def alone(tmp_path: Path) -> Crawler:
    return Crawler(tmp_path, None)


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def scales(root: Path) -> None:
    """A volume of three scales: chunks packed in many ways, shards, and one beside the volume."""
    voxels = np.random.default_rng(3).integers(1, 200, (*SIZE, 1), np.uint8)
    info = None
    for number, key in enumerate(("full res", "shards", "../other/8_8_8")):
        spec = stores.precomputed((*SIZE, 1), "raw", sharded=key == "shards")
        spec["scale_metadata"] |= {"key": key.rpartition("/")[2], "resolution": [8 << number] * 3}
        folder = root / "other" if ".." in key else root / "vol"
        stores.write(folder, spec, voxels)
        own = json.loads((folder / "info").read_text())
        (folder / "info").unlink()
        info = info or own | {"scales": []}
        info["scales"].append(own["scales"][0] | {"key": key})
    assert info is not None
    (root / "vol/info").write_text(json.dumps(info))
    first, *others = sorted((root / "vol/full res").iterdir())
    first.unlink()
    for number, path in enumerate(others[:8]):
        repack(path, (".gz", ".br", ".zstd", ".bz2")[number % 4])


@pytest.mark.slow
def test_a_precomputed_volume(alone: Crawler, tmp_path: Path) -> None:
    root = tmp_path / "store"
    scales(root)
    with stores.serving(root) as store:
        url = f"{store.url}vol"
        ended = alone("zarr", url=url, settings=PRIVATE, out="o")
        asked = [path for path in store.asked if "/0-" in path or ".shard" in path]
    assert ended.status == 0, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows()}
    assert set(rows) == {"vol/full res", "vol/shards", "other/8_8_8"}
    held = files(root)
    assert {key: files(ended.out.root).get(key) for key in held} == held
    first = rows["vol/full res"]
    assert (first["objects_absent"], first["format"], first["voxel_x_nm"]) == (
        *("1", "precomputed", "8.0"),
    )
    assert int(first["objects"]) == 4 * 4 * 3 - 1
    assert rows["other/8_8_8"]["voxel_z_nm"] == "32.0"
    assert max(map(asked.count, asked)) == 1
    # And the copy opens as its source does.
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{ended.out.root}/vol/"}
    assert ts.open(spec | {"scale_index": 2}).result().read().result().min() > 0


@pytest.mark.slow
def test_chunks_of_which_nobody_says_where_they_are(alone: Crawler, tmp_path: Path) -> None:
    """An array of NestedDirectoryStore; and one whose chunks cannot be found at all."""
    voxels = np.arange(4000, dtype=np.uint16).reshape(10, 20, 20) + 1
    for name in ("nested", "lost"):
        spec = stores.v2((10, 20, 20), (5, 10, 10), "<u2", dimension_separator="/")
        stores.write(tmp_path / "store" / name, spec, voxels)
        path = tmp_path / "store" / name / ".zarray"
        document = json.loads(path.read_text())
        del document["dimension_separator"]
        path.write_text(json.dumps(document))
    (tmp_path / "store/lost/1").rename(tmp_path / "store/lost/one")
    (tmp_path / "store/lost/0").rename(tmp_path / "store/lost/zero")
    with stores.serving(tmp_path / "store") as store:
        nested = alone("zarr", url=f"{store.url}nested", settings=PRIVATE, out="n")
        cube = alone("zarr", url=f"{store.url}nested", format="npy", settings=PRIVATE, out="c")
        lost = alone("zarr", url=f"{store.url}lost", settings=PRIVATE, out="l")
    assert nested.status == 0, nested.log
    held = {key: body for key, body in files(tmp_path / "store").items() if "nested/" in key}
    assert {key: files(nested.out.root)[key] for key in held} == held
    assert nested.out.rows()[0]["objects_absent"] == "0"
    (row,) = cube.out.rows()
    assert np.array_equal(np.load(cube.out.root / row["file_name"]), voxels)
    assert lost.status == 3, lost.log
    assert "8 of 8 chunks are not there: they are fill value" in lost.log
    assert lost.out.rows()[0]["mostly_absent"] == "8 of 8 chunks"
    # A folder lists its files: they are copied, and are no chunks.
    listed = alone("zarr", url=str(tmp_path / "store/lost"), out="f")
    assert listed.status == 3, listed.log
    assert listed.out.rows()[0]["mostly_absent"] == "8 of 8 chunks"
    allowed = alone("zarr", url=str(tmp_path / "store/lost"), out="f", allow_empty=1)
    assert allowed.status == 0, allowed.log


def dataset(root: Path, voxels: np.ndarray[Any, Any], *more: dict[str, Any]) -> None:
    """A dataset of WEBKNOSSOS: two layers in Zarr 3, c x y z."""
    layers = list(more)
    for layer, kind, of in (("em", "color", voxels), ("cells", "segmentation", voxels // 16)):
        for mag in (1, 2):
            spec = stores.v3((1, *SIZE), (1, 20, 20, 20), (1, 20, 20, 20))
            coarse = of[::mag, ::mag, ::mag]
            spec["metadata"] |= {"shape": [1, *coarse.shape], "data_type": "uint8"}
            stores.write(root / f"{layer}/{mag}", spec, coarse[None])
        order = {"c": 0, "x": 1, "y": 2, "z": 3}
        mags = [{"mag": mag, "path": f"./{layer}/{mag}", "axisOrder": order} for mag in (1, 2)]
        layers.append({"name": layer, "category": kind, "dataFormat": "zarr3", "mags": mags})
    told = {"scale": {"factor": [4, 4, 8], "unit": "nanometer"}, "dataLayers": layers}
    (root / "datasource-properties.json").write_text(json.dumps(told))


def test_a_dataset_of_webknossos_as_a_whole_and_its_layers_side_by_side(
    alone: Crawler, tmp_path: Path
) -> None:
    voxels = np.random.default_rng(4).integers(1, 255, SIZE, np.uint8)
    dataset(tmp_path / "store/wk", voxels)
    about = {"size": "3,5,7", "voxel": "8,4,4nm", "boxes": str(tmp_path / "boxes.csv")}
    (tmp_path / "boxes.csv").write_text("z,y,x\n160,100,120\n")
    with stores.serving(tmp_path / "store") as store:
        url = f"{store.url}wk"
        whole = alone("zarr", url=url, level="all", settings=PRIVATE, out="w")
        pair = alone(
            "zarr", url=url, layers="em,cells", format="npy", out="p", settings=PRIVATE, **about
        )
    assert whole.status == 0, whole.log
    held = files(tmp_path / "store")
    assert {key: files(whole.out.root).get(key) for key in held} == held
    assert pair.status == 0, pair.log
    rows = {row["layer"]: row for row in pair.out.rows()}
    assert {name: row["role"] for name, row in rows.items()} == {"em": "image", "cells": "label"}
    z, y, x = (round(float(rows["em"][f"origin_{axis}_nm"])) for axis in "zyx")
    part = voxels[x // 4 : x // 4 + 7, y // 4 : y // 4 + 5, z // 8 : z // 8 + 3].T
    assert np.array_equal(np.load(pair.out.root / rows["em"]["file_name"]), part)
    assert np.array_equal(np.load(pair.out.root / rows["cells"]["file_name"]), part // 16)


def test_what_no_document_names_is_not_left_out_in_silence(alone: Crawler, tmp_path: Path) -> None:
    old = {"name": "old", "dataFormat": "wkw", "mags": [{"mag": 1, "path": "old/1"}]}
    dataset(tmp_path / "store/wk", np.ones(SIZE, np.uint8), old)
    with stores.serving(tmp_path / "store") as store:
        ended = alone("zarr", url=f"{store.url}wk", level="all", settings=PRIVATE)
    assert ended.status == 3, ended.log
    (failure,) = ended.out.rows("failures.csv")
    assert "no document names the files of old (WKW)" in failure["message"]

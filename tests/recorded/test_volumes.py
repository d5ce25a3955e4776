"""Volumes: documents of Zarr, N5 and neuroglancer's precomputed format."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.records.volume import Multiscale, VolumeAddress
from imgcrawl.volumes.metadata.multiscale import read_multiscale
from tests.recorded.shapes import FOLDER, differences, recorded
from tests.replicas.client import ask

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

ADDRESS = VolumeAddress("https://host.example/v", "https://host.example/v/")
JRC = recorded("volumes/jrc_mus-nacc-2_fibsem-int16.json")
COSEM = "s3/janelia-cosem-datasets/jrc_mus-nacc-2/jrc_mus-nacc-2.zarr/recon-2/em/fibsem-int16"
HEMIBRAIN = "gcs/neuroglancer-janelia-flyem-hemibrain/emdata/raw/jpeg"


def read(documents: dict[str, Any]) -> Multiscale:
    """Return the volume that documents, by their names, describe."""
    bodies = {ADDRESS.url + name: json.dumps(each).encode() for name, each in documents.items()}

    async def get(url: str) -> bytes | None:
        return bodies.get(url)

    return asyncio.run(read_multiscale(get, ADDRESS))


def document(name: str) -> Any:
    return json.loads((FOLDER / "volumes" / name).read_text("utf-8"))


def halves(array: dict[str, Any], levels: int) -> dict[str, dict[str, Any]]:
    """Return the documents of the levels below an array: each has half the shape."""
    shape = array["shape"]
    return {f"s{n}": {**array, "shape": [side >> n for side in shape]} for n in range(levels)}


def test_a_group_of_zarr_2() -> None:
    group, array = document("zarr2_group.zattrs.json"), document("zarr2_array.zarray.json")
    documents = {f"{name}/.zarray": each for name, each in halves(array, 3).items()}
    found = read({".zgroup": {"zarr_format": 2}, ".zattrs": group, **documents})
    assert found.kind == "OME-Zarr 0.4"
    assert [level.name for level in found.levels] == ["s0", "s1", "s2"]
    finest, _, coarsest = found.levels
    assert (finest.shape, finest.chunk, finest.dtype) == ((512,) * 3, (64,) * 3, "uint8")
    assert (finest.driver, finest.encoding) == ("zarr", "zstd")
    assert (finest.voxel_nm, finest.translation_nm) == ((8.0,) * 3, (0.0,) * 3)
    assert (coarsest.shape, coarsest.voxel_nm) == ((128,) * 3, (32.0,) * 3)
    assert coarsest.translation_nm == (12.0,) * 3


def test_the_group_of_a_real_volume() -> None:
    """Its arrays stand in the recording as zarr-python shows them, not as documents."""
    arrays = {
        f"{name}/.zarray": {
            "zarr_format": 2,
            "shape": array["shape"],
            "chunks": array["chunks"],
            "dtype": "<i2",
            "compressor": {"id": "zstd", "level": 1},
            "fill_value": array["fill_value"],
            "order": array["order"],
            "filters": None,
            "dimension_separator": "/",
        }
        for name, array in JRC["children"].items()
    }
    found = read({".zgroup": {"zarr_format": 2}, ".zattrs": JRC["attrs"], **arrays})
    assert [level.name for level in found.levels] == [f"s{n}" for n in range(9)]
    finest = found.levels[0]
    assert (finest.shape, finest.dtype) == ((564, 2520, 2596), "int16")
    assert finest.voxel_nm == (2.96, 4.0, 4.0)
    assert found.levels[1].translation_nm == (1.48, 2.0, 2.0)
    assert found.levels[7].voxel_nm == (378.88, 512.0, 512.0)  # 378.8799999999999 in the document


@pytest.mark.parametrize(
    ("name", "chunk"),
    [
        ("v3_array_zarr.json", (64, 64, 64)),
        ("v3_sharded_array_zarr.json", (64, 64, 64)),  # the inner chunks of shards of 256
    ],
)
def test_an_array_of_zarr_3(name: str, chunk: tuple[int, int, int]) -> None:
    found = read({"zarr.json": document(name)})
    (level,) = found.levels
    assert (found.kind, level.driver) == ("Zarr v3", "zarr3")
    assert (level.shape, level.dtype, level.chunk) == ((512, 512, 512), "uint8", chunk)


def test_a_group_of_zarr_3() -> None:
    group, array = document("v3_group_zarr.json"), document("v3_array_zarr.json")
    paths = [each["path"] for each in group["attributes"]["ome"]["multiscales"][0]["datasets"]]
    arrays = {
        f"{path}/zarr.json": each
        for path, each in zip(paths, halves(array, 9).values(), strict=False)
    }
    found = read({"zarr.json": group, **arrays})
    assert found.kind == "OME-Zarr 0.5"
    assert [level.name for level in found.levels] == paths
    assert found.levels[0].voxel_nm == (8.0, 8.0, 8.0)


def test_an_array_of_n5_names_its_axes_backwards() -> None:
    found = read({"attributes.json": document("n5_array_attributes.json")})
    (level,) = found.levels
    assert (found.kind, level.driver) == ("N5", "n5")
    assert (level.shape, level.chunk, level.dtype) == ((128,) * 3, (64,) * 3, "uint8")
    assert level.voxel_nm == (2.96, 4.0, 4.0)  # x, y, z in the document: 4, 4, 2.96


@pytest.mark.parametrize("name", ["info_unsharded_jpeg.json", "info_sharded_jpeg.json"])
def test_an_info_of_precomputed(name: str) -> None:
    found = read({"info": document(name)})
    (level,) = found.levels
    assert level.driver == "neuroglancer_precomputed"
    assert (level.name, level.scale, level.encoding) == ("8_8_8", 0, "jpeg")
    assert (level.shape, level.chunk, level.voxel_nm) == ((512,) * 3, (64,) * 3, (8.0,) * 3)
    assert not found.is_segmentation


def get(replica: ReplicaProcess, path: str) -> Any:
    status, _, body = ask(f"{replica.url}/{path}")
    assert status == 200
    return json.loads(body)


def test_the_replicas_groups_have_the_recorded_shape(replica: ReplicaProcess) -> None:
    assert differences(JRC["attrs"], get(replica, f"{COSEM}/.zattrs")) == {}
    array = get(replica, f"{COSEM}/s0/.zarray")
    assert differences(document("zarr2_array.zarray.json"), array) == {}
    assert array["compressor"] == {"id": "zstd", "level": 1}  # Zstd(level=1) in the recording
    assert get(replica, f"{COSEM}/s0/.zattrs") == JRC["children"]["s0"]["attrs"] == {}


@pytest.mark.slow
def test_the_replicas_info_has_the_recorded_shape(replica: ReplicaProcess) -> None:
    info = get(replica, f"{HEMIBRAIN}/info")
    assert differences(document("info_sharded_jpeg.json"), info) == {}

"""What stores hold that is easily left out, or read as what it is not: each is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
import tensorstore as ts
import zarr

from tests.conftest import Crawler
from tests.volumes import stores, worlds
from tests.volumes.test_crawl_unlisted import PRIVATE, files

if TYPE_CHECKING:
    from pathlib import Path

VOXELS = np.random.default_rng(8).integers(0, 255, (16, 20, 24), np.uint8)


@pytest.fixture
def alone(tmp_path: Path) -> Crawler:
    return Crawler(tmp_path, None)


def document(folder: Path, name: str, **content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | content))


def n5(folder: Path, voxels: Any, **more: Any) -> None:
    about = {"dimensions": voxels.shape[::-1], "blockSize": [12, 10, 8]}
    about |= {"dataType": voxels.dtype.name, "compression": {"type": "gzip"}}
    stores.write(folder, {"driver": "n5", "metadata": about}, voxels.T)
    document(folder, "attributes.json", **more)


@pytest.fixture
def segmentation(tmp_path: Path) -> Path:
    folder = tmp_path / "store/seg"
    spec = stores.precomputed((24, 20, 16, 1), "raw", dtype="uint32")
    stores.write(folder, spec, VOXELS.transpose()[..., None].astype(np.uint32))
    kinds = {"mesh": "multilod_draco", "skel": "skeletons", "props": "segment_properties"}
    named = {"mesh": "mesh", "skeletons": "skel", "segment_properties": "props"}
    document(folder, "info", type="segmentation", **named)
    for name, kind in kinds.items():
        document(folder / name, "info", **{"@type": f"neuroglancer_{kind}"})
    (folder / "mesh/1.index").write_bytes(b"an index")
    return folder


def test_meshes_beside_a_volume_are_named_and_copied_if_asked_for(
    alone: Crawler, segmentation: Path
) -> None:
    plain = alone("zarr", url=str(segmentation))
    assert plain.status == 0, plain.log
    assert "holds more, which is left out: mesh, skel, props" in plain.log
    assert len(plain.out.rows()) == 1
    whole = alone("zarr", url=str(segmentation), with_labels=1, out="whole")
    assert whole.status == 0, whole.log
    assert {row["record_id"].rpartition("/")[2] for row in whole.out.rows()} > {
        "mesh",
        "skel",
        "props",
    }
    assert (whole.out.root / "seg/mesh/1.index").read_bytes() == b"an index"
    cut = alone("zarr", url=str(segmentation), box="8:12,8:12,8:12", out="cut")
    assert cut.status == 0, cut.log
    assert "left out" not in cut.log
    with stores.serving(segmentation.parent) as store:
        unlisted = alone(
            "zarr", url=f"{store.url}seg", with_labels=1, settings=PRIVATE, out="unlisted"
        )
    assert unlisted.status == 3
    assert unlisted.out.failures() == {"seg/mesh": "not_found", "seg/skel": "not_found"}
    messages = [row["message"] for row in unlisted.out.rows("failures.csv")]
    assert all("its server lists nothing" in message for message in messages)


def test_label_multisets_are_copied_and_not_taken_for_voxels(
    alone: Crawler, tmp_path: Path
) -> None:
    data = tmp_path / "a.n5/labels/data"
    document(data, "attributes.json", multiScale=True, isLabelMultiset=True)
    n5(data / "s0", VOXELS)
    dry = alone("zarr", url=str(data), size="4,4,4", dry_run=1)
    assert dry.status == 2
    cut = alone("zarr", url=str(data), size="4,4,4")
    assert cut.status == 3
    assert "label multisets of Paintera" in cut.out.rows("failures.csv")[0]["message"]
    copied = alone("zarr", url=str(data), out="copy")
    assert copied.status == 0, copied.log
    assert copied.out.rows()[0]["compression"] == "label multiset"


def test_sizes_without_a_unit_are_left_empty_and_that_is_said(
    alone: Crawler, tmp_path: Path
) -> None:
    n5(tmp_path / "bdv.n5/setup0/timepoint0/s0", VOXELS)
    document(
        tmp_path / "bdv.n5/setup0/timepoint0",
        "attributes.json",
        multiScale=True,
        resolution=[4, 4, 40],
    )
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(8, 8, 8), chunks=(8, 8, 8), dtype="u1", zarr_format=2
    )
    array[:] = VOXELS[:8, :8, :8]
    array.attrs["resolution"] = [40, 4, 4]
    for url in ("bdv.n5/setup0/timepoint0", "a.zarr"):
        ended = alone("zarr", url=str(tmp_path / url), box="0:4,0:4,0:4", format="npy")
        assert ended.status == 0, ended.log
        assert "its voxel sizes have no unit: they are left empty" in ended.log
        assert not any(row.get("voxel_z_nm") for row in ended.out.rows())


def test_a_dataset_of_webknossos_names_its_arrays_on_a_server_that_lists_none(
    alone: Crawler, tmp_path: Path
) -> None:
    mags = [{"mag": [1, 1, 1], "path": "./color/1"}, {"mag": [2, 2, 1]}]
    layers = [
        {"name": "color", "dataFormat": "zarr3", "mags": mags},
        {"name": "old", "dataFormat": "wkw", "mags": [{"mag": [1, 1, 1]}]},
    ]
    document(tmp_path / "store/wk", "datasource-properties.json", dataLayers=layers)
    with stores.serving(tmp_path / "store") as store:
        whole = alone("zarr", url=f"{store.url}wk", size="4,4,4", settings=PRIVATE)
        layer = alone("zarr", url=f"{store.url}wk/color", size="4,4,4", settings=PRIVATE)
    assert whole.status == layer.status == 1
    assert "-a path=color\n" in whole.log
    assert "-a path=1\n  -a path=2-2-1\n" in layer.log


@pytest.mark.parametrize(
    ("change", "words", "status"),
    [
        ({"storage_transformers": [{"name": "manifest"}]}, "No storage transformers supported", 2),
        ({"chunk_grid": {"name": "rectilinear"}}, "has no regular grid of chunks", 1),
    ],
)
def test_parts_of_zarr_3_that_are_not_known_here(
    alone: Crawler, tmp_path: Path, change: dict[str, Any], words: str, status: int
) -> None:
    spec = {"driver": "zarr3", "kvstore": f"file://{tmp_path}/a.zarr/"}
    metadata = {"shape": [8, 8, 8], "data_type": "uint8"}
    ts.open(spec | {"metadata": metadata}, create=True).result()[:] = VOXELS[:8, :8, :8]
    document(tmp_path / "a.zarr", "zarr.json", **change)
    dry = alone("zarr", url=str(tmp_path / "a.zarr"), size="4,4,4", dry_run=1)
    assert dry.status == status
    assert words in dry.log


def test_arrays_that_are_no_pictures_here_are_copied_as_they_are(
    alone: Crawler, tmp_path: Path
) -> None:
    """A record array alone, and as one of the pictures of a converted file."""
    root = tmp_path / "store/file.zarr"
    pairs = np.zeros((4, 5, 6), [("a", "<u2"), ("b", "<u2")])
    pairs["a"] = np.arange(120).reshape(4, 5, 6)
    about = {"zarr_format": 2, "shape": [4, 5, 6], "chunks": [4, 5, 6], "order": "C"}
    about |= {"dtype": pairs.dtype.descr, "fill_value": None, "filters": None, "compressor": None}
    document(root, ".zgroup", zarr_format=2)
    document(root, ".zattrs", **{"bioformats2raw.layout": 3})
    document(root / "OME", ".zattrs", series=["0", "1"])
    (root / "OME/METADATA.ome.xml").write_text("<OME/>")
    scales = worlds.multiscales("zyx", {"0": ([1.0] * 3, [0.0] * 3)})
    for series in "01":
        document(root / series, ".zattrs", multiscales=[scales])
        document(root / series, ".zgroup", zarr_format=2)
    stores.write(root / "0/0", stores.v2(VOXELS.shape, (8, 8, 8), "|u1"), VOXELS)
    document(root / "1/0", ".zarray", **about)
    (root / "1/0/0.0.0").write_bytes(pairs.tobytes())
    with stores.serving(tmp_path / "store") as store:
        url = f"{store.url}file.zarr"
        some = alone("zarr", url=url, settings=PRIVATE, out="some")
        foreseen = alone("zarr", url=url, settings=PRIVATE, dry_run=1)
        whole = alone("zarr", url=url, level="all", settings=PRIVATE, out="whole")
        one = alone("zarr", url=f"{url}/1/0", settings=PRIVATE, out="one")
        all_of_one = alone("zarr", url=f"{url}/1/0", level="all", settings=PRIVATE, out="one")
        cube = alone("zarr", url=f"{url}/1/0", size="2,2,2", settings=PRIVATE, out="cube")
    assert some.status == foreseen.status == 3, some.log + foreseen.log
    assert "1 volumes cannot be had" in foreseen.log
    (failure,) = some.out.rows("failures.csv")
    assert failure["message"].endswith("be read here. As it is, whatever its size: -a level=all")
    assert whole.status == all_of_one.status == 0, whole.log + all_of_one.log
    held = files(tmp_path / "store")
    assert {key: files(whole.out.root).get(key) for key in held} == held
    assert one.status == cube.status == 1
    assert one.log.count("-a level=all") == 1
    assert "level=all" not in cube.log
    copied = files(all_of_one.out.root)
    assert copied["file.zarr/1/0/0.0.0"] == pairs.tobytes()


@pytest.mark.parametrize(("name", "inner"), [("a b.ZIP", "zip"), ("db", "ocdbt")])
def test_what_opens_a_store_within_another_is_said(
    alone: Crawler, tmp_path: Path, name: str, inner: str
) -> None:
    (tmp_path / "store").mkdir()
    if inner == "ocdbt":
        spec = {"driver": "ocdbt", "base": f"file://{tmp_path}/store/{name}/"}
        ts.KvStore.open(spec).result().write("info", b"{}").result()
    else:
        (tmp_path / "store" / name).write_bytes(b"PK")
    with stores.serving(tmp_path / "store") as store:
        url = store.url + quote(name)
        ended = alone("zarr", url=url, size="2,2,2", settings=PRIVATE)
    assert ended.status == 1
    assert f"holds a store within it: type {url}|{inner}:" in ended.log

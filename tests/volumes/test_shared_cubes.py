"""Cubes that several layers share: the same physical box of each, stored or missing together."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest

from imgcrawl.dataset.record_columns import FIXED_COLUMNS, PICTURE_COLUMNS
from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import Level, Multiscale, Raw, Resampling, VolumeAddress
from imgcrawl.volumes.crop.columns import OWN_COLUMNS
from imgcrawl.volumes.crop.cube_plan import CubeGrid, CubeLayer, crop_of
from imgcrawl.volumes.crop.holdout import TRAIN, VAL, CutPlane, split_boxes
from imgcrawl.volumes.crop.provenance import read_provenance
from imgcrawl.volumes.crop.resample import resample
from tests.conftest import ROOT, Crawler
from tests.volumes import crops, stores, worlds
from tests.volumes.test_crawl_unlisted import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ended

RANDOM = np.random.default_rng(11)
EM = RANDOM.integers(0, 255, (96, 80, 64), np.uint8)  # z, y, x at 4 nm
IDS = RANDOM.integers(1, 1 << 40, (12, 10, 8), np.uint64)
SEG = np.kron(IDS, np.ones((4, 4, 4), np.uint64))  # at 8 nm: 48, 40, 32
SEG[:, :, :16] = 0


def halved(voxels: Any) -> Any:
    z, y, x = (side // 2 for side in voxels.shape)
    return np.rint(voxels.reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))).astype(voxels.dtype)


def precomputed(folder: Path, levels: list[Any], nm: int, kind: str) -> None:
    info = None
    for number, voxels in enumerate(levels):
        spec = stores.precomputed((*voxels.shape[::-1], 1), "raw", dtype=voxels.dtype.name)
        spec |= {"store_data_equal_to_fill_value": True}
        spec["multiscale_metadata"]["type"] = kind
        side, key = nm << number, str(nm << number)
        spec["scale_metadata"] |= {"resolution": [side] * 3, "voxel_offset": [0] * 3, "key": key}
        stores.write(folder, spec, voxels.transpose()[..., None])
        own = json.loads((folder / "info").read_text())
        (folder / "info").unlink()
        info = info or own | {"scales": []}
        info["scales"].append(own["scales"][0])
    (folder / "info").write_text(json.dumps(info))


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of two levels, segments, and the same as OME-Zarr with labels that lie elsewhere."""
    root = tmp_path_factory.mktemp("tissue")
    precomputed(root / "em", [EM, halved(EM)], 4, "image")
    precomputed(root / "seg", [SEG], 8, "segmentation")
    levels = {"0": ([4.0, 4, 4], [0.0, 0, 0]), "1": ([8.0, 8, 8], [2.0, 2, 2])}
    for name, arrays in (("ome.zarr", [EM, halved(EM)]), ("late.zarr", [SEG[4:]])):
        for number, voxels in enumerate(arrays):
            dtype = voxels.dtype.newbyteorder("<").str
            spec = stores.v2(voxels.shape, (16, 16, 16), dtype)
            spec |= {"store_data_equal_to_fill_value": True}
            stores.write(root / name / str(number), spec, voxels)
        told = levels if name == "ome.zarr" else {"0": ([8.0, 8, 8], [32.0, 0, 0])}
        about: dict[str, Any] = {"multiscales": [worlds.multiscales("zyx", told)]}
        if name == "late.zarr":
            about["image-label"] = {"version": "0.4"}
        worlds.write(root / name, {".zgroup": {"zarr_format": 2}, ".zattrs": about})
    return root


def cubes_of(ended: Ended) -> dict[str, dict[str, tuple[dict[str, str], Any]]]:
    """Rows and voxels by cube and layer."""
    found: dict[str, dict[str, tuple[dict[str, str], Any]]] = {}
    for row in ended.out.rows():
        voxels = np.load(ended.out.root / row["file_name"])
        found.setdefault(row["cube_id"], {})[row["layer"]] = row, voxels
    return found


def origin(row: dict[str, str]) -> tuple[float, ...]:
    return tuple(float(row[f"origin_{axis}_nm"]) for axis in "zyx")


def box(voxels: Any, at: tuple[float, ...], nm: float, shape: tuple[int, ...]) -> Any:
    starts = [int(a / nm) for a in at]
    return voxels[tuple(slice(a, a + n) for a, n in zip(starts, shape, strict=True))]


@pytest.mark.slow
def test_the_same_place_of_every_layer_whatever_the_format(tissue: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    ask: dict[str, Any] = {"size": "64nm,64nm,48nm", "count": 3, "seed": 5, "format": "npy"}
    places = {}
    for name, layers, voxel in (
        ("a", "em,seg", "8nm"),
        ("b", "ome.zarr,seg", "8nm"),
        ("c", "seg,em", "8"),
        ("d", "em,seg", "4nm"),
    ):
        ended = alone("zarr", url=str(tissue), layers=layers, voxel=voxel, out=name, **ask)
        assert ended.status == 0, ended.log
        cubes = cubes_of(ended)
        assert len(cubes) == 3
        places[name] = sorted(origin(next(iter(each.values()))[0]) for each in cubes.values())
        nm = float(voxel.removesuffix("nm"))
        for members in cubes.values():
            em, seg = members.get("em") or members["ome.zarr"], members["seg"]
            shape = tuple(int(side / nm) for side in (64, 64, 48))
            assert em[1].shape == seg[1].shape == shape
            assert (em[0]["role"], seg[0]["role"]) == ("image", "label")
            assert origin(em[0]) == origin(seg[0])
            assert seg[1].dtype == np.uint64
            fine = EM if nm == 4 else halved(EM)
            assert np.array_equal(em[1], box(fine, origin(em[0]), nm, shape))
            ids = SEG if nm == 8 else np.kron(SEG, np.ones((2, 2, 2), np.uint64))
            assert np.array_equal(seg[1], box(ids, origin(seg[0]), nm, shape))
            assert em[0]["voxel_z_nm"] == seg[0]["voxel_x_nm"] == str(nm)
    assert places["a"] == places["b"] == places["c"]
    for one, other in zip(places["a"], places["d"], strict=True):
        assert all(abs(p - q) <= 8 for p, q in zip(one, other, strict=True))
    path = next((tmp_path / "a/cubes").glob("*/seg.npy.crop.json"))
    told = read_provenance(path)
    assert told.partners == [told.record_id.replace("seg.npy", "em.npy")]
    again = alone("recrop", file=path, local=1, out="again")
    assert again.status == 0, again.log
    assert again.out.rows()[0]["voxels_sha256"] == told.voxels_sha256


def link(url: str) -> str:
    layers = [
        {"name": "em", "type": "image", "source": f"precomputed://{url}em"},
        {"name": "seg", "type": "segmentation", "source": f"precomputed://{url}seg"},
    ]
    return f"https://viewer.example/#!{quote(json.dumps({'layers': layers}))}"


@pytest.mark.parametrize("both", [False, True])
def test_layers_that_lie_elsewhere_in_the_viewer_are_no_pair(
    tissue: Path, tmp_path: Path, both: bool
) -> None:
    moved = {"matrix": [[1, 0, 0, 100], [0, 1, 0, 0], [0, 0, 1, 0]]}
    with stores.serving(tissue) as store:
        layers = [
            {"name": name, "type": kind, "source": {"url": f"precomputed://{store.url}{name}"}}
            for name, kind in (("em", "image"), ("seg", "segmentation"))
        ]
        for layer in layers if both else layers[:1]:
            layer["source"]["transform"] = moved  # type: ignore[index]
        url = f"https://viewer.example/#!{quote(json.dumps({'layers': layers}))}"
        ask = {"layers": "em,seg", "size": "6,6,6", "voxel": "8nm", "format": "npy"}
        ended = Crawler(tmp_path, None)("neuroglancer", url=url, settings=PRIVATE, **ask)
    assert ended.status == (0 if both else 1), ended.log
    assert ("em: moved in the viewer, and others of these layers are not" in ended.log) is not both


def test_a_link_known_places_and_chunks_that_are_shared(tissue: Path, tmp_path: Path) -> None:
    listed = tmp_path / "points.csv"
    rows = ["name,z,y,x", *(f"p{n},{100 + n},120,130" for n in range(0, 40, 8))]
    listed.write_text("\n".join([*rows, "edge,380,120,130", "bad,a,1,1", rows[1]]))
    alone = Crawler(tmp_path, None)
    ask: dict[str, Any] = {"size": "8,8,8", "voxel": "8nm", "format": "npy", "boxes": listed}
    with stores.serving(tissue) as store:
        ended = alone("neuroglancer", url=link(store.url), layers="em,seg", settings=PRIVATE, **ask)
        asked = Counter(path for path in store.asked if "-" in path)
    assert ended.status == 3, ended.log
    assert max(asked.values()) == 1
    cubes = cubes_of(ended)
    assert len(cubes) == 5
    for members in cubes.values():
        row, ids = members["seg"]
        number = int(row["name"][1:])
        # The corner nearest to the middle that was asked for, less half of the cube.
        assert origin(row)[0] == (100 + number - 32 + 4) // 8 * 8
        assert np.array_equal(ids, box(SEG, origin(row), 8, (8, 8, 8)))
    failures = ended.out.rows("failures.csv")
    reasons = Counter(row["reason"] for row in failures)
    assert reasons == {
        "not_found": 2,
        "bad_url": 2,
    }  # beyond; no row, and one twice
    assert sum("goes beyond what all layers cover" in row["message"] for row in failures) == 2
    clipped = alone("zarr", url=str(tissue), layers="em,seg", clip=1, out="clip", **ask)
    sizes = {row["size_z"] for row in clipped.out.rows() if row["name"] == "edge"}
    assert sizes == {"4"}


def test_columns_of_a_list_take_the_place_of_none(tissue: Path, tmp_path: Path) -> None:
    listed = tmp_path / "points.csv"
    rows = ["layer,split,level,dtype,note,z,y,x", "III,test,deep,soma,a,120,120,120"]
    listed.write_text("\n".join([*rows, "IV,test,deep,soma,b,180,120,120,more"]))
    alone = Crawler(tmp_path, None)
    ask: dict[str, Any] = {"size": "8,8,8", "voxel": "8nm", "format": "npy", "boxes": listed}
    ended = alone("zarr", url=str(tissue), layers="em,seg", **ask)
    assert ended.status == 3, ended.log
    rows_there = ended.out.rows()
    assert [row["layer"] for row in rows_there] == ["em", "seg"]
    for row in rows_there:
        told = (row["layer_"], row["split_"], row["level_"], row["dtype_"], row["note"])
        assert told == ("III", "test", "deep", "soma", "a")
        assert row["level"] != "deep"
        own = {*row} - {*FIXED_COLUMNS, "layer_", "split_", "level_", "dtype_", "note"}
        assert own <= OWN_COLUMNS | set(PICTURE_COLUMNS)
    (failure,) = ended.out.rows("failures.csv")
    assert "more cells than the list has columns" in failure["message"]


def test_bounds_in_voxels_of_the_first_layer(tissue: Path, tmp_path: Path) -> None:
    listed = tmp_path / "boxes.csv"
    with listed.open("w", newline="") as file:
        csv.writer(file).writerows([["z0", "z1", "y0", "y1", "x0", "x1"], [8, 24, 0, 10, 6, 20]])
    alone = Crawler(tmp_path, None)
    ended = alone("zarr", url=str(tissue), layers="em,late.zarr", boxes=listed, format="npy")
    assert ended.status == 0, ended.log
    ((em, late),) = (tuple(each.values()) for each in cubes_of(ended).values())
    assert np.array_equal(em[1], EM[8:24, 0:10, 6:20])
    whole = np.kron(SEG, np.ones((2, 2, 2), np.uint64))
    assert late[0]["role"] == "label"
    assert np.array_equal(late[1], whole[8:24, 0:10, 6:20])


def test_the_dataset_of_the_documentation_reads_the_table(tissue: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    ask: dict[str, Any] = {"size": "6,6,6", "voxel": "8nm", "count": 5, "holdout": "0.4"}
    ended = alone("zarr", url=str(tissue), layers="em,seg", format="npy", **ask)
    assert ended.status == 0, ended.log
    text = (ROOT / "docs/volumes.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) <= 22
    names: dict[str, Any] = {}
    exec(code, names)
    train, val = (names["Cubes"](ended.out.root, split) for split in ("train", "val"))
    assert len(train) + len(val) == 5
    image, label = train[0]
    assert image.shape == label.shape == (6, 6, 6)
    assert (image.dtype, label.dtype) == (np.uint8, np.uint64)


@pytest.mark.slow
def test_labels_and_splits_are_as_they_are_asked_for(tissue: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    ask: dict[str, Any] = {"url": str(tissue), "layers": "em,seg", "format": "npy", "seed": 2}
    ended = alone("zarr", size="6,6,6", voxel="8nm", count=6, min_label="0.6", holdout="0.3", **ask)
    assert ended.status == 0, ended.log
    splits: dict[str, list[tuple[float, ...]]] = {TRAIN: [], VAL: []}
    for members in cubes_of(ended).values():
        row, ids = members["seg"]
        assert (ids > 0).mean() >= 0.6
        assert members["em"][0]["split"] == row["split"]
        splits[row["split"]].append(origin(row))
    assert len(splits[TRAIN]) + len(splits[VAL]) == 6
    apart = (max(abs(a - b) for a, b in zip(p, q, strict=True)) for p in splits[TRAIN]
             for q in splits[VAL])  # fmt: skip
    assert all(each >= 48 for each in apart)
    never = alone("zarr", size="6,6,32", voxel="8nm", count=2, min_label="0.9", out="never", **ask)
    assert never.status == 3, never.log
    rows = never.out.rows("failures.csv")
    assert len(rows) == 2
    assert all("min_label=0.9, and the best had 0.5" in row["message"] for row in rows)
    one = int(SEG[20, 20, 20])
    held = alone("zarr", size="6,6,6", voxel="8nm", classes=one, out="held", **ask)
    assert held.status == 0, held.log
    assert (cubes_of(held).popitem()[1]["seg"][1] == one).any()


def test_a_pair_is_missing_together_and_made_whole_later(tissue: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    ask: dict[str, Any] = {"size": "8,8,8", "voxel": "8nm", "count": 4, "seed": 1, "format": "npy"}
    with stores.serving(tissue) as store:
        ask |= {"url": link(store.url), "layers": "em,seg", "settings": PRIVATE}
        store.fault(lambda handler, path: "/seg/8/" in path and handler.say(403))
        ended = alone("neuroglancer", **ask)
        assert ended.status == 3, ended.log
        assert not ended.out.rows()
        failures = ended.out.rows("failures.csv")
        assert {row["reason"] for row in failures} == {"forbidden"}
        assert sum("its partner" in row["message"] for row in failures) == 4
        assert not [*ended.out.root.glob("cubes/*/*.npy")]
        store.fault(None)
        store.asked.clear()
        again = alone("neuroglancer", **ask)
    assert again.status == 0, again.log
    assert all(len(members) == 2 for members in cubes_of(again).values())
    assert not [path for path in store.asked if "/em/8/" in path]  # what was read is kept
    assert not [*again.out.root.glob(".parts/*")]


def naive(voxels: Any, cube: Resampling, nm: tuple[float, ...], is_label: bool) -> Any:
    """A cube from voxels whose corner is 0, voxel by voxel."""
    found = np.empty(cube.shape)
    for index in np.ndindex(cube.shape):
        low = [(o + i * v) / s for o, i, v, s in
               zip(cube.origin_nm, index, cube.voxel_nm, nm, strict=True)]  # fmt: skip
        high = [a + v / s for a, v, s in zip(low, cube.voxel_nm, nm, strict=True)]
        if is_label:
            found[index] = voxels[tuple(int((a + b) / 2 + 1e-9) for a, b in
                                        zip(low, high, strict=True))]  # fmt: skip
            continue
        weights = [
            np.clip(np.minimum(b, np.arange(n) + 1) - np.maximum(a, np.arange(n)), 0, None)
            for a, b, n in zip(low, high, voxels.shape, strict=True)
        ]
        z, y, x = (each / each.sum() for each in weights)
        found[index] = np.einsum("ijk,i,j,k", voxels.astype(float), z, y, x)
    return found if is_label else np.rint(found)


def layer(shape: tuple[int, int, int], nm: tuple[float, float, float]) -> CubeLayer:
    about: dict[str, Any] = {"shape": shape, "voxel_nm": nm, "translation_nm": (0.0, 0.0, 0.0)}
    level = replace(crops.made_crop("npy", (1, 1, 1, 1), "uint8").level, **about, offset=(0, 0, 0))
    return CubeLayer("a", Multiscale(VolumeAddress("a", "https://a/"), "x", (level,)), "image")


@pytest.mark.parametrize("is_label", [False, True])
@pytest.mark.parametrize(
    ("voxel", "start"),
    [
        ((8.0, 8.0, 8.0), (8.0, 16.0, 0.0)),  # whole blocks
        ((10.0, 6.0, 7.0), (3.0, 5.0, 2.5)),  # parts of voxels
        ((3.0, 2.0, 1.0), (8.0, 9.0, 10.0)),  # finer than there are
        ((40.0, 4.0, 20.0), (0.0, 0.0, 0.0)),
    ],
)
def test_areas_are_averaged_and_ids_are_not(
    tmp_path: Path, voxel: Any, start: Any, *, is_label: bool
) -> None:
    voxels = RANDOM.integers(0, 250, (12, 14, 16), np.uint8)
    of = layer((12, 14, 16), (4.0, 4.0, 4.0))
    of = replace(of, role="label" if is_label else "image")
    grid = CubeGrid.of([of], voxel)
    shape = tuple(min(5, int((48 - a) / v)) or 1 for a, v in zip(start, voxel, strict=True))
    crop = crop_of(of, grid, start, shape, format_="npy", time=0)  # type: ignore[arg-type]
    assert crop.resampling is not None
    part = voxels[tuple(slice(a, a + n) for a, n in zip(crop.origin, crop.shape, strict=True))]
    (tmp_path / "raw").write_bytes(part.tobytes())
    raw = Raw(str(tmp_path / "raw"), (1, *crop.shape), "uint8")
    made = resample(raw, crop, tmp_path / "made", 3)
    found = np.fromfile(made.path, np.uint8, offset=3).reshape(shape)
    wanted = naive(voxels, crop.resampling, (4.0, 4.0, 4.0), is_label)
    assert abs(found.astype(float) - wanted).max() <= (0 if is_label else 1)
    assert (found == wanted).mean() > 0.98  # a half may be rounded either way
    # No more is read than the cube is made of.
    assert all(n <= s * v / 4 + 2 for n, s, v in zip(crop.shape, shape, voxel, strict=True))


def test_a_coarse_level_is_where_its_documents_mean() -> None:
    """The middle of its first voxel as OME-NGFF has it, or its corner as most write it."""
    fine = layer((100, 100, 100), (4.0, 4.0, 4.0)).finest

    def coarse(moved: float, nm: float = 16.0) -> Level:
        return replace(fine, shape=(25, 25, 25), voxel_nm=(nm,) * 3, translation_nm=(moved,) * 3)

    for moved, corner in ((6.0, 0.0), (0.0, 0.0), (1000.0, 1000.0)):
        of = CubeLayer("a", Multiscale(fine.address, "x", (fine, coarse(moved))), "image")
        assert of.corner(of.picture.levels[1])[0] == pytest.approx(corner, abs=6)
    of = CubeLayer("a", Multiscale(fine.address, "x", (fine, coarse(6.0))), "image")
    assert of.level((16.0, 16.0, 16.0)) is of.picture.levels[1]
    assert of.level((15.0, 16.0, 16.0)) is fine
    assert of.level((1.0, 1.0, 1.0)) is fine
    unknown = replace(fine, voxel_nm=(None, 4.0, 4.0))
    with pytest.raises(SourceError, match="does not say how large its voxels are"):
        CubeGrid.of([CubeLayer("u", Multiscale(fine.address, "x", (unknown,)), "image")], None)


def test_boxes_that_touch_are_in_the_same_split() -> None:
    places = RANDOM.integers(0, 400, (60, 3)).astype(float)
    boxes: Any = [(tuple(place), (40.0, 40.0, 40.0)) for place in places.tolist()]
    splits = split_boxes(boxes, 0.25, 10.0)
    assert 0 < splits.count(VAL) <= 15
    for (one, a), (other, b) in combinations(zip(boxes, splits, strict=True), 2):
        near = all(abs(p - q) <= 50 for p, q in zip(one[0], other[0], strict=True))
        assert not near or a == b
    grid = CubeGrid.of([layer((10, 10, 20), (4.0, 4.0, 4.0))], None)
    with pytest.raises(SourceError, match="do not fit into 80 nm"):
        CutPlane(grid, (40.0, 40.0, 40.0), 0.2, 5.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layers": "a,b"}, "Type size=z,y,x, box= or boxes="),
        ({"layers": "a,a", "size": "9"}, "names one of them twice"),
        ({"layers": "a", "size": "9", "level": "s0"}, "leave level and series out"),
        ({"size": "9", "voxel": "4nm"}, "voxel is for cubes of layers"),
        ({"layers": "a", "size": "9", "voxel": "no"}, "'no' is no size"),
        ({"layers": "a", "boxes": "b.csv", "seed": "1"}, "seed is for cubes at random places"),
        ({"layers": "a", "size": "9", "gap": "4nm"}, "type holdout= too"),
        ({"layers": "../a", "size": "9"}, "is no path"),
    ],
)
def test_what_does_not_fit_together_is_said(given: dict[str, str], words: str) -> None:
    from imgcrawl.arguments import parse_arguments
    from imgcrawl.records.errors import ArgumentError
    from spiders.zarr import ZarrSpider

    with pytest.raises(ArgumentError) as caught:
        parse_arguments(ZarrSpider, {"url": "s3://bucket/a.zarr", **given})
    assert words in str(caught.value)

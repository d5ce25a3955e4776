"""What a link or a group holds beside what cubes are cut from: named, counted, and to be had."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest

from imgcrawl.sources.neuroglancer.left_out import SAME_NAME, layers_left_out, namesakes
from imgcrawl.sources.neuroglancer.link import pick_layer, read_state
from imgcrawl.sources.pictures_beside import UNKNOWN
from tests.conftest import Crawler
from tests.volumes import stores, worlds
from tests.volumes.test_crawl_unlisted import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path

PLACE = {"box": "0:4,0:4,0:4", "format": "npy"}
VOXELS = np.random.default_rng(3).integers(1, 99, (3, 8, 9, 10), np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group of two pictures that has labels, and a group of one picture."""
    root = tmp_path_factory.mktemp("store")
    for path, voxels in (("a.zarr/x", 0), ("a.zarr/y", 1), ("a.zarr/labels/cells/0", 2)):
        stores.write(root / path, stores.v2((8, 9, 10), (4, 5, 5), "|u1"), VOXELS[voxels])
    stores.write(root / "b.zarr/0", stores.v2((8, 9, 10), (4, 5, 5), "|u1"), VOXELS[0])
    group = {".zgroup": {"zarr_format": 2}}

    def scales(path: str) -> Any:
        return worlds.multiscales("zyx", {path: ([4.0, 4, 4], [0.0, 0, 0])})

    about = {"multiscales": [scales("x"), scales("y")]}
    worlds.write(root / "a.zarr", group | {".zattrs": about})
    worlds.write(root / "a.zarr/labels", group | {".zattrs": {"labels": ["cells"]}})
    label = {"multiscales": [scales("0")], "image-label": {"version": "0.4"}}
    worlds.write(root / "a.zarr/labels/cells", group | {".zattrs": label})
    worlds.write(root / "b.zarr", group | {".zattrs": {"multiscales": [scales("0")]}})
    return root


def link(*layers: tuple[str, str, list[str]]) -> str:
    told = [{"name": name, "type": kind, "source": source} for name, kind, source in layers]
    return f"https://viewer.example/#!{quote(json.dumps({'layers': told}))}"


def test_what_is_not_taken_is_named_and_counted_and_can_be_had(store: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    with stores.serving(store) as served:
        a, b, seg = (f"zarr://{served.url}{path}" for path in ("a.zarr", "b.zarr", "s.zarr"))
        url = link(
            ("em", "image", [a, f"{a}/labels/cells"]),
            ("em", "image", [b]),
            ("em", "annotation", ["local://annotations"]),
            ("seg", "segmentation", [seg]),
        )
        ended = alone("neuroglancer", url=url, settings=PRIVATE, **PLACE)
        assert ended.status == 0, ended.log
        (row,) = ended.out.rows()
        assert np.array_equal(np.load(ended.out.root / row["file_name"]), VOXELS[0][:4, :4, :4])
        shown = f"{served.url}a.zarr"
        for words in (
            "The link shows more than em: seg (segmentation). Choose with -a layer=NAME",
            f"has 2 layers called em, of which the one of {a} is taken. "
            f"For another type -a url=ADDRESS without layer: {b}",
            "The layer em has 2 sources, of which the first is taken. "
            f"For another type -a url=ADDRESS without layer: {a}/labels/cells",
            f"{shown} holds more, which is left out: .#1, labels/cells. For a picture type scrapy "
            f"crawl zarr -a url={shown} -a series=NAME;",
            "5 parts of the source were not followed",
        ):
            assert words in ended.log
        left = ended.out.summary()["not_followed"]
        expected = {seg, b, f"{a}/labels/cells", f"{shown}/.#1", f"{shown}/labels/cells"}
        assert (set(left["first"]), left["pages"], len(left["why"])) == (expected, 5, 5)
        # What the warnings say to type.
        other = alone("zarr", url=shown, series=".#1", settings=PRIVATE, out="other", **PLACE)
        (row,) = other.out.rows()
        assert np.array_equal(np.load(other.out.root / row["file_name"]), VOXELS[1][:4, :4, :4])


def test_a_pair_must_know_which_layer_of_a_name_is_meant(store: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    with stores.serving(store) as served:
        a, b = (f"zarr://{served.url}{path}" for path in ("a.zarr", "b.zarr"))
        seg = ("seg", "segmentation", [f"{a}/labels/cells"])
        url = link(("em", "image", [a]), ("em", "image", [b]), seg)
        refused = alone("neuroglancer", url=url, layers="em,seg", settings=PRIVATE, **PLACE)
        one = link(("em", "image", [a]), seg, ("c", "image", [b]))
        pair = alone("neuroglancer", url=one, layers="em,seg", settings=PRIVATE, out="b", **PLACE)
    assert refused.status == 2, refused.log
    assert "layers=em: the link has 2 layers of this name" in refused.log
    assert f"\n  {a}\n  {b}\n" in refused.log
    assert pair.status == 0, pair.log
    assert len(pair.out.rows()) == 2
    left = pair.out.summary()["not_followed"]
    assert left["first"] == [f"{served.url}a.zarr/.#1"]  # the labels are taken


@pytest.mark.slow
def test_cubes_of_a_store_name_what_they_leave_out(store: Path, tmp_path: Path) -> None:
    alone = Crawler(tmp_path, None)
    for name, ask, left in (
        ("pair", {"url": store, "layers": "a.zarr,a.zarr/labels/cells"}, {".#1"}),
        ("first", {"url": store / "a.zarr"}, {".#1", "labels/cells"}),
        ("chosen", {"url": store / "a.zarr", "series": "."}, set()),
        ("whole", {"url": store / "b.zarr"}, set()),
    ):
        ended = alone("zarr", **ask, **PLACE, out=name)
        assert ended.status == 0, ended.log
        told = ended.out.summary().get("not_followed", {"first": []})["first"]
        assert set(told) == {f"{store}/a.zarr/{path}" for path in left}


def test_a_group_that_does_not_say_what_else_it_holds_is_counted(
    store: Path, tmp_path: Path
) -> None:
    def fails(served: stores.Served, path: str) -> bool:
        return path.endswith("/tables/.zattrs") and served.say(500)

    with stores.serving(store) as served:
        served.fault(fails)
        url = f"zarr://{served.url}b.zarr"
        ended = Crawler(tmp_path, None)("neuroglancer", url=url, settings=PRIVATE, **PLACE)
    assert ended.status == 0, ended.log
    left = ended.out.summary()["not_followed"]
    assert left["why"] == {UNKNOWN: 1}
    assert f"What else {served.url}b.zarr holds is not known" in ended.log


def test_a_layer_that_is_named_leaves_only_its_namesakes_out() -> None:
    told = [
        {"name": "em", "type": "image", "source": "zarr://gs://b/1"},
        {"name": "seg", "type": "segmentation", "source": "zarr://gs://b/2"},
        {"name": "em", "type": "image", "source": "zarr://gs://b/3", "visible": False},
    ]
    state = read_state(json.dumps({"layers": told}))
    taken, logger = state.layers[0], logging.LoggerAdapter(logging.getLogger("test"))
    chosen = layers_left_out(state, taken, logger, is_chosen=True)
    assert [(each.where, each.why) for each in chosen] == [("zarr://gs://b/3", SAME_NAME)]
    by_itself = layers_left_out(state, taken, logger, is_chosen=False)
    assert [each.where for each in by_itself] == ["zarr://gs://b/2", "zarr://gs://b/3"]


def test_layers_of_a_name_that_show_the_same_are_one() -> None:
    one = {"name": "a", "type": "image", "source": "zarr://gs://b/1"}
    annotated = {"name": "a", "type": "annotation", "source": "local://annotations"}
    moved = one | {"source": {"url": "zarr://gs://b/1", "transform": {"matrix": [[1, 0, 5]]}}}
    state = read_state(json.dumps({"layers": [{"name": "a"}, annotated, one, one, moved]}))
    assert pick_layer(state, "a").kind == "image"
    assert [bool(layer.moved) for layer in namesakes(state, "a")] == [False, True]


def test_a_state_of_more_layers_than_are_read_is_refused() -> None:
    layers = [{"name": str(number)} for number in range(10_001)]
    with pytest.raises(ValueError, match="a state of 10,001 layers"):
        read_state(json.dumps({"layers": layers}))

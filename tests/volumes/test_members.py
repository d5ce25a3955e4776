"""What a group holds beside its first picture: nothing of it is left out in silence."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.records.errors import SourceError
from imgcrawl.records.volume import VolumeAddress
from imgcrawl.sources.zarr_members import choose_members, describe_members
from imgcrawl.volumes.metadata.members import GroupMember, group_members
from tests.conftest import Crawler
from tests.volumes import stores, worlds
from tests.volumes.test_crawl_unlisted import PRIVATE, files

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = {"multiscales": [worlds.multiscales("zyx", {"0": ([4, 4, 4], [0, 0, 0])})]}
LABELS = {"labels": ["cells", "deep/nuclei", "../../x", 3]}


def members(documents: dict[str, Any]) -> list[tuple[str, str, int]]:
    store = worlds.Store(documents)
    found = asyncio.run(group_members(store.get, VolumeAddress(store.base, store.base)))
    return [(each.path, each.kind, each.index) for each in found]


def of_version(version: int, attributes: dict[str, Any]) -> dict[str, Any]:
    """Groups of attributes as documents of Zarr 2 or 3."""
    if version == 2:
        return {f"{path}.zattrs": about for path, about in attributes.items()}
    return {
        f"{path}zarr.json": {"node_type": "group", "attributes": {"ome": about}}
        for path, about in attributes.items()
    }


@pytest.mark.parametrize("version", [2, 3])
def test_pictures_labels_tables_and_wells(version: int) -> None:
    picture = {"": PICTURE, "labels/": LABELS, "tables/": {"tables": ["roi"]}}
    assert members(of_version(version, picture)) == [
        ("", "picture", 0),
        ("labels/cells", "label", 0),
        ("labels/deep/nuclei", "label", 0),
        ("tables", "folder", 0),
    ]
    two = {"": {"multiscales": PICTURE["multiscales"] * 2}}
    assert members(of_version(version, two)) == [("", "picture", 0), ("", "picture", 1)]
    plate = {
        "": {"plate": {"wells": [{"path": "A/1"}, {"path": "B/12"}, {"path": "/etc"}]}},
        "A/1/": {"well": {"images": [{"path": "0"}, {"path": "1"}]}},
        "A/1/0/": PICTURE,
        "A/1/0/labels/": {"labels": ["cells"]},
    }
    # A field and a well that the documents name are promised, though nothing is there.
    assert members(of_version(version, plate)) == [
        ("A/1/0", "picture", 0),
        ("A/1/0/labels/cells", "label", 0),
        ("A/1/1", "picture", 0),
        ("B/12", "picture", 0),
    ]


@pytest.mark.parametrize(
    ("more", "series"),
    [
        ({"OME/": {"series": ["0", "2", "sub/3"]}}, ["0", "2", "sub/3"]),
        ({}, ["0", "1"]),
    ],
)
def test_a_converted_file(more: dict[str, Any], series: list[str]) -> None:
    groups = {"": {"bioformats2raw.layout": 3}, "0/": PICTURE, "1/": PICTURE, "2/": PICTURE} | more
    if not more:
        del groups["2/"]
        groups["3/"] = PICTURE  # behind a gap, which nobody says is one
    found = members(of_version(2, groups))
    assert found == [*((path, "picture", 0) for path in series), ("OME", "folder", 0)]


def test_what_is_no_group_of_pictures_holds_nothing() -> None:
    assert members({".zattrs": {"a": 1}}) == []
    assert members({"info": worlds.hemibrain()}) == []
    assert members({".zarray": worlds.PLAIN_ARRAY_V2}) == []
    assert members({".zattrs": b"{"}) == []


def test_a_broken_document_hides_nothing_that_others_name() -> None:
    two = {"multiscales": PICTURE["multiscales"] * 2}
    broken = b'{"labels": ["cells"'
    assert members({".zattrs": two, "labels/.zattrs": broken, "tables/.zattrs": broken}) == [
        *(("", "picture", 0), ("", "picture", 1)),
        *(("tables", "folder", 0), ("labels", "folder", 0)),
    ]
    wells = {"plate": {"wells": [{"path": "A/1"}, {"path": "A/2"}]}}
    fields = {"well": {"images": [{"path": "0"}]}}
    plate = {".zattrs": wells, "A/1/.zattrs": broken, "A/2/.zattrs": fields}
    assert members(plate | {"A/2/0/.zattrs": PICTURE}) == [
        *(("A/1", "picture", 0), ("A/2/0", "picture", 0)),
    ]


HELD = [
    *(GroupMember("0", "picture"), GroupMember("0/labels/a", "label")),
    *(GroupMember("1", "picture"), GroupMember("1", "picture", 1)),
    *(GroupMember("1/tables", "folder"), GroupMember("OME", "folder")),
]


@pytest.mark.parametrize(
    ("series", "with_labels", "left"),
    [
        ([], True, ""),
        ([], False, "0/labels/a, 1/tables"),
        (["0"], True, "1, 1#1, 1/tables"),
        (["1#1", "0"], True, "1"),
        (["2"], False, "0, 0/labels/a, 1, 1/tables"),  # by its number
    ],
)
def test_members_are_chosen_and_the_others_named(
    series: list[str], left: str, *, with_labels: bool
) -> None:
    taken, others = choose_members(HELD, series, with_labels=with_labels)
    assert describe_members(others) == left
    assert sorted([*taken, *others], key=HELD.index) == HELD


def test_a_series_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(SourceError, match=r"series=7: there is no such picture.*\n  -a series=0\n"):
        choose_members(HELD, ["7"], with_labels=True)


_NAME = st.sampled_from(["", "0", "1", "a b", "..", "../x", "a/../..", "labels", "OME"])
_ABOUT = st.fixed_dictionaries(
    {},
    optional={
        "multiscales": st.just(PICTURE["multiscales"]) | st.lists(st.text(max_size=3), max_size=2),
        "bioformats2raw.layout": st.integers(0, 4),
        "labels": st.lists(_NAME, max_size=3) | st.text(max_size=3),
        "plate": st.fixed_dictionaries({"wells": st.lists(st.fixed_dictionaries({"path": _NAME}))}),
        "well": st.fixed_dictionaries({"images": st.lists(st.fixed_dictionaries({"path": _NAME}))}),
    },
)


@given(st.dictionaries(st.sampled_from(["", "0/", "1/", "0/0/", "labels/", "OME/"]), _ABOUT))
def test_groups_of_strangers_end_and_stay_below_themselves(groups: dict[str, Any]) -> None:
    for path, _, _ in members(of_version(2, groups)):
        assert ".." not in path.split("/")
        assert not path.startswith("/")


def make_picture(folder: Path, seed: int, **attributes: Any) -> None:
    voxels = np.random.default_rng(seed).integers(1, 99, (8, 9, 10), np.uint8)
    stores.write(folder / "0", stores.v2((8, 9, 10), (4, 5, 5), "|u1"), voxels)
    worlds.write(folder, {".zgroup": {"zarr_format": 2}, ".zattrs": PICTURE | attributes})


def make_converted(root: Path) -> None:
    """A file of two pictures, the second with labels and a table, and its OME-XML."""
    for number in (0, 1):
        make_picture(root / str(number), number)
    make_picture(root / "1/labels/cells", 2, **{"image-label": {"version": "0.4"}})
    group = {"zarr_format": 2}
    worlds.write(
        root,
        {
            ".zgroup": group,
            ".zattrs": {"bioformats2raw.layout": 3},
            "OME/.zgroup": group,
            "OME/.zattrs": {"series": ["0", "1", "2"]},
            "1/labels/.zgroup": group,
            "1/labels/.zattrs": {"labels": ["cells"]},
            "1/tables/.zgroup": group,
            "1/tables/.zattrs": {"tables": ["roi"]},
            "1/tables/roi/.zgroup": group,
            "1/tables/roi/.zattrs": {"encoding-type": "anndata"},
            "1/tables/roi/obs/.zgroup": group,
            "1/tables/roi/obs/.zattrs": {
                "encoding-type": "dataframe",
                "_index": "id",
                "column-order": ["area"],
            },
        },
    )
    for path in ("X", "obs/id", "obs/area"):
        stores.write(
            root / "1/tables/roi" / path, stores.v2((4,), (2,), "<i4"), np.arange(1, 5, dtype="<i4")
        )
    (root / "OME/METADATA.ome.xml").write_text("<OME/>")


@pytest.mark.slow
@pytest.mark.parametrize("listed", [True, False])
def test_a_converted_file_is_copied_whole(tmp_path: Path, *, listed: bool) -> None:
    root = tmp_path / "store/a.zarr"
    make_converted(root)
    alone = Crawler(tmp_path, None)
    with stores.serving(tmp_path / "store") as store:
        url = str(root) if listed else f"{store.url}a.zarr"
        ended = alone("zarr", url=url, settings=PRIVATE)
        assert ended.status == 3, ended.log  # the third picture is promised, and not there
        assert files(ended.out.root / "a.zarr") == files(root)
        rows = {row["record_id"] for row in ended.out.rows()}
        assert rows == {
            *("a.zarr/0/0", "a.zarr/1/0", "a.zarr/1/labels/cells/0", "a.zarr/1/tables"),
            "a.zarr/OME",
        }
        (row,) = ended.out.rows("failures.csv")
        assert (row["record_id"], row["reason"]) == ("a.zarr/2", "not_found")
        if listed:
            return
        one = alone("zarr", url=url, series="1", level="0", settings=PRIVATE, out="one")
        assert one.status == 0, one.log
        left = "holds more, which is left out: 0, 1/labels/cells, 1/tables, 2"
        assert left in one.log
        assert len(one.out.rows()) == 2
        cube = alone("zarr", url=url, box="0:4,0:4,0:4", format="npy", settings=PRIVATE, out="cube")
        assert "left out: 1, 1/labels/cells, 1/tables, 2, OME" in cube.log
        assert json.dumps(cube.out.rows()[0]["volume"]).endswith('/a.zarr/0/0"')

"""The JSON of contests, edition by edition."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.lists.rows import MalformedRow
from imgcrawl.lists.url_words import url_words
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.contest_labels import LabelMap, last_part
from imgcrawl.sources.contests import (
    ContestImage,
    check_contest,
    read_images,
    read_label_map,
)

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, document: Any) -> list[ContestImage | MalformedRow]:
    path.write_text(json.dumps(document) if not isinstance(document, str) else document)
    check_contest(str(path))
    return list(read_images(str(path), "", LabelMap.read(str(path), last_parts=True)))


def images(found: list[ContestImage | MalformedRow]) -> list[tuple[str, list[str], list[str]]]:
    return [(i.id, i.urls, i.labels) for i in found if isinstance(i, ContestImage)]


FURNITURE: dict[str, Any] = {
    "images": [
        {"url": ["http://a.example/1.jpg"], "image_id": 1},
        {"url": ["http://a.example/2.jpg"], "image_id": 2},
    ],
    "annotations": [{"image_id": 2, "label_id": 16}, {"image_id": 1, "label_id": 5}],
}
EDITIONS: dict[str, tuple[Any, list[tuple[str, list[str], list[str]]]]] = {
    "2018 Furniture, out of order": (
        FURNITURE,
        [("1", ["http://a.example/1.jpg"], ["5"]), ("2", ["http://a.example/2.jpg"], ["16"])],
    ),
    "2018 Fashion": (
        {
            "license": {"url": "http://l.example"},
            "images": [{"url": "https://c.example/api/568e-large", "imageId": "1"}],
            "annotations": [{"labelId": ["95", "66"], "imageId": "1"}],
        },
        [("1", ["https://c.example/api/568e-large"], ["95", "66"])],
    ),
    "2019 Product": (
        {"images": [{"id": "a1.jpg", "url": "http://p.example/x", "class": 123}]},
        [("a1.jpg", ["http://p.example/x"], ["123"])],
    ),
    "COCO": (
        {
            "images": [
                {
                    "license": 4,
                    "file_name": "000000397133.jpg",
                    "coco_url": "http://images.example/000000397133.jpg",
                    "flickr_url": "http://farm7.staticflickr.com/6116/6255196340_da26cf2c9e_z.jpg",
                    "id": 397133,
                }
            ],
            "annotations": [
                {"id": 1, "image_id": 397133, "category_id": 44},
                {"id": 2, "image_id": 397133, "category_id": 67},
                {"id": 3, "image_id": 397133, "category_id": 44},
            ],
            "categories": [{"id": 44, "name": "bottle"}, {"id": 67, "name": "dining table"}],
        },
        [
            (
                "397133",
                [
                    "http://images.example/000000397133.jpg",
                    "http://farm7.staticflickr.com/6116/6255196340_da26cf2c9e_z.jpg",
                ],
                ["44", "67"],
            )
        ],
    ),
    "test, without annotations": (
        {"images": FURNITURE["images"]},
        [("1", ["http://a.example/1.jpg"], []), ("2", ["http://a.example/2.jpg"], [])],
    ),
}


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_is_read_by_itself(edition: str, tmp_path: Path) -> None:
    document, expected = EDITIONS[edition]
    assert images(read(tmp_path / "list.json", document)) == expected
    turned = dict(reversed(document.items()))  # annotations first
    assert images(read(tmp_path / "list.json", turned)) == expected


OTHERS = [{"id": n, "url": f"http://licences.example/{n}/", "name": f"by {n}"} for n in range(1, 9)]


@pytest.mark.parametrize("table", ["licenses", "sources", "contributors"])
@pytest.mark.parametrize("first", [True, False])
def test_what_has_an_id_and_a_url_beside_the_images_is_none(
    table: str, first: bool, tmp_path: Path
) -> None:
    document, expected = EDITIONS["COCO"]
    whole = {table: OTHERS} | document if first else document | {table: OTHERS}
    assert images(read(tmp_path / "list.json", whole)) == expected
    labels = LabelMap.read(str(tmp_path / "list.json"), last_parts=True)
    assert labels.images == 1


def test_boxes_and_outlines_go_with_their_image(tmp_path: Path) -> None:
    box, outline = [1.5, 2, 30, 40], [[1, 2, 3, 4, 5, 6]]
    document = {
        "annotations": [
            {"image_id": 2, "category_id": 7, "bbox": box, "segmentation": outline},
            {"image_id": 1, "category_id": 8},
            {"image_id": 2, "category_id": 9, "bbox": [0, 0, 1, 1]},
        ],
        "images": [{"id": n, "coco_url": f"http://a.example/{n}.jpg"} for n in (1, 2)],
    }
    one, two = read(tmp_path / "list.json", document)
    assert isinstance(one, ContestImage)
    assert isinstance(two, ContestImage)
    assert one.fields == {"id": 1}
    assert two.fields == {
        "id": 2,
        "bbox": [box, [0, 0, 1, 1]],
        "bbox_label_id": ["7", "9"],
        "segmentation": [outline, None],
    }


def test_captions_and_the_segments_of_panoptic_annotations(tmp_path: Path) -> None:
    segments = [{"id": n, "category_id": n, "bbox": [n, 0, 2, 2], "area": 3} for n in (7, 8)]
    document = {
        "images": [{"id": 1, "coco_url": "http://a.example/1.jpg"}],
        "annotations": [
            {"image_id": 1, "file_name": "1.png", "segments_info": segments},
            {"image_id": 1, "caption": "a cup"},
            {"image_id": 1, "caption": "and another"},
        ],
    }
    (found,) = read(tmp_path / "list.json", document)
    assert isinstance(found, ContestImage)
    assert found.labels == ["7", "8"]
    assert found.fields == {
        "id": 1,
        "captions": ["a cup", "and another"],
        "bbox": [[7, 0, 2, 2], [8, 0, 2, 2]],
        "bbox_label_id": ["7", "8"],
        "area": [3, 3],
    }


def test_names_of_files_below_an_address(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    images_ = [
        {"id": 1, "file_name": "S1/a b.JPG"},
        {"id": 2, "file_name": "c.jpg", "url": "http://x/2"},
    ]
    path.write_text(json.dumps({"images": images_}))
    base = "http://lila.example/snapshot/"
    check_contest(str(path), "", base)
    found = list(read_images(str(path), "", LabelMap.read(str(path)), base))
    assert [each.urls for each in found if isinstance(each, ContestImage)] == [
        ["http://lila.example/snapshot/S1/a%20b.JPG"],
        ["http://x/2"],
    ]
    assert LabelMap.read(str(path)).images == 2
    path.write_text(json.dumps({"images": images_[:1]}))
    with pytest.raises(ArgumentError, match="type -a base="):
        check_contest(str(path))


def test_names_of_categories(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(EDITIONS["COCO"][0]))
    assert LabelMap.read(str(path)).names == {"44": "bottle", "67": "dining table"}


def test_labels_are_joined_by_id_in_any_order(tmp_path: Path) -> None:
    numbers = list(range(1, 2001))
    Random(1).shuffle(numbers)
    document = {
        "images": [{"url": [f"http://a.example/{n}"], "image_id": n} for n in range(1, 2001)],
        "annotations": [{"image_id": n, "label_id": n % 128} for n in numbers],
    }
    found = images(read(tmp_path / "list.json", document))
    assert all(labels == [str(int(id_) % 128)] for id_, _, labels in found)


def test_junk_is_named_and_alone(tmp_path: Path) -> None:
    records = [json.dumps(image) for image in FURNITURE["images"]]
    records[1:1] = ['{"url": ["http://a.example/x.jpg], "image_id": 7}', '{"image_id": 8}', "{}"]
    found = read(tmp_path / "list.json", f'{{"images": [{", ".join(records)}]}}')
    assert [id_ for id_, _, _ in images(found)] == ["1", "2"]
    problems = [junk.problem for junk in found if isinstance(junk, MalformedRow)]
    assert problems[0].startswith("broken JSON")
    assert problems[1:] == ["no URL of image 8", "no id"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"images": [{"id": 1, "file_name": "x.jpg"}]}, '"file_name": "x.jpg"'),
        ({"level1_node4": {"level2_node5": {}}}, "no images with an id and a URL"),
        ("not JSON", "no images"),
    ],
)
def test_what_is_no_contest_is_refused(document: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=words):
        read(tmp_path / "list.json", document)


def test_label_maps(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("labelId,taskId,labelName,taskName\n1,6,Argyle,pattern\n2,9,Asymmetric,style\n")
    assert read_label_map(str(path)) == {"1": "Argyle", "2": "Asymmetric"}
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ArgumentError, match="has a, b"):
        read_label_map(str(path))


def test_last_parts_and_words_of_urls(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    same = [{"url": [f"http://{host}.example/800x800.jpg"], "image_id": host} for host in "ab"]
    path.write_text(json.dumps({"images": [*same, {"url": ["http://a/c.jpg"], "image_id": 3}]}))
    labels = LabelMap.read(str(path), last_parts=True)
    assert labels.is_shared("800x800.jpg")
    assert not labels.is_shared("c.jpg")
    assert last_part("http://a.example/x/y.jpg?z=/q#f") == "y.jpg"
    assert last_part("http://a.example/") == "a.example"
    assert url_words("http://www.shop.example/Oak-Dining_table/img/8af0c3d2e19b.jpg?w=300") == (
        "url: www.shop.example: oak dining table"
    )
    assert url_words("http://img.example/%E6%B2%99%E5%8F%91.jpg") == "url: img.example: 沙发"
    assert url_words("http://[::1") == ""

"""iMaterialist's files, edition by edition, as they are published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imgcrawl.lists.look import Sample, find_columns
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import Row
from imgcrawl.sources.contest_labels import LabelMap
from imgcrawl.sources.contests import (
    ContestImage,
    check_contest,
    read_images,
    read_label_map,
)
from tests.recorded.shapes import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

HERE = FOLDER / "imaterialist"


def images(name: str) -> list[ContestImage]:
    path = str(HERE / name)
    check_contest(path)
    found = list(read_images(path, "", LabelMap.read(path)))
    assert all(isinstance(each, ContestImage) for each in found)
    return [each for each in found if isinstance(each, ContestImage)]


def test_furniture_with_labels() -> None:
    found = images("furniture2018_validation_head20.json")
    assert [each.id for each in found] == [str(number) for number in range(1, 21)]
    assert found[0].urls == [
        "http://www.ghs.net/public/images/fb/3d/51/3bebd41a640b6d3278e781c86ab67d6401a48633.jpg"
    ]
    assert [each.labels for each in found[:3]] == [["38"], ["63"], ["33"]]
    document = json.loads((HERE / "furniture2018_validation_head20.json").read_text("utf-8"))
    labels = {str(each["image_id"]): [str(each["label_id"])] for each in document["annotations"]}
    assert {each.id: each.labels for each in found} == labels
    urls = {str(each["image_id"]): each["url"] for each in document["images"]}
    assert {each.id: each.urls for each in found} == urls


def test_furniture_without_labels() -> None:
    found = images("furniture2018_test_head20.json")
    assert len(found) == 20
    assert found[2].urls == ["https://img.alicdn.com/imgextra/TB19HtjKXXXXXcfaXXXYXGcGpXX_M2.SS2"]
    assert all(each.labels == [] for each in found)


def test_fashion_has_text_for_ids_and_no_lists() -> None:
    found = images("fashion2018_test_head10.json")
    assert [each.id for each in found] == [str(number) for number in range(1, 11)]
    assert found[0].urls == [
        "https://contestimg.wish.com/api/webimage/568e16a72dfd0133cb3f7a79-large"
    ]


def test_the_label_map_of_fashion() -> None:
    names = read_label_map(str(HERE / "fashion2018_label_map_head40.csv"))
    assert len(names) == 40
    assert (names["1"], names["12"], names["17"]) == ("Argyle", "Beach & Swim Wear", "Black")


def test_odd_urls_of_furniture_pass_through_a_list(tmp_path: Path) -> None:
    zoo: dict[str, Any] = json.loads((HERE / "furniture2018_url_zoo.json").read_text("utf-8"))
    urls = list(dict.fromkeys(url for kind in zoo.values() for url in kind))
    assert len(urls) > 80
    path = tmp_path / "zoo.txt"
    path.write_text("".join(f"{url}\n" for url in urls), "utf-8")
    with open_rows(str(path)) as rows:
        found = list(rows)
    columns = find_columns(Sample.of(found), {}, path.name).columns
    assert [row.fields[columns.url] for row in found if isinstance(row, Row)] == urls

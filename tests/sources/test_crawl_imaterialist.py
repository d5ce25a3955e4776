"""iMaterialist: all splits in one run, labels by id, whatever the links have come to."""

from __future__ import annotations

import gzip
import json
import signal
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from replicas.web import Mix, fate

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

# Shapes of URLs as they are in the lists of 2018: no extension, two of them, one name for many.
SHAPES = (
    "https://img.shop.example/imgextra/TB{n}_!!3085441904.jpg_400x400Q90.jpg",
    "http://img{h}.mall.example/jfs/t{n}/{n}/58009f04N20478fc5.jpg!500",
    "http://cdn{h}.example/u={n},1916981108&fm=72",
    "http://host{n}.example/800x800.jpg",
    "http://pics{h}.example/Oak-Dining-Table/{n}/jpg",
    "http://old{h}.example/thumb.php?src=http://x.example/{n}.png",
)


def url_of(split: str, number: int) -> str:
    shape = SHAPES[number % len(SHAPES)]
    return shape.format(n=f"{number}{len(split)}", h=number % 7)


def contest(split: str, count: int, *, labels: bool = True) -> dict[str, Any]:
    numbers = range(1, count + 1)
    document: dict[str, Any] = {
        "images": [{"url": [url_of(split, n)], "image_id": n} for n in numbers]
    }
    if labels:
        document["annotations"] = [
            {"image_id": n, "label_id": n % 128 + 1} for n in reversed(numbers)
        ]
    return document


@pytest.mark.slow
def test_all_splits_each_record_in_one_table_under_its_label(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "train.json").write_text(json.dumps(contest("train", 300), indent=2))
    packed = gzip.compress(json.dumps(contest("validation", 60)).encode())
    (tmp_path / "validation.json.gz").write_bytes(packed)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("x/test.json", json.dumps(contest("test", 60, labels=False)))
        archive.writestr("x/other.json", "{}")
    mix = {"dead": 0.2, "corrupt": 0.05}
    replica.web(**mix)
    args: dict[str, Any] = {
        "train": tmp_path / "train.json",
        "validation": tmp_path / "validation.json.gz",
        "test": f"{tmp_path}/data.zip#test.json",
    }
    ended = crawl("imaterialist", **args)
    assert ended.status == 3, ended.log
    ended.out.verify()
    stored = {row["record_id"]: row for row in ended.out.rows()}
    missing = ended.out.failures()
    sizes = {"train": 300, "validation": 60, "test": 60}
    promised = {f"{split}/{n}" for split, size in sizes.items() for n in range(1, size + 1)}
    assert stored.keys() | missing.keys() == promised
    assert not stored.keys() & missing.keys()
    for record_id, row in stored.items():
        split, number = record_id.split("/")
        assert row["url"] == url_of(split, int(number))
        assert row["split"] == split
        assert row["file_name"] == f"{record_id}.jpg"
        assert row["label_id"] == ("" if split == "test" else str(int(number) % 128 + 1))
    for record_id in missing:
        split, number = record_id.split("/")
        assert fate(url_of(split, int(number)), Mix(**mix)) != "good"
    messages = [row["message"] for row in ended.out.rows("failures.csv")]
    assert any("oak dining table" in message for message in messages)

    replica.reset()
    again = crawl("imaterialist", **args, retry="none")
    assert again.status == 3
    assert not [path for path in replica.log()["paths"] if path.startswith("/web/")]
    assert {row["record_id"]: row for row in again.out.rows()} == stored


def test_the_seeds_names_never_collide(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "train.json").write_text(json.dumps(contest("train", 120)))
    ended = crawl("imaterialist", train=tmp_path / "train.json", naming="url")
    assert ended.status == 0, ended.log
    ended.out.verify()
    names = {row["record_id"]: row["file_name"] for row in ended.out.rows()}
    assert len(set(names.values())) == 120
    assert names["train/3"] == "train/800x800~3.jpg"
    assert names["train/6"] == "train/TB65_!!3085441904.jpg_400x400Q90.jpg"


def test_a_folder_a_label(crawl: Crawler, replica: ReplicaProcess, tmp_path: Path) -> None:
    names = {1: "dining table", 2: "../chair", 3: "crane"}
    document = {
        "licenses": [{"id": n, "url": f"http://cc.example/{n}", "name": "by"} for n in range(9)],
        "images": [
            {"id": n, "coco_url": url_of("val", n), "file_name": f"{n:03}.jpg"} for n in range(13)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n % 3 + 1, "bbox": [0, 0, 9, 9], "iscrowd": 0}
            for n in range(12)
        ]
        # A second one of another category and with an outline.
        + [
            {"id": 99, "image_id": 5, "category_id": 7, "bbox": [1, 1, 4, 4], "area": 8}
            | {"segmentation": [[1, 1, 5, 1, 5, 5]], "iscrowd": 0}
        ],
        "categories": [{"id": n, "name": name} for n, name in names.items()],
    }
    document["categories"] += [{"id": 7, "name": "lamp"}, {"id": 8, "name": "of none"}]
    (tmp_path / "val.json").write_text(json.dumps(document))
    replica.faults([{"match": url_of("val", 4).split("//")[1], "kind": "status", "status": 404}])
    layout = "{split}/{label_name}/{id}"
    ended = crawl("imaterialist", validation=tmp_path / "val.json", layout=layout)
    assert ended.status == 3, ended.log
    assert ended.out.failures() == {"validation/4": "not_found"}
    ended.out.verify()
    # As torchvision's ImageFolder and Keras' image_dataset_from_directory read it.
    tree = {
        path.name: [*(each.stem for each in path.iterdir())]
        for path in (ended.out.root / "validation").iterdir()
        if path.is_dir()
    }
    rows = {row["record_id"].split("/")[1]: row["label"] for row in ended.out.rows()}
    assert len(tree) == 5
    assert sorted(stem for stems in tree.values() for stem in stems) == sorted(rows)
    for folder, stems in tree.items():
        labels = {rows[stem] for stem in stems}
        assert len(labels) == 1
        assert folder in {*labels, "unknown"} or "chair" in folder
    # Boxes and outlines of the images that are there, for what reads COCO's.
    found = json.loads((ended.out.root / "annotations.json").read_text())
    assert sorted(image["id"] for image in found["images"]) == [n for n in range(13) if n != 4]
    for image in found["images"]:
        assert (ended.out.root / image["file_name"]).is_file()
    assert {each["id"]: each["name"] for each in found["categories"]} == names | {
        7: "lamp",
        8: "of none",
    }
    boxes = {(each["image_id"], each["category_id"]): each for each in found["annotations"]}
    assert {*boxes} == {(n, n % 3 + 1) for n in range(12) if n != 4} | {(5, 7)}
    assert len({each["id"] for each in found["annotations"]}) == len(found["annotations"]) == 12
    assert boxes[5, 7]["segmentation"] == [[1, 1, 5, 1, 5, 5]]
    assert (boxes[5, 7]["area"], boxes[5, 3]["area"], boxes[5, 3]["bbox"]) == (8, 81, [0, 0, 9, 9])


@pytest.mark.slow
def test_fashion_with_a_label_map_from_a_url_and_junk(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    images = [
        {"url": f"https://contest.example/api/{n}-large", "imageId": str(n)} for n in range(1, 6)
    ]
    records = [json.dumps(image) for image in images]
    records[2] = '{"url": "https://contest.example/api/3-large, "imageId": "3"}'
    annotations = [{"labelId": ["95", "66"], "imageId": str(n)} for n in range(1, 6)]
    (tmp_path / "train.json").write_text(
        f'{{"images": [{", ".join(records)}], "annotations": {json.dumps(annotations)}}}'
    )
    (tmp_path / "map.csv").write_text(
        "labelId,taskId,labelName,taskName\n66,1,Lace,x\n95,2,Red,x\n"
    )
    ended = crawl("imaterialist", train=tmp_path / "train.json", label_map=tmp_path / "map.csv")
    assert ended.status == 3
    assert ended.out.summary()["records"] == {"stored": 4, "missing": 1, "expected": 5}
    assert {row["image_id"] for row in ended.out.rows()} == {"1", "2", "4", "5"}
    assert {(row["label_id"], row["label"]) for row in ended.out.rows()} == {("95 66", "Red, Lace")}
    (row,) = ended.out.rows("failures.csv")
    assert row["reason"] == "bad_url"
    assert "record 3" in row["record_id"]
    assert "No record: " in ended.log
    # The list is mended: what was junk is a record now, and nothing is missing any more.
    records[2] = json.dumps(images[2])
    (tmp_path / "train.json").write_text(
        f'{{"images": [{", ".join(records)}], "annotations": {json.dumps(annotations)}}}'
    )
    mended = crawl("imaterialist", train=tmp_path / "train.json", label_map=tmp_path / "map.csv")
    assert mended.status == 0, mended.log
    assert len(mended.out.rows()) == 5
    assert mended.out.summary()["records"] == {"stored": 5, "missing": 0, "expected": 5}
    half = crawl("imaterialist", train=tmp_path / "train.json", shard="1/2", out="half")
    assert half.out.summary()["records"]["expected"] is None  # the promise is of all shards


def test_wrong_lists_are_refused_before_any_request(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_text('{"level1": {"a": [1]}}')
    refused: dict[str, dict[str, Any]] = {
        "Which split": {},
        "no images with an id": {"train": tmp_path / "x.json"},
        "cannot be read": {"train": tmp_path / "none.json"},
        "not standard input": {"train": "-"},
    }
    for words, args in refused.items():
        ended = crawl("imaterialist", **args)
        assert ended.status == 2, ended.log
        assert words in ended.log
    assert replica.log()["requests"] == 0


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "train.json").write_text(json.dumps(contest("train", 1500)))
    replica.web(dead=0.1)
    for asked in (30, 200):
        replica.reset()
        process = crawl.start("imaterialist", train=tmp_path / "train.json")
        replica.until_asked("/web/", asked)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    ended = crawl("imaterialist", train=tmp_path / "train.json")
    assert ended.status == 3, ended.log
    ended.out.verify()
    stored = {row["record_id"] for row in ended.out.rows()}
    assert len(stored) + len(ended.out.failures()) == 1500
    mix = Mix(dead=0.1)
    dead = {f"train/{n}" for n in range(1, 1501) if fate(url_of("train", n), mix) != "good"}
    assert stored == {f"train/{n}" for n in range(1, 1501)} - dead

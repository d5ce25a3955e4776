"""A contest with missing pictures, as loaders of training code read it: all labels right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dataset.test_loader import load
from tests.dataset.trees import keras_tree, torchvision_tree

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

FURNITURE = (
    Path(__file__).parent.parent / "recorded/imaterialist/furniture2018_validation_head20.json"
)


def coco() -> dict[str, Any]:
    """Fourteen images of four categories, one of them with none but missing pictures."""
    names = {1: "dining table", 3: "cell phone", 90: "toothbrush", 7: "train"}
    labels = [1, 3, 90, 1, 7, 3, 1, 90, 3, 1, 7, 1, 3, 1]
    return {
        "licenses": [{"id": n, "url": f"http://cc.example/{n}", "name": "by"} for n in range(1, 9)],
        "images": [
            {"id": n, "file_name": f"{n:012}.jpg", "coco_url": f"http://coco.example/{n}.jpg"}
            for n in range(14)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": label, "bbox": [1, 1, 5, 5], "iscrowd": 0}
            for n, label in enumerate(labels)
        ],
        "categories": [{"id": n, "name": name} for n, name in names.items()],
    }


@pytest.mark.slow
def test_two_contests_are_trees_and_datasets_with_all_labels(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "coco.json").write_text(json.dumps(coco()))
    gone = [f"coco.example/{n}.jpg" for n in (2, 7, 5)]  # both toothbrushes are
    replica.faults([{"match": each, "kind": "status", "status": 404} for each in gone])
    replica.web(dead=0.2)
    ended = crawl(
        "imaterialist",
        train=tmp_path / "coco.json",
        validation=FURNITURE,
        layout="{split}/{label_name}/{id}",
    )
    assert ended.status == 3, ended.log
    ended.out.verify()
    rows = {row["file_name"]: row for row in ended.out.rows()}
    missing = ended.out.failures()
    assert len(rows) + len(missing) == 34
    assert {"train/2", "train/7", "train/5"} <= missing.keys()
    for split in ("train", "validation"):
        own = {name: row for name, row in rows.items() if row["split"] == split}
        for tree in (torchvision_tree, keras_tree):
            found = {f"{split}/{path}": label for path, label in tree(ended.out.root / split)}
            assert found.keys() == own.keys()
            # A folder for each label, and a label for each folder. The one that is called "train"
            # has another name: Hugging Face's loader has a meaning for that word.
            pairs = {(label, own[name]["label_id"]) for name, label in found.items()}
            assert len(pairs) == len({*found.values()}) == len({n for _, n in pairs})
            names = {own[name]["label"] or own[name]["label_id"] for name in found}
            assert {*found.values()} - names <= {each for each in found.values() if "train" in each}
    data = load(ended.out.root, tmp_path)
    assert {*data} == {"train", "validation"}
    loaded = {row["record_id"]: row for split in data.values() for row in split}
    assert loaded.keys() == {row["record_id"] for row in rows.values()}
    for row in rows.values():
        assert str(loaded[row["record_id"]]["label_id"]) == row["label_id"]
        assert (loaded[row["record_id"]]["label"] or "") == row["label"]
        assert loaded[row["record_id"]]["image"].size == (int(row["width"]), int(row["height"]))


@pytest.mark.parametrize("read", [torchvision_tree, keras_tree])
def test_the_readers_of_trees_see_what_is_wrong(read: Any, tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/deep/2.PNG", "c/notes.txt", ".hidden/3.jpg", "4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if read is torchvision_tree:
        with pytest.raises(FileNotFoundError, match="the classes c"):
            read(tmp_path)
        (tmp_path / "c/5.webp").touch()
    assert ("b/deep/2.PNG", "b") in read(tmp_path)
    assert not any(name == "4.jpg" for name, _ in read(tmp_path))

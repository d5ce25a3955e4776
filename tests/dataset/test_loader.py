"""Hugging Face's loader gives exactly the rows of OUT, whatever is called how."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgcrawl.dataset.loader_card import write_loader_card
from imgcrawl.dataset.split_tables import write_split_tables
from imgcrawl.dataset.tables import write_all
from imgcrawl.records.items import FileItem, ImageItem
from imgcrawl.storage.places import place_aside, place_of
from tests.dataset.entries import ids, stored
from tests.sources.test_crawl_imaterialist import contest

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.dataset.ledger import Ledger
    from imgcrawl.storage.directory import OutputDirectory
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

# Where datasets 5.2.0 finds a split in a part of a path: data_files.py.
WORDS = ("train", "training", "validation", "valid", "dev", "val", "test", "testing", "eval")
APART = "-._ 0123456789"


def load(root: Path, cache: Path) -> dict[str, Any]:
    from datasets import load_dataset

    loaded: dict[str, Any] = load_dataset(
        "imagefolder", data_dir=str(root), cache_dir=str(cache / "hf")
    )
    return loaded


@pytest.mark.slow
def test_names_and_columns_that_the_loader_has_a_meaning_for(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    records = [("r0", "cat"), ("r1", "train"), ("eval_0001", "test tube"), ("a-test-3", "dev.v2")]
    columns = ["url", "id", "label", "image", "images", "original_file_name", "all_file_names"]
    with (tmp_path / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for name, label in records:
            url = f"http://photos.example/{name}.jpg"
            writer.writerow([url, name, label, f"picture {name}", "2", "IMG.JPG", "a b"])
    ended = crawl(
        "urls",
        list=tmp_path / "list.csv",
        layout="{label}/{id}",
        settings={"TABLES": "csv,parquet"},
    )
    assert ended.status == 0, ended.log
    typed = pq.read_table(ended.out.root / "records.parquet")
    (ended.out.root / "records.parquet").rename(tmp_path / "records.parquet")
    ended.out.verify()
    (tmp_path / "records.parquet").rename(ended.out.root / "records.parquet")
    assert typed.column_names == [*ended.out.rows()[0]]
    assert (str(typed.schema.field("bytes").type), len(typed)) == ("int64", 4)
    data = load(ended.out.root, tmp_path)
    assert set(data) == {"train"}
    rows = {row["record_id"]: row for row in ended.out.rows()}
    assert [(row["record_id"], row["label"]) for row in data["train"]] == sorted(records)
    for row in data["train"]:
        own = rows[row["record_id"]]
        assert row["image"].size == (int(own["width"]), int(own["height"]))
        assert row["image_"] == own["image_"] == f"picture {row['record_id']}"
        assert (row["original_file_name_"], row["all_file_names_"]) == ("IMG.JPG", "a b")
        assert row["images_"] == 2


@pytest.mark.slow
def test_a_sample_of_isic_is_a_picture_and_its_mask(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    wanted: dict[str, Any] = {"segmentation": 1, "seg_level": "expert", "attributes": 1}
    ended = crawl("isic", filter="malignant", num_images=12, **wanted)
    rows = {row["record_id"]: row for row in ended.out.rows()}
    masks = {row["file_name"]: row for row in ended.out.rows("masks.csv")}
    assert any(row["mask_attribute"] for row in masks.values())
    data = load(ended.out.root, tmp_path)["train"]
    assert len(data) == len(rows) == 12
    paired = 0
    for row in data:
        own = rows[row["record_id"]]
        assert row["diagnosis_1"] == "Malignant"
        assert row["image"].size == (int(own["width"]), int(own["height"]))
        assert (row["mask"] is None) is (own["mask_file_name"] == "")
        if row["mask"] is not None:
            mask = masks[own["mask_file_name"]]
            assert (mask["mask_of"], mask["mask_skill"]) == (row["record_id"], "expert")
            assert row["mask"].mode == "L"
            paired += 1
    assert 0 < paired < 12


@pytest.mark.slow
def test_the_splits_of_a_contest_are_those_of_the_loader(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    sizes = {"train": 8, "validation": 4, "test": 4}
    for split, size in sizes.items():
        document = contest(split, size, labels=split != "test")
        (tmp_path / f"{split}.json").write_text(json.dumps(document))
    lists: dict[str, Any] = {split: tmp_path / f"{split}.json" for split in sizes}
    ended = crawl("imaterialist", **lists)
    assert ended.status == 0, ended.log
    ended.out.verify()
    data = load(ended.out.root, tmp_path)
    assert {split: len(rows) for split, rows in data.items()} == sizes
    rows = {row["record_id"]: row for row in ended.out.rows()}
    for split, loaded in data.items():
        for row in loaded:
            own = rows.pop(row["record_id"])
            assert (row["split"], row["label_id"]) == (split, int(own["label_id"] or 0) or None)
            assert row["image"].size == (int(own["width"]), int(own["height"]))
    assert not rows


@pytest.mark.slow
def test_rows_that_show_the_type_of_a_column_come_first(
    out: OutputDirectory, ledger: Ledger, tmp_path: Path
) -> None:
    """Columns that are empty, or numbers, in the 10,000 rows that the loader looks at."""
    (out.root / "images").mkdir()
    Image.new("RGB", (2, 2)).save(out.root / "images/a.jpg")
    late: dict[int, dict[str, Any]] = {
        10_020: {"stage": "T1a", "age": "85+", "dose": 1.5, "seen": True},
        10_045: {"stage": "T2"},
    }
    ledger.write(
        stored(f"r{n:05}", **{"sex": "male", "age": "60", "dose": 1} | late.get(n, {}))
        for n in range(10_050)
    )
    ledger.add_columns(["sex", "age", "dose", "stage", "seen"])
    write_all(out, ledger)
    assert ids(out)[:2] == ["r10020", "r00000"]
    assert sorted(ids(out)) == [f"r{n:05}" for n in range(10_050)]

    data = load(out.root, tmp_path)["train"]
    assert len(data) == 10_050
    loaded = {row["record_id"]: row for row in data.remove_columns("image")}
    assert loaded["r10020"].items() >= late[10_020].items()
    assert (loaded["r10045"]["stage"], loaded["r00003"]["stage"]) == ("T2", None)
    assert (loaded["r00003"]["age"], loaded["r00003"]["dose"]) == ("60", 1.0)


@pytest.mark.slow
def test_rows_keep_their_order_where_the_first_show_all_types(
    out: OutputDirectory, ledger: Ledger
) -> None:
    ledger.write(stored(f"r{n:05}", stage="T1" if n % 7000 == 6 else "") for n in range(9_100))
    ledger.add_columns(["stage"])
    write_all(out, ledger)
    assert ids(out) == [f"r{n:05}" for n in range(9_100)]


def test_a_table_of_a_split_goes_where_files_lie_elsewhere_too(
    out: OutputDirectory, ledger: Ledger
) -> None:
    table = out.root / "train/metadata.parquet"
    inside = replace(stored("train/1", _file_name="train/1.jpg"), path="train/1")
    ledger.write([inside])
    write_split_tables(out, ledger)
    assert table.exists()
    ledger.write([stored("x")])
    write_split_tables(out, ledger)
    assert not table.exists()


def finds_split(part: str) -> bool:
    return any(
        part[: at.start()][-1:] in APART and part[at.end() :][:1] in APART
        for word in WORDS
        for at in re.finditer(word, part)
    )


@given(st.lists(st.sampled_from([*WORDS, *APART, "a", "~", "/"]), min_size=1).map("".join))
def test_no_split_is_found_in_a_place(path: str) -> None:
    item = ImageItem("1", [], path)
    try:
        item.path = place_of(item)
    except ValueError:
        return
    for place in (item.path, place_aside(item)):
        assert not any(map(finds_split, place.split("/"))), place
    assert place_of(item) == item.path


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("images/latest", "images/latest"),  # a word that holds another is none
        ("Train/1", "Train/1"),
        ("images/contest_1", "images/contest_1"),
        ("data/all-00000-of-00003", "data/all-00000~of~00003~"),
    ],
)
def test_only_what_is_a_split_has_another_name(name: str, place: str) -> None:
    assert place_of(ImageItem("1", [], name)).startswith(place)


def test_the_folder_of_a_contests_split_keeps_its_name() -> None:
    item = ImageItem("train/7", [], "train/eval", {"split": "train"})
    assert place_of(item).startswith("train/eval~")
    assert place_of(ImageItem("7", [], "train/7", {"split": "train"})).startswith("train~")


def test_a_file_keeps_its_own_name() -> None:
    assert place_of(FileItem("1", [], "dev/testing.tif")) == "dev/testing.tif"


@pytest.mark.slow
def test_files_that_keep_their_names_are_loaded_by_a_card(crawl: Crawler, tmp_path: Path) -> None:
    page = "https://www.epfl.ch/labs/cvlab/data/data-em/"
    ended = crawl("static_page", url=page, match="*.tif")
    assert ended.status == 0, ended.log
    names = [row["file_name"].rpartition("/")[2] for row in ended.out.rows()]
    assert {"testing.tif", "training.tif"} < set(names)
    from datasets import load_dataset

    found = load_dataset(str(ended.out.root), cache_dir=str(tmp_path / "hf"))
    assert set(found) == {"train"}
    assert [row["record_id"] for row in found["train"]] == [
        r["record_id"] for r in ended.out.rows()
    ]
    for row, own in zip(found["train"], ended.out.rows(), strict=True):
        assert row["image"].size == (int(own["width"]), int(own["height"]))
    assert "README.md names the table" in ended.log
    assert (ended.out.root / "README.md").read_text().count("\n") == 12


@pytest.mark.parametrize(
    ("name", "is_needed"),
    [
        ("files/testing.tif", True),
        ("cubes/em_test.zarr_s0.ome.tif", True),
        ("files/dev/a.png", True),
        ("files/latest.tif", False),
        ("files/scan_test_1.dm3", False),  # no picture to that loader
        ("images/train.jpg", False),  # what has another name where it needs one
    ],
)
def test_there_is_a_card_where_names_mislead(
    out: OutputDirectory, ledger: Ledger, name: str, is_needed: bool
) -> None:
    card = out.root / "README.md"
    ledger.write([replace(stored("a", _file_name=name), path=name)])
    for before in ("", "mine"):
        if before:
            card.write_text(before)
        write_loader_card(out, ledger)
        if before:
            assert card.read_text() == before
        else:
            assert card.exists() == is_needed
    card.unlink()
    (out.root / ".store.json").touch()  # it is the scratch folder of a store
    write_loader_card(out, ledger)
    assert not card.exists()
    (out.root / ".store.json").unlink()
    write_loader_card(out, ledger)
    ledger.forget("a")
    write_loader_card(out, ledger)
    assert not card.exists()


@pytest.mark.slow
def test_the_loader_gives_an_image_and_its_mask(crawl: Crawler, tmp_path: Path) -> None:
    ended = crawl("isic", num_images=12, segmentation=1, seg_level="expert")
    assert ended.status == 3, ended.log  # most images have no mask of an expert
    (data,) = load(ended.out.root, tmp_path).values()
    assert len(data) == 12
    assert {row["mask"] is not None for row in data} == {True, False}
    for row, told in zip(data, ended.out.rows(), strict=True):
        assert row["record_id"] == told["record_id"]
        if told["mask_file_name"]:
            with Image.open(ended.out.root / told["mask_file_name"]) as mask:
                assert row["mask"].size == row["image"].size == mask.size
                assert row["mask"].tobytes() == mask.tobytes()

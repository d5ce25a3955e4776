"""``scrapy export``: each format read back as its users read it, and equal to the table."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import tarfile
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgcrawl.dataset.dataset_table import open_table
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.tables import write_all
from imgcrawl.exports.export import FORMATS, Exported, export_dataset
from imgcrawl.exports.plan import ExportRequest
from imgcrawl.exports.source import key_of
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.local import LocalStorage
from tests.conftest import scrapy
from tests.exports.conftest import entry, fill, picture

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTILE = ["../../etc", "/abs", "test tube", "..", "a\\b", "=cmd", "nevus"]


def records(n: int = 24) -> list[Any]:
    made: list[Any] = []
    for k in range(n):
        columns = {
            "dx": HOSTILE[k % 7],
            "age": k if k % 3 else None,
            "stage": "T1" if k == 5 else "",
        }
        kind = "PNG" if k % 4 == 0 else "JPEG"
        name = f"images/{k:03}.{'png' if kind == 'PNG' else 'jpg'}"
        made.append((f"id/{k}.x" if k % 5 else f"r{k}", columns, picture(k, kind), name))
    return made


def with_masks() -> list[Any]:
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:7] = 255
    body = BytesIO()
    Image.fromarray(mask).save(body, "PNG")
    image = BytesIO()
    Image.new("RGB", (8, 8)).save(image, "JPEG")
    return [
        ("ISIC_1", {"dx": "nevus", "bbox": [1, 2, 3, 4]}, image.getvalue(), "images/1.jpg"),
        ("ISIC_1/mask/a", {"dx": ""}, body.getvalue(), "masks/1.png"),
        ("ISIC_2", {"dx": "bcc"}, picture(1), "images/2.jpg"),
    ]


def export(root: Path, to: str, dest: Path, **asked: Any) -> Exported:
    splits = asked.pop("splits", None)
    with closing(OutputDirectory(root)) as out, open_table(out) as table:
        request = ExportRequest(to, **asked)
        storage = LocalStorage(out.root)
        return export_dataset(out, storage, table, request, dest=dest, splits=splits)


def table_of(root: Path) -> dict[str, dict[str, str]]:
    with (root / "metadata.csv").open(newline="") as file:
        return {row["record_id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    root = filled(records())
    splits = "".join(
        f"{name},{'train' if n % 4 else 'test'}\n" for n, name in enumerate(table_of(root))
    )
    (root / "splits.csv").write_text("record_id,split\n" + splits)
    return root


def test_webdataset(out: Path, tmp_path: Path) -> None:
    found = export(out, "webdataset", tmp_path / "w", shard_bytes=2000)
    tars = sorted((tmp_path / "w").glob("*.tar"))
    assert [t.name for t in tars] == [f"all-{n:06}.tar" for n in range(len(tars))]
    assert len(tars) > 2
    rows = table_of(out)
    before = {t.name: t.read_bytes() for t in tars}
    for tar in tars:
        with tarfile.open(tar) as opened:
            members = opened.getmembers()
            for image, text in zip(members[::2], members[1::2], strict=True):
                key, _, extension = image.name.partition(".")
                assert text.name == f"{key}.json"
                columns = json.loads(opened.extractfile(text).read())  # type: ignore[union-attr]
                row = rows.pop(columns["record_id"])
                body = opened.extractfile(image).read()  # type: ignore[union-attr]
                assert hashlib.sha256(body).hexdigest() == row["sha256"]
                assert f".{extension}" == Path(row["file_name"]).suffix
                assert columns["age"] == (int(row["age"]) if row["age"] else None)
    assert not rows
    assert found.plan.records == 24
    # Killed in the middle: what is complete stays, the rest is the same as it would have been.
    tars[1].unlink()
    (tmp_path / "w" / f".{tars[1].name}.partial").write_bytes(b"half")
    again = export(out, "webdataset", tmp_path / "w", shard_bytes=2000)
    assert again.figures.already + again.figures.records == 24
    assert {t.name: t.read_bytes() for t in (tmp_path / "w").glob("*.tar")} == before
    assert not list((tmp_path / "w").glob(".*.partial"))


@pytest.mark.parametrize("to", ["parquet", "huggingface"])
def test_parquet_as_its_loader_reads_it(out: Path, tmp_path: Path, to: str) -> None:
    from datasets import ClassLabel, load_dataset

    export(out, to, tmp_path / "hf", splits=out / "splits.csv", label="dx", shard_bytes=2000)
    data = load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in data.items()} == {"train": 18, "test": 6}
    assert len(list((tmp_path / "hf/data").glob("train-*-of-*.parquet"))) > 1
    rows = table_of(out)
    for loaded in data.values():
        label = loaded.features["dx"]
        assert isinstance(label, ClassLabel)
        for row in loaded:
            own = rows.pop(row["record_id"])
            assert row["image"].size == (int(own["width"]), int(own["height"]))
            assert label.int2str(row["dx"]).lstrip("'") == own["dx"].lstrip("'")
            assert row["age"] == (int(own["age"]) if own["age"] else None)
    assert not rows
    (file, *_) = (tmp_path / "hf/data").glob("*.parquet")
    read = pq.read_table(file).to_pylist()[0]
    assert hashlib.sha256(read["image"]["bytes"]).hexdigest() == read["sha256"]


def test_folders_by_class(out: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    dest = tmp_path / "folders"
    found = export(out, "imagefolder", dest, splits=out / "splits.csv", label="dx")
    rows = table_of(out)
    files = [p for p in dest.rglob("*") if p.suffix in {".jpg", ".png"}]
    assert len(files) == 24
    assert {p.relative_to(dest).parts[0] for p in files} == {"train", "test"}
    assert {len(p.relative_to(dest).parts) for p in files} == {3}
    assert not list((tmp_path).glob("etc*"))
    sums = {row["sha256"] for row in rows.values()}
    assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in files} == sums
    assert files[0].stat().st_nlink == 2
    assert any("stage" in note for note in found.figures.notes)
    data = load_dataset("imagefolder", data_dir=str(dest), cache_dir=str(tmp_path / "cache"))
    assert {name: len(loaded) for name, loaded in data.items()} == {"train": 18, "test": 6}
    for loaded in data.values():
        for row in loaded:
            own = rows.pop(row["record_id"])
            assert row["image"].size == (int(own["width"]), int(own["height"]))
            assert row["dx"] == own["dx"]


def test_boxes_and_masks_in_coco(filled: Callable[..., Path], tmp_path: Path) -> None:
    out = filled(with_masks())
    export(out, "coco", tmp_path / "coco", label="dx")
    found = json.loads((tmp_path / "coco/annotations.json").read_text())
    assert [(i["file_name"], i["record_id"]) for i in found["images"]] == [
        ("ISIC_1.jpg", "ISIC_1"),
        ("ISIC_2.jpg", "ISIC_2"),
    ]
    names = {c["id"]: c["name"] for c in found["categories"]}
    box, mask = found["annotations"]
    assert (box["bbox"], box["area"], names[box["category_id"]]) == ([1, 2, 3, 4], 12, "nevus")
    assert (mask["bbox"], mask["area"], mask["image_id"]) == ([3, 2, 4, 3], 12, 1)
    flat = np.concatenate([np.full(n, k % 2) for k, n in enumerate(mask["segmentation"]["counts"])])
    assert (flat.reshape(8, 8, order="F")[2:5, 3:7] == 1).all()
    assert flat.sum() == 12
    assert {i["file_name"] for i in found["images"]} == {
        p.name for p in (tmp_path / "coco/images").iterdir()
    }


def test_each_box_of_a_contest_has_its_own_category(
    filled: Callable[..., Path], tmp_path: Path
) -> None:
    crowd = {"size": [8, 8], "counts": [0, 64]}
    of_two = {
        "label_id": "7 9",
        "label": "cup, person",
        "bbox": [[1, 2, 4, 2], [0, 0, 8, 8]],
        "bbox_label_id": ["9", "7"],
        "bbox_label": ["person", "cup"],
        "segmentation": [[[1, 2, 5, 2, 5, 4]], crowd],
        "area": [4.5, 64],
        "iscrowd": [0, 1],
    }
    body = BytesIO()
    Image.new("RGB", (8, 8)).save(body, "PNG")
    out = filled([("val/1", of_two, body.getvalue(), "val/1.png")])
    (out / "annotations.json").write_text(
        json.dumps({"images": [], "categories": [{"id": 7, "name": "cup"}, {"id": 3, "name": "x"}]})
    )
    export(out, "coco", tmp_path / "coco")
    found = json.loads((tmp_path / "coco/annotations.json").read_text())
    assert {c["id"]: c["name"] for c in found["categories"]} == {3: "x", 7: "cup", 9: "person"}
    one, two = found["annotations"]
    assert one == {
        "id": 1,
        "image_id": 1,
        "category_id": 9,
        "bbox": [1, 2, 4, 2],
        "area": 4.5,
        "iscrowd": 0,
        "segmentation": [[1, 2, 5, 2, 5, 4]],
    }
    assert (two["category_id"], two["iscrowd"], two["segmentation"]) == (7, 1, crowd)
    half = export(out, "coco", tmp_path / "half", size=4)
    one, two = json.loads((tmp_path / "half/annotations.json").read_text())["annotations"]
    assert (one["bbox"], one["area"]) == ([0.5, 1, 2, 1], 4.5 / 4)
    assert one["segmentation"] == [[0.5, 1, 2.5, 1, 2.5, 2]]
    assert "segmentation" not in two
    assert any("1 run-length encodings were left out" in note for note in half.figures.notes)


def test_masks_go_with_their_pictures(filled: Callable[..., Path], tmp_path: Path) -> None:
    out = filled(with_masks())
    found = export(out, "webdataset", tmp_path / "w")
    with tarfile.open(tmp_path / "w/all-000000.tar") as tar:
        assert tar.getnames() == [
            *("ISIC_1.jpg", "ISIC_1.mask.png", "ISIC_1.json"),
            *("ISIC_2.jpg", "ISIC_2.json"),
        ]
    assert found.plan.records == 2
    export(out, "parquet", tmp_path / "p")
    (file,) = (tmp_path / "p/data").iterdir()
    assert [len(row["masks"]) for row in pq.read_table(file).to_pylist()] == [1, 0]
    export(out, "imagefolder", tmp_path / "i", label="dx")
    with (tmp_path / "i/all/metadata.csv").open(newline="") as file_:
        rows = list(csv.DictReader(file_))
    assert (tmp_path / "i/all" / rows[0]["mask"]).is_file()
    assert rows[1]["mask"] == ""


def test_the_mask_of_a_row_goes_with_its_picture(
    filled: Callable[..., Path], tmp_path: Path
) -> None:
    image, mask, other = with_masks()
    out = filled([image, other])
    made = entry("ISIC_1/mask/a", {"mask_source": "isic2018"}, mask[2], "masks/1.png")
    item = made.to_item()
    item.mask_of = "ISIC_1"
    (out / "masks").mkdir()
    (out / "masks/1.png").write_bytes(mask[2])
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger.write([LedgerEntry.from_item(item, made.result, made.last_try_at)])
        ledger.add_columns(["mask_file_name", "mask_source", "mask_skill"])
    assert export(out, "webdataset", tmp_path / "w").plan.records == 2
    with tarfile.open(tmp_path / "w/all-000000.tar") as tar:
        assert "ISIC_1.mask.png" in tar.getnames()
        stored = tar.extractfile("ISIC_1.mask.png")
        assert stored is not None
        assert stored.read() == mask[2]
    export(out, "imagefolder", tmp_path / "i", label="dx")
    with (tmp_path / "i/all/metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (tmp_path / "i/all" / rows[0]["mask"]).read_bytes() == mask[2]
    assert "mask_file_name" not in rows[0]
    assert scrapy("lock", out).returncode == 0
    kept = json.loads((out / "dataset.lock.json").read_text())["records"]
    assert [(r["id"], r.get("mask_of")) for r in kept] == [
        ("ISIC_1", None),
        ("ISIC_1/mask/a", "ISIC_1"),
        ("ISIC_2", None),
    ]


def test_files_that_are_no_pictures(filled: Callable[..., Path], tmp_path: Path) -> None:
    out = filled([(f"r{n}", {}) for n in range(3)])
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger._db.execute("UPDATE records SET format = 'DM3' WHERE record_id = 'r1'")
    for to in ("parquet", "imagefolder", "coco", "labelstudio", "cvat", "fiftyone"):
        found = export(out, to, tmp_path / to)
        assert (found.figures.records, found.figures.splits) == (2, {"all": 2})
        assert "1 files that are no pictures" in found.plan.left_out.lines()[0]
    assert export(out, "webdataset", tmp_path / "w").figures.records == 3


def test_what_was_left_out_is_written_once_it_is_mended(out: Path, tmp_path: Path) -> None:
    rotten = out / next(iter(table_of(out).values()))["file_name"]
    whole = rotten.read_bytes()
    for to in ("webdataset", "croissant"):
        rotten.write_bytes(b"x" * len(whole))
        dest = tmp_path / to
        for _ in range(2):
            found = export(out, to, dest, shard_bytes=4000)
            assert (found.figures.records + found.figures.already, found.plan.records) == (23, 24)
            assert found.figures.splits.total() == 23
        rotten.write_bytes(whole)
        found = export(out, to, dest, shard_bytes=4000)
        assert found.figures.records + found.figures.already == 24
        assert 0 < found.figures.already < 24
        assert not found.plan.left_out.lines()
    assert "24 pictures" in (dest / "README.md").read_text()


def test_masks_are_compared_with_their_sha256(filled: Callable[..., Path], tmp_path: Path) -> None:
    image, mask, _ = with_masks()
    out = filled([image])
    made = entry("ISIC_1/mask/a", {}, mask[2], "masks/1.png")
    item = made.to_item()
    item.mask_of = "ISIC_1"
    with closing(Ledger(out / "ledger.sqlite")) as ledger:
        ledger.write([LedgerEntry.from_item(item, made.result, made.last_try_at)])
        ledger.add_columns(["mask_file_name"])
    (out / "masks").mkdir()
    (out / "masks/1.png").write_bytes(picture(7, "PNG"))
    found = export(out, "webdataset", tmp_path / "w")
    assert "not as they were stored" in found.plan.left_out.lines()[0]
    with tarfile.open(tmp_path / "w/all-000000.tar") as tar:
        assert tar.getnames() == ["ISIC_1.jpg", "ISIC_1.json"]


def test_masks_of_merged_tables_are_compared_too(
    filled: Callable[..., Path], tmp_path: Path
) -> None:
    image, mask, other = with_masks()
    part = filled([image, other], "all/shard=1")
    made = entry("ISIC_1/mask/a", {}, mask[2], "masks/1.png")
    item = made.to_item()
    item.mask_of = "ISIC_1"
    (part / "masks").mkdir()
    (part / "masks/1.png").write_bytes(mask[2])
    with closing(OutputDirectory(part)) as out, closing(Ledger(part / "ledger.sqlite")) as ledger:
        ledger.write([LedgerEntry.from_item(item, made.result, made.last_try_at)])
        ledger.add_columns(["mask_file_name"])
        write_all(out, ledger)
    merge_tables([MergeInput("shard=1", part)], tmp_path / "all")
    found = export(tmp_path / "all", "webdataset", tmp_path / "w")
    assert not found.plan.left_out.lines()
    with tarfile.open(tmp_path / "w/all-000000.tar") as tar:
        assert "ISIC_1.mask.png" in tar.getnames()
    (part / "masks/1.png").write_bytes(picture(7, "PNG"))
    found = export(tmp_path / "all", "webdataset", tmp_path / "again")
    assert "not as they were stored" in found.plan.left_out.lines()[0]


def test_where_no_hard_link_can_be_made_there_is_a_copy(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    export(out, "imagefolder", tmp_path / "f", label="dx")
    files = [p for p in (tmp_path / "f").rglob("*") if p.suffix in {".jpg", ".png"}]
    assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in files} == {
        row["sha256"] for row in table_of(out).values()
    }
    assert {p.stat().st_nlink for p in files} == {1}


def test_splits_whose_names_would_be_one(out: Path, tmp_path: Path) -> None:
    names = ["a-b", "a_b"]
    rows = "".join(f"{r},{names[n % 2]}\n" for n, r in enumerate(table_of(out)))
    (out / "splits.csv").write_text("record_id,split\n" + rows)
    with pytest.raises(ArgumentError, match="a-b and a_b would both be called 'a_b'"):
        export(out, "parquet", tmp_path / "p", splits=out / "splits.csv")
    found = export(out, "webdataset", tmp_path / "w", splits=out / "splits.csv")
    assert found.figures.splits == {"a-b": 12, "a_b": 12}


def test_croissant_says_where_each_column_is(out: Path, tmp_path: Path) -> None:
    export(out, "croissant", tmp_path / "c", label="dx")
    found = json.loads((tmp_path / "c/croissant.json").read_text())
    (file,) = found["distribution"]
    data = tmp_path / "c" / file["contentUrl"]
    assert hashlib.sha256(data.read_bytes()).hexdigest() == file["sha256"]
    (records,) = found["recordSet"]
    columns = pq.read_table(data).column_names
    assert [f["source"]["extract"]["column"] for f in records["field"]] == columns
    assert {f["source"]["fileObject"]["@id"] for f in records["field"]} == {file["@id"]}
    assert found["conformsTo"].endswith("croissant/1.0")


def test_labels_of_any_text_are_in_the_xml(filled: Callable[..., Path], tmp_path: Path) -> None:
    labels = ["a & <b>", "\"'", "\ufffe!", "]]>", "\x00x", "\ud800y", "<!--"]
    out = filled([(f"r{n}", {"dx": label}) for n, label in enumerate(labels)])
    export(out, "cvat", tmp_path / "cvat", label="dx")
    root = ET.parse(tmp_path / "cvat/annotations.xml").getroot()
    names = [name.text for name in root.findall("meta/task/labels/label/name")]
    tags = [tag.get("label") for tag in root.findall("image/tag")]
    assert sorted(tags, key=str) == names
    assert tags == ["a & <b>", "\"'", "\ufffd!", "]]>", "x", "\\ud800y", "<!--"]


def test_files_that_annotation_tools_import(out: Path, tmp_path: Path) -> None:
    for to in ("labelstudio", "cvat", "fiftyone"):
        export(out, to, tmp_path / to, label="dx")
    tasks = json.loads((tmp_path / "labelstudio/tasks.json").read_text())
    assert len(tasks) == 24
    names = {Path(t["data"]["image"]).name for t in tasks}
    assert names == {p.name for p in (tmp_path / "labelstudio/images").iterdir()}
    images = ET.parse(tmp_path / "cvat/annotations.xml").getroot().findall("image")
    assert [i.get("name") for i in images] == [Path(t["data"]["image"]).name for t in tasks]
    labels = json.loads((tmp_path / "fiftyone/labels.json").read_text())
    assert {f"{n}" for n in labels["labels"]} == {
        p.stem for p in (tmp_path / "fiftyone/data").iterdir()
    }
    assert sorted(labels["classes"]) == labels["classes"]


def test_smaller_pictures_and_files_that_changed(out: Path, tmp_path: Path) -> None:
    rotten = next(iter(table_of(out).values()))["file_name"]
    (out / rotten).write_bytes(b"x" * (out / rotten).stat().st_size)
    found = export(out, "webdataset", tmp_path / "w", size=4)
    assert found.figures.records == 23
    assert "not as they were stored" in found.plan.left_out.lines()[0]
    with tarfile.open(tmp_path / "w/all-000000.tar") as tar:
        for member in tar.getmembers()[::2]:
            body = tar.extractfile(member)
            assert body is not None
            assert max(Image.open(BytesIO(body.read())).size) == 4


@pytest.mark.slow
def test_the_command_says_what_it_wrote_and_what_to_type(out: Path, tmp_path: Path) -> None:
    dest = tmp_path / "x"
    good = ("--to", "webdataset", "--dest", dest, "--split", "splits.csv")
    ended = scrapy("export", out, *good)
    assert ended.returncode == 0, ended.stderr
    assert "24 records" in ended.stdout
    assert {p.name for p in dest.glob("*.tar")} == {"train-000000.tar", "test-000000.tar"}
    refused = [
        (("--to", "webdatset", "--dest", dest), "did you mean 'webdataset'?"),
        (("--to", "coco"), "--dest DIR"),
        (("--to", "coco", "--dest", "s3://bucket/x"), "is written to a folder"),
        (("--to", "coco", "--dest", dest), "remove it, or type another folder"),
        (("--to", "coco", "--dest", out / "e"), "lies in the dataset"),
        (("--to", "coco", "--dest", tmp_path / "y", "--label", "dxx"), "did you mean 'dx'?"),
        (("--to", "coco", "--dest", tmp_path / "y", "--split", "no.csv"), "cannot be read"),
        (("--to", "coco", "--dest", tmp_path / "y", "--size", "0"), "longest side"),
    ]
    for words, says in refused:
        ended = scrapy("export", out, *words)
        assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr
    assert not (tmp_path / "y").exists()


def test_records_that_are_new_since_the_split_are_told(out: Path, tmp_path: Path) -> None:
    fill(out, [("new", {"dx": "nevus"}, picture(99), "images/new.jpg")])
    found = export(out, "webdataset", tmp_path / "w", splits=out / "splits.csv")
    assert found.plan.records == 24
    assert "no split" in found.plan.left_out.lines()[0]
    (out / "splits.csv").write_text("record_id,split\nother,train\n")
    with pytest.raises(ArgumentError, match="no picture"):
        export(out, "coco", tmp_path / "c", splits=out / "splits.csv")


@given(st.lists(st.text(), unique=True))
def test_keys_are_plain_and_as_many_as_ids(names: list[str]) -> None:
    keys = [key_of(name) for name in names]
    assert len(set(keys)) == len(keys)
    assert all(set(key) <= set("-_") | {*map(chr, range(48, 123))} for key in keys)
    assert not any("." in key or "/" in key for key in keys)


def test_every_format_is_there() -> None:
    assert {"webdataset", "parquet", "huggingface", "imagefolder", "coco", "croissant"} <= {
        *FORMATS
    }

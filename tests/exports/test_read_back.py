"""Exports read by the libraries that they are made for: as many records, labels, the same bytes."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.environments import environment
from tests.exports.conftest import picture
from tests.exports.test_export import HOSTILE, export, records, table_of, with_masks

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    root = filled(records(40))
    splits = "".join(f"{r},{('train', 'test')[n % 4 == 0]}\n" for n, r in enumerate(table_of(root)))
    (root / "splits.csv").write_text("record_id,split\n" + splits)
    return root


def test_webdataset(out: Path, filled: Callable[..., Path], tmp_path: Path) -> None:
    web = pytest.importorskip("webdataset")
    export(out, "webdataset", tmp_path / "w", splits=out / "splits.csv", shard_bytes=3000)
    rows = table_of(out)
    tars = sorted(map(str, (tmp_path / "w").glob("*.tar")))
    assert len(tars) > 4
    for sample in web.WebDataset(tars, shardshuffle=False, empty_check=False):
        columns = json.loads(sample["json"])
        row = rows.pop(columns["record_id"])
        body = sample["png" if row["format"] == "PNG" else "jpg"]
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
        assert columns["dx"] in {row["dx"], row["dx"].removeprefix("'")}
    assert not rows
    export(filled(with_masks(), "masks"), "webdataset", tmp_path / "m")
    tar = str(tmp_path / "m/all-000000.tar")
    first, second = web.WebDataset(tar, shardshuffle=False, empty_check=False)
    assert first["mask.png"] == with_masks()[1][2]
    assert "mask.png" not in second


def test_croissant(out: Path, tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    asked: dict[str, Any] = {"splits": out / "splits.csv", "label": "dx", "shard_bytes": 6000}
    found = export(out, "croissant", tmp_path / "c", **asked)
    rows = table_of(out)
    dataset = croissant.Dataset(jsonld=str(tmp_path / "c/croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    names = {records.uuid for records in dataset.metadata.record_sets}
    assert names == {"train", "test"}
    for name in names:
        n = 0
        for read in dataset.records(name):
            row, n = rows.pop(read[f"{name}/record_id"].decode()), n + 1
            assert read[f"{name}/image"].size == (int(row["width"]), int(row["height"]))
            label = found.plan.labels[int(read[f"{name}/dx"])]
            assert label == row["dx"]
        assert n == found.figures.splits[name]
    assert not rows


def test_folders_in_torchvision(out: Path, tmp_path: Path) -> None:
    folders = pytest.importorskip("torchvision.datasets")
    export(out, "imagefolder", tmp_path / "f", splits=out / "splits.csv", label="dx")
    counts = [len(folders.ImageFolder(str(tmp_path / "f" / name))) for name in ("train", "test")]
    assert counts == [30, 10]


def test_coco(out: Path, filled: Callable[..., Path], tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco").COCO
    export(out, "coco", tmp_path / "all", label="dx")
    read, rows = coco(str(tmp_path / "all/annotations.json")), table_of(out)
    names = {each["name"] for each in read.loadCats(read.getCatIds())}
    for image in read.loadImgs(read.getImgIds()):
        row = rows.pop(image["record_id"])
        body = (tmp_path / "all/images" / image["file_name"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
        assert (image["width"], image["height"]) == (int(row["width"]), int(row["height"]))
        assert image["label"] in names
        assert image["label"] == row["dx"]
    assert not rows

    export(filled(with_masks(), "masks"), "coco", tmp_path / "c", label="dx")
    read = coco(str(tmp_path / "c/annotations.json"))
    _, mask = read.anns.values()
    assert read.annToMask(mask).sum() == 12


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fiftyone(filled: Callable[..., Path], tmp_path: Path) -> None:
    hostile = [*HOSTILE, None, "", "a,b", "<b>&\"'", "null", "é\u202eb", "x" * 300]
    rows = [
        (
            *(f"{n}/a.{n % 3}" if n % 2 else f"-r{n}", {"dx": hostile[n % len(hostile)]}),
            *(picture(n, "PNG"), f"images/{n}.png"),
        )
        for n in range(1000)
    ]
    out = filled(rows)
    found = export(out, "fiftyone", tmp_path / "f", label="dx")
    table = {row["sha256"]: row for row in table_of(out).values()}
    assert len(table) == 1000
    python = environment(tmp_path / "env", "fiftyone>=1.22", "mongomock")
    read = subprocess.run(
        [python, Path(__file__).with_name("fiftyone_reader.py"), tmp_path / "f"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert read.returncode == 0, read.stderr
    head, *samples = [json.loads(line) for line in read.stdout.splitlines() if line[:1] == "["]
    assert head == [found.plan.labels, 1000]
    for path, size, label in samples:
        body = Path(path).read_bytes()
        row = table.pop(hashlib.sha256(body).hexdigest())
        assert size == [int(row["width"]), int(row["height"]), len(body)]
        assert (label or "") == row["dx"]
    assert not table

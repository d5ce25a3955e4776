"""A plan's OUT in Hugging Face's loader: the rows of all crawls, each once."""

from __future__ import annotations

import csv
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.dataset.split_tables import write_split_tables
from imgcrawl.plans.card import write_card
from imgcrawl.storage.directory import LEDGER, OutputDirectory
from tests.exports.conftest import fill, picture
from tests.plans.test_crawlall import EPFL, ISIC, Plans

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess


def loaded(root: Path, cache: Path) -> list[dict[str, Any]]:
    """The rows that the loader gives, pictures opened."""
    from datasets import load_dataset

    found = load_dataset(str(root), cache_dir=str(cache / "one"))
    assert set(found) == {"train"}
    rows = [*found["train"]]
    # The same by the loader's name, and the table.
    other = load_dataset(
        "imagefolder", data_dir=str(root), data_files="metadata.csv", cache_dir=str(cache / "two")
    )
    without = [{k: v for k, v in row.items() if k != "image"} for row in rows]
    assert without == [*other["train"].remove_columns("image")]
    return rows


def rows_of(root: Path) -> list[dict[str, str]]:
    with (root / "metadata.csv").open(newline="") as file:
        return [*csv.DictReader(file)]


def same(rows: list[dict[str, Any]], table: list[dict[str, str]], *columns: str) -> None:
    assert len(rows) == len(table) > 0
    for row, own in zip(rows, table, strict=True):
        assert row["image"].size == (int(own["width"]), int(own["height"]))
        for column in ("record_id", "sha256", "dataset", *columns):
            assert ("" if row[column] is None else str(row[column])) == own[column]


@pytest.mark.slow
def test_the_rows_of_all_crawls_once(tmp_path: Path, replica: ReplicaProcess) -> None:
    plans = Plans(tmp_path, replica)
    ended = plans.run(plans.write(ISIC, EPFL))
    assert ended.status == 0, ended.log
    rows = loaded(ended.out.root, tmp_path)
    same(rows, ended.out.rows(), "diagnosis_1")
    assert {row["dataset"] for row in rows} == {"isic", "epfl"}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of names that the loader has a meaning for, and a contest with splits."""
    root = tmp_path / "out"
    made = {
        "a": [
            (f"r{n}", {"label": f"test {n % 2}", "split": ("train", "val")[n % 2]})
            for n in range(6)
        ],
        "train": [(f"r{n}", {"kind": "x"}, picture(n + 50)) for n in range(4)],
        "contest": [
            (f"{split}/{n}", {"label": n, "split": split}, picture(9 * n + m), f"{split}/{n}.jpg")
            for n in range(3)
            for m, split in enumerate(("train", "validation", "test"))
        ],
    }
    parts = [
        MergeInput(name, fill(root / name, rows), {"dataset": name}) for name, rows in made.items()
    ]
    contest = root / "contest"
    with closing(OutputDirectory(contest)) as out, closing(Ledger(contest / LEDGER)) as ledger:
        write_split_tables(out, ledger)
    assert (contest / "test/metadata.parquet").is_file()
    merge_tables(parts, root)
    return root


def written(root: Path) -> Path:
    with closing(OutputDirectory(root)) as out:
        write_card(out, ["a", "train", "contest"])
    return root / "README.md"


def test_a_contest_among_them_hides_nothing(plan: Path, tmp_path: Path) -> None:
    assert "- `contest/`" in written(plan).read_text()
    rows = loaded(plan, tmp_path)
    same(rows, rows_of(plan), "label", "split", "kind")
    assert [row["dataset"] for row in rows].count("contest") == 9
    assert {row["split"] for row in rows} == {"train", "val", "validation", "test", None}
    # What a crawl leaves is as without a plan.
    assert len(rows_of(plan / "a")) == 6


def test_somebody_elses_readme_stays(plan: Path) -> None:
    (plan / "README.md").write_text("mine")
    assert written(plan).read_text() == "mine"
    (plan / "README.md").unlink()
    (plan / "README.md").symlink_to(plan / "elsewhere")
    written(plan)
    assert not (plan / "elsewhere").exists()


def test_without_pictures_below_there_is_none(plan: Path) -> None:
    card = written(plan)
    assert "    - a/images/" in card.read_text().replace('"', "")
    table = (plan / "metadata.csv").read_text()
    for text in (table.replace("a/images/", "../x/"), table.replace(".jpg", ".dm3")):
        (plan / "metadata.csv").write_text(text)
        assert not written(plan).exists()
    (plan / "metadata.csv").write_text(table.replace("a/images/", "[a]/images/é"))
    assert "    - train/images/" in written(plan).read_text().replace('"', "")

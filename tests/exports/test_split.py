"""``scrapy split``: no group in two splits, each class with its share, and what was split stays."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcrawl.dataset.dataset_table import open_table
from imgcrawl.exports.assign import Group, assign
from imgcrawl.exports.split import SplitFigures, write_splits
from imgcrawl.exports.split_request import SplitRequest, folds, parse_ratios
from imgcrawl.records.errors import ArgumentError
from imgcrawl.storage.directory import OutputDirectory
from tests.conftest import scrapy
from tests.exports.conftest import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

THREE = {"train": 0.8, "val": 0.1, "test": 0.1}


class Rows:
    """A table of rows that are made up."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.columns = ["record_id", "patient", "lesion", "label", "sha256"]
        self._rows = [*rows]

    def rows(self) -> Any:
        return iter(self._rows)

    def mask_sha256(self, record_id: str, file_name: str) -> str | None:
        return None


def split(root: Path, rows: Iterable[dict[str, Any]], **asked: Any) -> dict[str, str]:
    write(root, rows, **asked)
    return read(root)


def write(root: Path, rows: Iterable[dict[str, Any]], **asked: Any) -> SplitFigures:
    with closing(OutputDirectory(root)) as out:
        return write_splits(out, Rows(rows), SplitRequest(**{"ratios": THREE, **asked}))


def read(root: Path) -> dict[str, str]:
    with (root / "splits.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["record_id", "split"]
    return {record_id: name for record_id, name in rows}  # noqa: C416 - pairs, and nothing else


def skin(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Records as ISIC has them: lesions of patients, some cells empty."""
    chance = random.Random(seed)
    return [
        {
            "record_id": f"r{k:05}",
            "patient": f"p{chance.randrange(n // 4 + 1)}" if chance.random() < 0.8 else "",
            "lesion": f"l{chance.randrange(n // 2 + 1)}" if chance.random() < 0.7 else None,
            "label": chance.choices(["nevus", "melanoma", "bcc"], [0.8, 0.15, 0.05])[0],
            "sha256": f"{chance.randrange(n * 20):x}",
        }
        for k in range(n)
    ]


def require_groups(found: dict[str, str], rows: list[dict[str, Any]], *columns: str) -> None:
    for column in (*columns, "sha256"):
        splits = defaultdict(set)
        for row in rows:
            if row.get(column) not in (None, ""):
                splits[row[column]].add(found[row["record_id"]])
        assert all(len(each) == 1 for each in splits.values()), column


def test_no_group_lies_in_two_splits_and_classes_have_their_shares(tmp_path: Path) -> None:
    rows = [
        row | {"lesion": row["lesion"] and row["lesion"] + row["patient"]} for row in skin(3000)
    ]
    asked: dict[str, Any] = {"group": ("patient", "lesion"), "stratify": ("label",)}
    found = split(tmp_path, rows, **asked)
    assert list(found) == [row["record_id"] for row in rows]
    require_groups(found, rows, "patient", "lesion")
    for label in ("nevus", "melanoma", "bcc"):
        counts = Counter(found[row["record_id"]] for row in rows if row["label"] == label)
        for name, ratio in THREE.items():
            assert abs(counts[name] / counts.total() - ratio) < 0.05
    before = (tmp_path / "splits.csv").read_bytes()
    assert split(tmp_path, reversed(rows), **asked) == found  # whatever the order
    (tmp_path / "splits.csv").unlink()
    write(tmp_path, rows, **asked)
    assert (tmp_path / "splits.csv").read_bytes() == before
    assert split(tmp_path, rows, **asked, seed=1) != found


@given(st.integers(0, 2**16), st.integers(2, 120), st.integers(0, 60))
@settings(max_examples=30)
def test_what_had_a_split_keeps_it(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, more: int
) -> None:
    root = tmp_path_factory.mktemp("out")
    rows = skin(n, seed)
    asked: dict[str, Any] = {"group": ("patient",), "stratify": ("label",), "seed": seed}
    before = split(root, rows, **asked)
    added = [
        {"record_id": f"n{k}", "patient": f"p{k % 40}", "label": "nevus", "sha256": f"n{k}"}
        for k in range(more)
    ]
    mixed = [*rows, *added]
    random.Random(seed).shuffle(mixed)
    after = split(root, mixed, **asked)
    require_groups(after, mixed, "patient")
    assert {name: after[name] for name in before} == before


def test_groups_that_meet_later_are_one_and_it_is_told(tmp_path: Path) -> None:
    rows = [{"record_id": f"r{n}", "patient": f"p{n // 5}"} for n in range(100)]
    before = split(tmp_path, rows, group=("patient", "lesion"))
    one, other = (
        next(r["patient"] for r in rows if before[r["record_id"]] == name)
        for name in ("train", "test")
    )
    joined = [row | {"lesion": "l" if row["patient"] in {one, other} else ""} for row in rows]
    figures = write(tmp_path, joined, group=("patient", "lesion"))
    assert (figures.moved, figures.kept) == (5, 95)
    require_groups(read(tmp_path), joined, "patient", "lesion")


def test_duplicates_and_masks_go_with_their_pictures(tmp_path: Path) -> None:
    """Groups of duplicates.csv overlap: two that share a record are one."""
    rows = [{"record_id": f"r{n:02}"} for n in range(60)]
    rows += [{"record_id": f"r{n:02}/mask/1"} for n in range(60)]
    groups = [(1, "r00"), (1, "r01"), (2, "r01"), (2, "r02"), (3, "r02"), (3, "r03"), (4, "gone")]
    (tmp_path / "duplicates.csv").write_text(
        "group,kind,record_id\n" + "".join(f"{n},near,{name}\n" for n, name in groups)
    )
    found = split(tmp_path, rows, ratios=folds(5))
    assert len({found[f"r0{n}"] for n in range(4)}) == 1
    assert all(found[f"r{n:02}"] == found[f"r{n:02}/mask/1"] for n in range(60))
    assert len(set(found.values())) == 5


def test_empty_cells_join_nobody(tmp_path: Path) -> None:
    rows = [{"record_id": f"r{n}", "patient": [None, "", "  "][n % 3]} for n in range(100)]
    assert Counter(split(tmp_path, rows, group=("patient",)).values()) == {
        "train": 80,
        "val": 10,
        "test": 10,
    }


@given(st.lists(st.integers(1, 3), min_size=60, max_size=300), st.integers(2, 5))
@settings(max_examples=40)
def test_small_groups_bring_every_class_near_its_share(sizes: list[int], classes: int) -> None:
    groups = [Group({n % classes: size}) for n, size in enumerate(sizes)]
    ratios = [0.7, 0.2, 0.1]
    assign(groups, ratios)
    for each in range(classes):
        mine = [group for group in groups if each in group.classes]
        total = sum(group.size for group in mine)
        for split, ratio in enumerate(ratios):
            share = sum(group.size for group in mine if group.split == split) / total
            assert abs(share - ratio) <= max(0.05, 3 / total)


@pytest.mark.parametrize(
    "text",
    [
        *("train=0.8,val=0.1", "train=0.8,val=0.1,test=0.2", "train", "train=x,test=0.5", ""),
        *(
            "train=0.5,train=0.5",
            "../x=0.5,b=0.5",
            "=0.5,b=0.5",
            "train=1.5,test=-0.5",
            "a=nan,b=1",
        ),
    ],
)
def test_ratios_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="ratios"):
        parse_ratios(text)


@pytest.mark.slow
def test_the_command_on_an_out_and_on_tables_of_several(
    filled: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [(f"r{n:03}", {"patient_id": f"=p{n // 3}", "dx": "ab"[n % 2]}) for n in range(200)]
    out = filled(rows, files=False)
    asked = ("--group", "patient_id", "--stratify", "dx")
    ended = scrapy("split", out, *asked)
    assert ended.returncode == 0, ended.stderr
    assert "200 records in 3 splits" in ended.stdout
    assert "67 groups of several records" in ended.stdout
    found = read(out)
    columns = {name: {"record_id": name, **cells} for name, cells in rows}
    require_groups(found, [*columns.values()], "patient_id")

    refused = [
        (("--group", "patient"), "did you mean 'patient_id'?"),
        (("--stratify", "dxx"), "did you mean 'dx'?"),
        (("--ratios", "train=0.8,test=0.1"), "sum to 0.9"),
        (("--folds", "1"), "2 to 1000"),
        (("--folds", "5", "--ratios", "a=1"), "leave one of them out"),
    ]
    for words, says in refused:
        ended = scrapy("split", out, *words)
        assert ended.returncode == 2, ended.stderr
        assert says in ended.stderr
    assert read(out) == found
    nothing = scrapy("split", tmp_path)
    assert (nothing.returncode, "is no dataset" in nothing.stderr) == (2, True)

    merged = tmp_path / "plan"
    merged.mkdir()
    (merged / "metadata.csv").write_bytes((out / "metadata.csv").read_bytes())
    assert scrapy("split", merged, *asked).returncode == 0
    assert read(merged) == found


def test_rare_classes_are_told_where_their_share_cannot_be_met(filled: Callable[..., Path]) -> None:
    out = filled([(f"r{n}", {"dx": "rare" if n == 7 else "nevus"}) for n in range(50)], files=False)
    ended = scrapy("split", out, "--stratify", "dx")
    assert ended.returncode == 0
    assert "class 'rare' (1 records): 0.0% in val, 10.0% wanted" in ended.stdout
    with closing(OutputDirectory(out)) as directory, open_table(directory) as table:
        assert len([*table.rows()]) == 50
    fill(out, [(f"s{n}", {"dx": "nevus"}) for n in range(10)], files=False)
    again = scrapy("split", out, "--stratify", "dx")
    assert "50 records keep the split that they had" in again.stdout
    assert "60 records in 3 splits" in again.stdout

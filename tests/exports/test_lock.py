"""Lock, restore, compare: the same bytes again, or a word about each record that is not there."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.dataset.merge import MergeInput, merge_tables
from imgcrawl.exports.diff import write_diff
from imgcrawl.exports.lock_file import LockedRecord, read_head, read_records, write_lock_file
from imgcrawl.records.errors import ArgumentError
from replicas.web import Mix, fate
from tests.conftest import Crawler, Ended, Out, scrapy
from tests.exports.conftest import fill
from tests.test_crawl_wayback import QUICK, archived

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicas.process import ReplicaProcess

ROT = Mix(dead=0.5)


def restore(crawl: Crawler, lock: Path, **args: Any) -> Ended:
    """``scrapy restore``, as the crawl that it is."""
    return crawl("restore", lock=lock, **args)


def alive(n: int, *, dead: bool = False, kept: bool = False) -> str:
    """The n-th URL that the replica has still, or not; kept: by its archive."""
    urls = (f"http://host{k % 9}.example/{k}.jpg" for k in range(5000))
    found = (u for u in urls if (fate(u, ROT) == "dead") == dead and archived(u) == kept)
    return [next(found) for _ in range(n + 1)][n]


@pytest.mark.slow
def test_the_same_bytes_again_or_a_reason(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    lines = ["url,id,label"]
    lines += [f"{alive(n)},r{n},cat" for n in range(4)]
    lines += [f"{alive(n, dead=True)},d{n},dog" for n in range(3)]
    lines.append(f"{alive(0, dead=True, kept=True)},w0,dog")
    lines.append(f"{alive(5)}?api_key=c29tZSBzZWNyZXQ,s0,cat")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    replica.web()
    first = crawl("urls", list=tmp_path / "list.csv")
    assert first.status == 0, first.log
    locked = scrapy("lock", first.out.root)
    assert locked.returncode == 0, locked.stderr
    assert "9 records" in locked.stdout
    path = first.out.root / "dataset.lock.json"
    before = path.read_text()
    assert "c29tZSBz" not in before
    kept = json.loads(before)
    assert (kept["spider"], kept["arguments"]["list"]) == ("urls", str(tmp_path / "list.csv"))
    assert kept["versions"]["imgcrawl"]
    sums = {row["record_id"]: (row["sha256"], int(row["bytes"])) for row in first.out.rows()}
    assert {r["id"]: (r["sha256"], r["bytes"]) for r in kept["records"]} == sums

    assert scrapy("lock", first.out.root).returncode == 0
    again = json.loads(path.read_text())
    assert again | {"locked_at": ""} == kept | {"locked_at": ""}

    # Links rot: one has a mirror, one other bytes, one is in the archive, the others are gone.
    records = {record["id"]: record for record in kept["records"]}
    records["d1"]["urls"].append(alive(1))  # other bytes at a mirror
    records["d1"]["sha256"] = records["r1"]["sha256"]
    records["r2"]["urls"] = [alive(3)]
    elsewhere = tmp_path / "elsewhere" / "my.json"
    elsewhere.parent.mkdir()
    elsewhere.write_text(json.dumps(kept, indent=4))
    shutil.rmtree(first.out.root)
    replica.web(dead=0.5, cdx_per_minute=1000)
    ended = restore(crawl, elsewhere, out="new", wayback=1, settings=QUICK)
    assert ended.status == 3, ended.log
    ended.out.verify()
    failures = ended.out.failures()
    assert failures.pop("r2") == "changed"
    assert failures.pop("s0") == "changed"  # without its key it has other bytes
    assert failures.keys() == {"d0", "d2"}
    assert "changed" not in failures.values()
    rows = {row["record_id"]: row for row in ended.out.rows()}
    assert {row["source"] for row in rows.values()} == {"original", "mirror", "wayback"}
    assert (rows["d1"]["source"], rows["w0"]["source"]) == ("mirror", "wayback")
    for name, row in rows.items():
        assert row["sha256"] == records[name]["sha256"]
        assert row["file_name"] == records[name]["path"]
        assert row["label"] == records[name]["columns"]["label"]


def test_the_command_restores_and_refuses(tmp_path: Path) -> None:
    out = ("-a", f"out={tmp_path}/new")
    for name, says in [("no.json", "cannot be read"), (__file__, "is no lock of a dataset")]:
        ended = scrapy("restore", tmp_path / name, *out)
        assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr
    (tmp_path / "lock.json").write_text('{"imgcrawl_lock": 1, "records": []}')
    ended = scrapy("restore", tmp_path / "lock.json", *out)
    assert ended.returncode == 0, ended.stderr
    assert Out(tmp_path / "new").rows() == []
    ended = scrapy("restore", tmp_path / "lock.json", *out, "-a", "waybak=1")
    assert (ended.returncode, "did you mean 'wayback'?" in ended.stderr) == (2, True)


def test_two_versions_compared(filled: Callable[..., Path], tmp_path: Path) -> None:
    one = filled([(f"r{n}", {"dx": "nevus", "age": n}) for n in range(8)], "a", files=False)
    other = tmp_path / "b"
    shutil.copytree(one, other)
    assert scrapy("diff", one, other).stdout.split()[:2] == ["same", "8"]

    shutil.rmtree(other)
    changes = [("r2", {"dx": "melanoma", "age": 2}), ("r3", {"dx": "nevus"}), ("n1", {"dx": "=x"})]
    same = [(f"r{n}", {"dx": "nevus", "age": n}) for n in (1, 4, 5, 6, 7)]
    fill(other, [("skip", {}), *same[:1], *changes[:2], *same[1:], changes[2]], files=False)
    ended = scrapy("diff", one, other)
    assert ended.returncode == 0, ended.stderr
    assert [line.split()[:2] for line in ended.stdout.splitlines()[:5]] == [
        ["same", "5"],
        ["added", "2"],
        ["removed", "1"],
        ["changed", "0"],
        ["relabelled", "2"],
    ]
    with (other / "diff.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["record_id", "change", "column", "before", "after"],
        ["n1", "added", "", "", ""],
        ["r0", "removed", "", "", ""],
        ["r2", "relabelled", "dx", "nevus", "melanoma"],
        ["r3", "relabelled", "age", "3", ""],
        ["skip", "added", "", "", ""],
    ]
    # A lock in the place of an OUT says the same.
    assert scrapy("lock", one).returncode == 0
    lock = tmp_path / "one.json"
    shutil.copy(one / "dataset.lock.json", lock)
    by_lock = scrapy("diff", lock, other, "--csv", tmp_path / "d.csv")
    assert by_lock.returncode == 0, by_lock.stderr
    assert (tmp_path / "d.csv").read_bytes() == (other / "diff.csv").read_bytes()
    wrong = scrapy("diff", one, tmp_path / "nothing")
    assert (wrong.returncode, "is no dataset" in wrong.stderr) == (2, True)


records = st.builds(
    LockedRecord,
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.lists(st.text(st.characters(codec="utf-8"))),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.none() | st.integers(0),
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.sampled_from(["image", "file"]),
    st.dictionaries(st.text(), st.none() | st.integers() | st.text(st.characters(codec="utf-8"))),
)


@given(st.lists(records, max_size=4))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, kept: list[LockedRecord]
) -> None:
    path = tmp_path_factory.mktemp("lock") / "a.json"
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        write_lock_file(file, {"spider": "x"}, kept)
    assert read_head(path)["spider"] == "x"
    assert [*read_records(path)] == kept
    whole = path.read_text("utf-8")
    path.write_text(json.dumps(json.loads(whole), indent=2))
    assert [*read_records(path)] == kept
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(ArgumentError):
        [*read_records(path)]


VERSIONS = st.dictionaries(
    st.sampled_from([f"r{n}" for n in range(9)]),
    st.tuples(
        st.sampled_from(["0a", "0b", "0c"]),
        st.dictionaries(st.sampled_from(["dx", "age"]), st.none() | st.sampled_from([1, "1", "x"])),
    ),
)


@given(VERSIONS, VERSIONS)
def test_what_differs_is_told_once(
    before: dict[str, tuple[str, dict[str, Any]]], after: dict[str, tuple[str, dict[str, Any]]]
) -> None:
    def locked(version: dict[str, tuple[str, dict[str, Any]]]) -> list[LockedRecord]:
        return [
            LockedRecord(name, [], sha256, 1, f"{name}.jpg", "image", columns)
            for name, (sha256, columns) in version.items()
        ]

    def cells(columns: dict[str, Any]) -> dict[str, str]:
        return {name: str(value) for name, value in columns.items() if value is not None}

    file = io.StringIO()
    figures = write_diff(locked(before), locked(after), file)
    both = before.keys() & after.keys()
    changed = {name for name in both if before[name][0] != after[name][0]}
    relabelled = {name for name in both if cells(before[name][1]) != cells(after[name][1])}
    assert figures.records == Counter(
        {
            "added": len(after.keys() - both),
            "removed": len(before.keys() - both),
            "changed": len(changed),
            "relabelled": len(relabelled),
        }
    )
    assert figures.same == len(both - changed - relabelled)
    rows = [*csv.DictReader(file.getvalue().splitlines())]
    assert {row["record_id"] for row in rows if row["change"] == "relabelled"} == relabelled
    for row in rows:
        if row["change"] == "relabelled":
            name = row["record_id"]
            assert row["before"] == cells(before[name][1]).get(row["column"], "")
            assert row["after"] == cells(after[name][1]).get(row["column"], "")
            assert row["before"] != row["after"]


@pytest.mark.slow
def test_a_lock_of_several_datasets_brings_all_of_them(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    replica.web()
    for name, first in (("a", 0), ("b", 2)):
        lines = [f"{alive(first + n)},r{n},{name}" for n in range(3)]  # the same ids in both
        (tmp_path / f"{name}.csv").write_text("\n".join(["url,id,label", *lines]))
        assert crawl("urls", out=f"plan/{name}", list=tmp_path / f"{name}.csv").status == 0
    plan = tmp_path / "plan"
    parts = [MergeInput(name, plan / name, {"dataset": name}) for name in ("a", "b")]
    merge_tables(parts, plan)
    assert scrapy("lock", plan).returncode == 0
    ended = restore(crawl, plan / "dataset.lock.json", out="new", settings=QUICK)
    assert ended.status == 0, ended.log
    ended.out.verify()
    was = {row["file_name"]: (row["sha256"], row["label"]) for row in Out(plan).rows()}
    now = {row["file_name"]: (row["sha256"], row["label"]) for row in ended.out.rows()}
    assert (len(was), now) == (6, was)
    same = scrapy("diff", plan, ended.out.root)
    assert same.stdout.split()[:2] == ["same", "6"], same.stdout


@pytest.mark.slow
def test_masks_of_an_archive_come_again(crawl: Crawler, tmp_path: Path) -> None:
    first = crawl("isic", num_images=20, segmentation=1)
    masks = first.out.rows("masks.csv")
    assert len(masks) > 5
    assert all(row["url"].startswith("zip+") for row in masks)
    assert scrapy("lock", first.out.root).returncode == 0
    ended = restore(crawl, first.out.root / "dataset.lock.json", out="new", settings=QUICK)
    assert ended.status == 0, ended.log
    again = {row["record_id"]: row for row in ended.out.rows("masks.csv")}
    assert {name: row["sha256"] for name, row in again.items()} == {
        row["record_id"]: row["sha256"] for row in masks
    }
    paired = {row["record_id"]: row["mask_file_name"] for row in first.out.rows()}
    assert {row["record_id"]: row["mask_file_name"] for row in ended.out.rows()} == paired


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spider", "asked"),
    [
        ("empiar", {"entry": 11759, "match": "*_000?.dm3"}),
        ("static_page", {"url": "https://www.epfl.ch/labs/cvlab/data/data-em/", "match": "*.tif"}),
        ("omero", {"image": 9846137}),
    ],
)
def test_what_files_say_of_themselves_is_as_it_was_locked(
    crawl: Crawler, spider: str, asked: dict[str, Any]
) -> None:
    first = crawl(spider, **asked)
    assert first.status == 0, first.log
    n = len(first.out.rows())
    assert scrapy("lock", first.out.root).returncode == 0
    ended = restore(crawl, first.out.root / "dataset.lock.json", out="new", settings=QUICK)
    assert ended.status == 0, ended.log
    ended.out.verify()
    compared = scrapy("diff", first.out.root, ended.out.root).stdout.split()
    assert compared[:2] == ["same", str(n)], compared
    last = {"downloaded_at"}
    for before, after in zip(first.out.rows(), ended.out.rows(), strict=True):
        assert {k: v for k, v in before.items() if k not in last} == {
            k: v for k, v in after.items() if k not in last
        }

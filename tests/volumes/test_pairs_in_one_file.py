"""HDF5 of several layers: image and labels of a cube are datasets of one file, with a row each."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from tests.conftest import ROOT, Crawler, scrapy
from tests.soak import times
from tests.volumes import stores
from tests.volumes.pairs import SIDE, WHOLE, ask, killed_and_resumed, make_tissue
from tests.volumes.test_crawl_crops import KILL
from tests.volumes.test_crawl_unlisted import PRIVATE
from tests.volumes.test_shared_cubes import EM, SEG, box, link, origin, precomputed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ended, Out


@pytest.fixture
def tissue(tmp_path: Path) -> Path:
    return make_tissue(tmp_path)


def wanted(tissue: Path, count: int, **more: Any) -> dict[str, Any]:
    return ask(tissue, count, format="hdf5", **more)


def check(out: Out, labels: Any = WHOLE) -> dict[str, list[dict[str, str]]]:
    """Return the rows by file; each has been compared with its layer, and with its file."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in out.rows():
        path = out.root / row["file_name"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
        of = EM if row["dataset"] == "raw" else labels
        assert row["role"] == ("image" if row["dataset"] == "raw" else "label")
        with h5py.File(path) as file:
            voxels = file[row["dataset"]][:]
        assert np.array_equal(voxels, box(of, origin(row), 4, (SIDE,) * 3)), row
        assert voxels.dtype == of.dtype
        found.setdefault(row["file_name"], []).append(row)
    for name, rows in found.items():
        assert sorted(row["dataset"] for row in rows) == ["label", "raw"]
        assert len({row["cube_id"] for row in rows}) == 1
        sizes = [row["bytes"] for row in sorted(rows, key=lambda row: row["record_id"])]
        assert sizes == [str((out.root / name).stat().st_size), ""]
        with h5py.File(out.root / name) as file:
            assert sorted(file) == ["label", "raw"]
    there = {path.relative_to(out.root).as_posix() for path in out.root.glob("cubes/*/*")}
    assert there == {name + end for name in found for end in ("", ".crop.json")}
    assert out.summary()["bytes"] == sum((out.root / name).stat().st_size for name in found)
    assert not [*out.root.glob(".parts/*"), *out.root.glob(".partial/*")]
    return found


def verify(out: Out, *words: str) -> tuple[int, list[dict[str, str]]]:
    ended = scrapy("verify", *words, out.root)
    files = {row["file_name"] for row in out.rows()}
    assert re.search(rf"^{len(files)} files? \(", ended.stdout, re.MULTILINE), ended.stdout
    return ended.returncode, out.rows("verify.csv")


def test_a_pair_is_one_file_and_a_second_run_finds_it(tissue: Path) -> None:
    alone = Crawler(tissue, None)
    first = alone("zarr", **wanted(tissue, 2))
    assert first.status == 0, first.log
    files = check(first.out)
    assert len(files) == 2
    assert all(name.endswith("/em+seg.h5") for name in files)
    assert verify(first.out) == (0, [])
    sums = scrapy("verify", "--sha256sums", first.out.root)
    assert sums.returncode == 0
    lines = (first.out.root / "SHA256SUMS").read_text().splitlines()
    assert sorted(line.partition("  ")[2] for line in lines) == sorted(files)
    assert first.out.summary()["this_run"]["bytes"] == first.out.summary()["bytes"]
    assert not (first.out.root / "duplicates.csv").exists()
    before = {name: (first.out.root / name).stat().st_mtime_ns for name in files}
    again = alone("zarr", **wanted(tissue, 2))
    assert again.status == 0
    assert again.out.summary()["this_run"]["outcomes"] == {}
    assert before == {name: (again.out.root / name).stat().st_mtime_ns for name in files}


def test_other_layers_are_another_file_of_the_same_cube(tissue: Path) -> None:
    alone = Crawler(tissue, None)
    assert alone("zarr", **wanted(tissue, 1)).status == 0
    one = alone("zarr", **wanted(tissue, 1, layers="em"))
    assert one.status == 0, one.log
    assert verify(one.out) == (0, [])
    names = sorted(row["file_name"].rpartition("/")[2] for row in one.out.rows())
    assert names == ["em+seg.h5", "em+seg.h5", "em.h5"]


def test_several_images_have_datasets_of_their_own(tissue: Path) -> None:
    precomputed(tissue / "em2", [EM + 1], 4, "image")
    alone = Crawler(tissue, None)
    ended = alone("zarr", **wanted(tissue, 1, layers="em,seg,em2"))
    assert ended.status == 0, ended.log
    rows = ended.out.rows()
    assert len({row["file_name"] for row in rows}) == 1
    with h5py.File(ended.out.root / rows[0]["file_name"]) as file:
        assert sorted(file) == ["label", "raw", "raw_em2"]
        assert np.array_equal(file["raw_em2"][:], file["raw"][:] + 1)
    assert {row["layer"]: row["dataset"] for row in rows}["em2"] == "raw_em2"


STEPS = [
    ("CropParts.finish", "after"),  # one layer is there, or both
    ("voxels_sha256", "before"),  # the file lies in .partial
    ("move_into_place", "before"),  # the description is there, the file is not
    ("move_into_place", "after"),  # all is there but the rows
]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "when"), STEPS)
def test_a_kill_at_any_step_leaves_whole_pairs(tissue: Path, place: str, when: str) -> None:
    alone = Crawler(tissue, None)
    command = alone.command("zarr", **wanted(tissue, 2))
    killed = subprocess.run(
        [sys.executable, "-c", KILL, place, when, *command[3:]],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    ended = alone("zarr", **wanted(tissue, 2))
    assert ended.status == 0, ended.log
    assert len(check(ended.out)) == 2
    assert verify(ended.out) == (0, [])


@pytest.mark.slow
@pytest.mark.soak
def test_killed_again_and_again(tissue: Path) -> None:
    count = times(few=20, many=1000)
    ended = killed_and_resumed(Crawler(tissue, None), wanted(tissue, count))
    assert len(check(ended.out)) == count


def change(out: Out, sql: str) -> None:
    with closing(sqlite3.connect(out.root / "ledger.sqlite")) as db, db:
        assert db.execute(sql).rowcount == 1


def test_a_kill_between_two_rows_costs_no_request(tissue: Path) -> None:
    alone = Crawler(tissue, None)
    about = {"settings": PRIVATE, **wanted(tissue, 1)}
    about.pop("url")
    with stores.serving(tissue) as store:
        first = alone("neuroglancer", url=link(store.url), **about)
        assert first.status == 0, first.log
        (name,) = check(first.out)
        bytes_before = (first.out.root / name).read_bytes()
        change(first.out, "DELETE FROM records WHERE record_id LIKE '%/label'")
        store.asked.clear()
        again = alone("neuroglancer", url=link(store.url), **about)
        assert not [path for path in store.asked if "-" in path]
    assert again.status == 0, again.log
    assert [*check(again.out)] == [name]
    assert (again.out.root / name).read_bytes() == bytes_before


def test_a_damaged_file_is_made_anew_for_both(tissue: Path) -> None:
    alone = Crawler(tissue, None)
    first = alone("zarr", **wanted(tissue, 2))
    name = next(iter(check(first.out)))
    path = first.out.root / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes(9) if any(whole[-9:]) else bytes(9) + whole[9:])
    status, rows = verify(first.out, "--repair")
    assert status == 3
    assert [(row["file_name"], row["problem"]) for row in rows] == [(name, "sha256")] * 2
    again = alone("zarr", **wanted(tissue, 2))
    assert again.status == 0, again.log
    check(again.out)
    assert path.read_bytes() == whole


def test_where_one_row_is_doubted_both_are_written_anew(tissue: Path) -> None:
    """The labels have changed at the source: no row may tell of the file that was."""
    alone = Crawler(tissue, None)
    first = alone("zarr", **wanted(tissue, 1))
    (name,) = check(first.out)
    change(first.out, "UPDATE records SET doubt = 'verify: size' WHERE record_id LIKE '%/label'")
    (first.out.root / name).unlink()
    shutil.rmtree(tissue / "seg")
    precomputed(tissue / "seg", [SEG + 1], 8, "segmentation")
    again = alone("zarr", **wanted(tissue, 1))
    assert again.status == 0, again.log
    check(again.out, WHOLE + np.uint64(1))
    assert verify(again.out) == (0, [])


def test_a_pair_of_which_a_layer_cannot_be_read_is_missing(tissue: Path) -> None:
    for chunk in (tissue / "seg/8").iterdir():
        chunk.write_bytes(b"no voxels")
    ended = Crawler(tissue, None)("zarr", **wanted(tissue, 1))
    assert ended.status == 3
    assert set(ended.out.failures().values()) == {"corrupt"}
    assert len(ended.out.failures()) == 2
    assert not [*ended.out.root.glob("cubes/*/*")]


def stored(ended: Ended) -> Path:
    assert ended.status == 0, ended.log
    (name,) = check(ended.out)
    return ended.out.root / f"{name}.crop.json"


def test_recrop_makes_the_same_file_again(tissue: Path) -> None:
    alone = Crawler(tissue, None)
    told = stored(alone("zarr", **wanted(tissue, 1)))
    again = scrapy("recrop", "--local", "--out", tissue / "again", told)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("voxels:   equal") == 2
    (made,) = (tissue / "again").glob("cubes/*/*.h5")
    assert made.read_bytes() == told.with_name(made.name).read_bytes()
    for known in (tissue / "again", told.parents[2]):  # nothing would be read there
        nothing = scrapy("recrop", "--local", "--out", known, told)
        assert nothing.returncode == 1
        assert "has that crop already" in nothing.stderr
    shutil.rmtree(tissue / "seg")
    precomputed(tissue / "seg", [SEG + 1], 8, "segmentation")
    other = scrapy("recrop", "--local", told)
    assert other.returncode == 3
    assert "different" in other.stdout


def test_a_folder_of_this_computer_may_hide_in_no_member(tissue: Path) -> None:
    told = stored(Crawler(tissue, None)("zarr", **wanted(tissue, 1)))
    content = json.loads(told.read_text())
    content["crop"]["level"]["address"]["url"] = "https://volumes.example/em/"
    told.write_text(json.dumps(content))
    refused = scrapy("recrop", told)
    assert refused.returncode == 2
    assert "--local" in refused.stderr

"""``scrapy verify``: a file that is not the one that was stored is found, whatever became of it."""

from __future__ import annotations

import csv
import hashlib
import os
import random
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.commands.verify import read_manifest
from imgcrawl.dataset.entries import LedgerEntry
from imgcrawl.dataset.files import LocalFiles
from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.verify import Problem, Verification, VerifyFigures
from imgcrawl.records.items import Document, FileItem, ImageItem, Item, Missing, Stored, VolumeItem
from imgcrawl.records.outcomes import Outcome
from imgcrawl.storage.digests import sums_line
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.volumes.copy.object_table import CopiedObject, write_table
from imgcrawl.volumes.crop.digests import result_sha256
from tests.conftest import scrapy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

NOW = "2026-01-01T00:00:00Z"
COUNT = 20


def store(root: Path, item: Item, name: str, data: bytes, sha256: str | None = None) -> None:
    """Store a file below OUT with its row in the ledger."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    digest = sha256 or hashlib.sha256(data).hexdigest()
    note(root, item, Stored(name, item.urls[0], item.urls[0], digest, len(data)))


def note(root: Path, item: Item, result: Stored | Missing) -> None:
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        ledger.write([LedgerEntry.from_item(item, result, NOW)])


def image(n: int) -> tuple[ImageItem, str, bytes]:
    item = ImageItem(f"r{n:03}", [f"https://example.org/{n}"], f"images/r{n:03}")
    return item, f"images/r{n:03}.jpg", random.Random(n).randbytes(100 + n)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    root.mkdir()
    for n in range(COUNT):
        store(root, *image(n))
    gone = ImageItem("gone", ["https://example.org/gone"], "images/gone")
    note(root, gone, Missing(Outcome.NOT_FOUND, "HTTP 404", gone.urls[0], 404, 1))
    for name in ("metadata.csv", "failures.csv", "summary.json", "licenses/CC-0.txt", "crawl.log"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("of the run itself")
    return root


def verify(
    root: Path, *, quick: bool = False, sums: bool = False, repair: bool = False
) -> VerifyFigures:
    with closing(OutputDirectory(root)) as directory:
        files = LocalFiles(root)
        return Verification(
            directory, files, read_manifest, quick=quick, sums=sums, repair=repair
        ).run()


def rows(root: Path) -> list[tuple[str, ...]]:
    with (root / "verify.csv").open(newline="", encoding="utf-8") as file:
        header, *found = csv.reader(file)
    assert header == ["record_id", "file_name", "problem"]
    return [tuple(row) for row in found]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def link(path: Path) -> None:
    copy = path.with_name("elsewhere")
    shutil.copy(path, copy)
    path.unlink()
    path.symlink_to(copy.name)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_a_whole_dataset_leaves_the_header_alone(out: Path) -> None:
    found = verify(out)
    assert (found.files, found.unhashed, found.problems) == (COUNT, 0, {})
    assert found.bytes == sum(len(image(n)[2]) for n in range(COUNT))
    assert rows(out) == []
    assert (out / "verify.csv").read_bytes() == b"record_id,file_name,problem\r\n"


@pytest.mark.parametrize(
    ("damage", "problem", "seen_quickly"),
    [
        (flip, "sha256", False),
        (zeros, "sha256", False),
        (os.unlink, "missing", True),
        (lambda path: os.truncate(path, 7), "size", True),
        (lambda path: os.truncate(path, 0), "size", True),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "size", True),
        (link, "unreadable", True),
    ],
)
def test_one_bad_file_is_one_row(
    out: Path, damage: Callable[[Path], object], problem: str, *, seen_quickly: bool
) -> None:
    damage(out / "images/r007.jpg")
    expected = [("r007", "images/r007.jpg", problem)]
    verify(out)
    assert [row for row in rows(out) if row[0]] == expected
    verify(out, quick=True)
    assert [row for row in rows(out) if row[0]] == (expected if seen_quickly else [])


def test_what_cannot_be_read_is_said_and_the_rest_is_looked_at(out: Path) -> None:
    (out / "images/r003.jpg").unlink()
    os.mkfifo(out / "images/r003.jpg")  # would be waited for without end
    flip(out / "images/r019.jpg")
    assert verify(out).problems == {Problem.UNREADABLE: 1, Problem.SHA256: 1}
    assert [row[0] for row in rows(out)] == ["r003", "r019"]


def test_a_file_that_no_record_has_is_extra_and_stays(out: Path) -> None:
    for name in ("images/other.jpg", "notes.txt", "deep/er/x.bin"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    (out / "away").symlink_to("/etc")
    assert verify(out).problems == {Problem.EXTRA: 4}
    extra = {"images/other.jpg", "notes.txt", "deep/er/x.bin", "away"}
    assert {row[1] for row in rows(out)} == extra
    assert all((out / name).exists() for name in extra)


def test_what_was_made_of_a_record_is_not_extra(out: Path) -> None:
    item, name, data = image(1)
    item.documents = [Document("descriptions/r001.json", "{}")]
    store(out, item, name, data)
    for made in ("descriptions/r001.json", "sizes/small/images/r001.jpg"):
        (out / made).parent.mkdir(parents=True, exist_ok=True)
        (out / made).write_text("{}")
    (out / "sizes/small/images/stranger.jpg").write_text("x")
    verify(out)
    assert rows(out) == [("", "sizes/small/images/stranger.jpg", "extra")]


def test_a_cube_that_is_a_folder_is_held_against_its_list(out: Path) -> None:
    name = "volumes/c/0.zarr"
    for part, data in {"zarr.json": b"{}", "s0/c/0": b"abc", "s0-x": b"d"}.items():
        (out / name / part).parent.mkdir(parents=True, exist_ok=True)
        (out / name / part).write_bytes(data)
    (out / f"{name}.crop.json").write_text("{}")
    item = VolumeItem("cube", ["https://example.org/v"], name)
    note(out, item, Stored(name, item.urls[0], sha256=result_sha256(out / name), bytes=6))
    assert verify(out, sums=True).problems == {}
    assert check_sums(out) == 0
    (out / name / "s0/c/0").write_bytes(b"abx")
    verify(out)
    assert rows(out) == [("cube", name, "sha256")]
    (out / name / "s0/c/1").write_bytes(b"")
    verify(out)
    assert rows(out) == [("cube", name, "sha256")]


def copied(out: Path, name: str) -> VolumeItem:
    objects = []
    for number in range(5):
        key = f"s0/{number}/0"
        (out / name / key).parent.mkdir(parents=True)
        (out / name / key).write_bytes(bytes([number]) * 10)
        sha256 = hashlib.sha256(bytes([number]) * 10).hexdigest()
        objects.append(CopiedObject(key, 10, None, 10, sha256))
    table = out / f"manifests/{name}.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    total = write_table(table, objects)
    (out / name).parent.joinpath(".zgroup").write_text("{}")  # which copies of one container share
    item = VolumeItem("copy", ["https://example.org/v"], name)
    note(out, item, Stored(name, item.urls[0], sha256=total.sha256, bytes=total.bytes))
    return item


def test_a_copied_volume_is_held_against_its_manifest_object_by_object(out: Path) -> None:
    copied(out, "volumes/v.zarr")
    found = verify(out, sums=True)
    assert found.problems == {}
    assert found.files == COUNT + 5
    assert check_sums(out) == 0
    (out / "volumes/v.zarr/s0/1/0").unlink()
    zeros(out / "volumes/v.zarr/s0/3/0")
    (out / "volumes/v.zarr/s0/9").write_text("nobody's")
    verify(out)
    assert rows(out) == [
        ("copy", "volumes/v.zarr/s0/1/0", "missing"),
        ("copy", "volumes/v.zarr/s0/3/0", "sha256"),
        ("", "volumes/v.zarr/s0/9", "extra"),
    ]


def test_a_manifest_that_was_changed_together_with_its_object_is_found(out: Path) -> None:
    copied(out, "volumes/v.zarr")
    table, changed = out / "manifests/volumes/v.zarr.tsv", out / "volumes/v.zarr/s0/2/0"
    before = hashlib.sha256(changed.read_bytes()).hexdigest()
    changed.write_bytes(b"0123456789")
    after = hashlib.sha256(b"0123456789").hexdigest()
    table.write_text(table.read_text().replace(before, after))
    verify(out)
    assert rows(out) == [("copy", "manifests/volumes/v.zarr.tsv", "sha256")]


def doubted(root: Path) -> dict[str, str]:
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        return {e.record_id: e.doubt for e in ledger.entries(Outcome) if e.doubt}


def test_a_repair_names_the_bad_records_and_leaves_files_and_rows(out: Path) -> None:
    flip(out / "images/r002.jpg")
    (out / "images/r004.jpg").unlink()
    (out / "images/stranger.jpg").write_text("mine")
    before = (out / "images/r002.jpg").read_bytes()
    verify(out)
    assert doubted(out) == {}
    verify(out, repair=True)
    assert doubted(out) == {"r002": "verify: sha256", "r004": "verify: missing"}
    assert (out / "images/r002.jpg").read_bytes() == before
    assert (out / "images/stranger.jpg").exists()


def test_a_repair_of_a_copy_lets_go_of_the_bad_objects_alone(out: Path) -> None:
    copied(out, "volumes/v.zarr")
    zeros(out / "volumes/v.zarr/s0/3/0")
    verify(out, repair=True)
    assert doubted(out) == {"copy": "verify: sha256"}
    left = {path.parent.name for path in (out / "volumes/v.zarr/s0").glob("*/0")}
    assert left == {"0", "1", "2", "4"}


@pytest.mark.slow
def test_the_next_crawl_fetches_what_was_repaired_and_nothing_else(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    first = crawl("isic", num_images=12)
    assert first.status == 0, first.log
    root, before = first.out.root, first.out.files()
    names = sorted(name for name in before if name.startswith("images/"))
    flip(root / names[3])
    zeros(root / names[8])
    (root / "notes.txt").write_text("mine")
    assert scrapy("verify", root, "--repair").returncode == 3
    replica.reset()
    again = crawl("isic", num_images=12)
    assert again.status == 0, again.log
    assert "2 new" in again.log
    assert again.out.files().items() >= before.items()
    asked = [path for path in replica.log()["paths"] if path.startswith("/isic-s3/images/")]
    assert len(asked) == 2, asked
    (root / "notes.txt").unlink()
    assert scrapy("verify", root).returncode == 0
    assert doubted(root) == {}


def test_hostile_names_are_written_safely(out: Path) -> None:
    item = FileItem("=cmd|' /C calc'!A0", ["https://example.org/x"], "files/a")
    store(out, item, "files/=1+1.bin", b"x")
    (out / "files/=1+1.bin").unlink()
    verify(out)
    assert rows(out) == [("'=cmd|' /C calc'!A0", "files/=1+1.bin", "missing")]


def check_sums(root: Path) -> int:
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    return subprocess.run(command, cwd=root, check=False, capture_output=True).returncode


def test_the_sums_are_those_that_sha256sum_reads(out: Path) -> None:
    for n, name in enumerate(("files/a b.bin", "files/back\\slash.bin", "files/ü.bin")):
        store(out, FileItem(f"f{n}", ["https://example.org/x"], name), name, b"data")
    verify(out, sums=True)
    assert len((out / "SHA256SUMS").read_text().splitlines()) == COUNT + 3
    assert check_sums(out) == 0
    flip(out / "files/back\\slash.bin")
    assert check_sums(out) == 1
    verify(out, sums=True)  # what must be there is told, and not what is
    assert check_sums(out) == 1


@given(st.text(min_size=1).filter(lambda name: not set(name) & {"/", "\0"}))
def test_every_name_is_one_line(name: str) -> None:
    line = sums_line("0" * 64, name)
    assert line.count("\n") == 1
    assert "\r" not in line
    assert line.startswith("\\") == any(c in name for c in "\\\n\r")


@pytest.mark.slow
def test_as_a_user_types_it(out: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        ended = scrapy("verify", *arguments)
        return ended.returncode, ended.stdout + ended.stderr

    status, text = run(str(out))
    assert status == 0
    assert f"{COUNT} files" in text
    assert "All good" in text
    flip(out / "images/r011.jpg")
    status, text = run(str(out))
    assert status == 3
    assert "1 sha256" in text
    status, text = run(str(out), "--quick")
    assert status == 0
    assert "presence and size checked" in text
    status, text = run(str(out / "images"))
    assert status == 1
    assert "no dataset" in text
    assert run()[0] == 2


def sampled(root: Path, n: int, *, repair: bool = False) -> VerifyFigures:
    with closing(OutputDirectory(root)) as directory:
        files = LocalFiles(root)
        return Verification(directory, files, read_manifest, repair=repair, sample=n).run()


def test_a_sample_looks_at_so_many_and_forgets_no_earlier_find(out: Path) -> None:
    assert sampled(out, 3).files == 3
    names = sorted(path.relative_to(out).as_posix() for path in (out / "images").rglob("*.*"))
    flip(out / names[0])
    (out / "images/more.jpg").write_bytes(b"nobody's")
    assert {problem for *_, problem in rows_after_all(out)} == {"sha256", "extra"}
    bad = rows(out)
    for _ in range(3):  # whatever chance draws, what was found is looked at again
        figures = sampled(out, 1)
        assert rows(out) == bad
        assert figures.files <= 2
    (out / "images/more.jpg").unlink()
    sampled(out, 1, repair=True)
    assert [problem for *_, problem in rows(out)] == ["sha256"]
    flip(out / names[0])
    assert not sampled(out, 1).problems
    assert rows(out) == []
    assert sampled(out, 10**6).files == COUNT


def rows_after_all(root: Path) -> list[tuple[str, ...]]:
    verify(root)
    return rows(root)

"""``scrapy clean``: what runs left behind goes, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from imgcrawl.dataset.leftovers import old_logs
from imgcrawl.scheduling.timers import LOG_KILOBYTES, rotated
from imgcrawl.storage.directory import OutputDirectory
from tests.conftest import scrapy
from tests.dataset.entries import stored

if TYPE_CHECKING:
    from pathlib import Path

OLD = time.time() - 30 * 86400
HEX = "0123456789abcdef"
OURS = (
    f".parts/{HEX}.part",
    f".parts/{HEX}.note",
    f".archives/{HEX}{HEX}.zip",
    f".archives/{HEX}{HEX}.4711.part",
    "crawl.log.1",
    ".metadata.csv.partial",
)
THEIRS = (
    ".parts/mine.zip",
    f".parts/{HEX}.part.bak",
    ".archives/notes.txt",
    f"images/{HEX}.part",
    "images/a.jpg",
    "crawl.log",
    "cache.sqlite",
    "my.log.1",
    "notes.partial",
)


def listing(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for name in (*OURS, *THEIRS):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 5000)
        os.utime(path, (OLD, OLD))
    with closing(Ledger(root / "ledger.sqlite")) as ledger:
        ledger.write([stored("a")])
    elsewhere = tmp_path / "elsewhere.part"
    elsewhere.write_bytes(b"precious")
    (root / f".parts/f{HEX[1:]}.part").symlink_to(elsewhere)
    (root / f".parts/a{HEX[1:]}.part").write_bytes(b"of today")
    return root


@pytest.mark.slow
def test_only_what_runs_left_goes(out: Path, tmp_path: Path) -> None:
    before = listing(out)
    dry = scrapy("clean", out, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert listing(out) == before
    assert "would go" in dry.stdout
    assert "2 files" in dry.stdout
    assert "unfinished downloads" in dry.stdout

    done = scrapy("clean", tmp_path)
    assert done.returncode == 0, done.stderr
    after = listing(out)
    assert {n: after.get(n) for n in before if n not in OURS} == {
        n: data for n, data in before.items() if n not in OURS
    }
    assert not after.keys() & set(OURS)
    assert (tmp_path / "elsewhere.part").read_bytes() == b"precious"
    assert f".parts/a{HEX[1:]}.part" in after  # it was touched today
    assert "0 bytes" not in scrapy("clean", out, "--days", "0").stdout
    assert f".parts/a{HEX[1:]}.part" not in listing(out)
    assert "nothing to clean" in scrapy("clean", out).stdout


@pytest.mark.slow
def test_an_out_in_use_is_left_alone(out: Path) -> None:
    before = listing(out)
    with closing(OutputDirectory(out)):
        refused = scrapy("clean", out)
    assert refused.returncode == 1
    assert "in use by another run" in refused.stderr
    assert listing(out) == before


def test_misuse(tmp_path: Path) -> None:
    assert scrapy("clean").returncode == 2
    assert scrapy("clean", "--days", "-1", tmp_path).returncode == 2
    nothing = scrapy("clean", tmp_path)
    assert nothing.returncode == 1
    assert "no dataset" in nothing.stderr


def test_a_log_is_set_aside_once_it_is_long(tmp_path: Path) -> None:
    logs = tmp_path / "data/logs"
    logs.mkdir(parents=True)
    for size, long in ((10, False), ((LOG_KILOBYTES + 2) << 10, True)):
        with (logs / "nightly.log").open("wb") as file:
            file.truncate(size)
        subprocess.run(["/bin/sh", "-c", rotated("nightly")], cwd=tmp_path, check=True)
        assert (logs / "nightly.log.1").exists() == long
        assert (logs / "nightly.log").exists() != long
    assert [found.path.name for found in old_logs(logs, 0)] == ["nightly.log.1"]
    assert not [*old_logs(logs, 3600)]

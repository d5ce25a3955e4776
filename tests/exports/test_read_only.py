"""A dataset on read-only media, or somebody else's: it is read, and nothing in it is written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A view of the folder that nothing can be written to, for the command that follows.
MOUNTED = 'mount --bind -o ro "$0" "$0" && shift 0 && exec "$@"'


def read_only(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that has a folder on read-only media."""
    command = ["unshare", "-rm", "bash", "-c", MOUNTED, str(folder), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def scrapy(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return read_only(folder, sys.executable, "-m", "scrapy", *words)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    root = filled([(f"r{n}", {"label": "ab"[n % 2]}) for n in range(20)])
    if read_only(root, "true").returncode:
        pytest.skip("this machine lets nobody mount a folder")
    return root


@pytest.mark.slow
def test_it_is_exported_reported_locked_and_split(out: Path, tmp_path: Path) -> None:
    before = names(out)
    made = tmp_path / "made"
    for words in (
        ("report", out, "--into", made),
        ("lock", out, "--into", made),
        ("split", out, "--into", made),
        ("export", out, "--to", "coco", "--dest", made / "coco", "--split", made / "splits.csv"),
        ("diff", out, out, "--csv", made / "diff.csv"),
        ("verify", out, "--into", made),
    ):
        ended = scrapy(out, *words)
        assert (ended.returncode, ended.stderr) == (0, ""), (words, ended.stderr)
    assert names(out) == before
    assert {path.name for path in made.iterdir()} == {
        *("report.html", "dataset.lock.json", "splits.csv", "splits.json", "coco", "diff.csv"),
        "verify.csv",
    }
    assert len([*(made / "coco/images").iterdir()]) == 20
    kept = scrapy(out, "split", out, "--into", made)
    assert "20 records keep the split that they had" in kept.stdout
    refused = scrapy(out, "report", out)
    assert (refused.returncode, "Type --into DIR" in refused.stderr) == (2, True), refused.stderr


def test_python_reads_it(out: Path) -> None:
    script = f"import imgcrawl; d = imgcrawl.open({str(out)!r}); print(len(d), d.verify())"
    assert read_only(out, sys.executable, "-c", script).stdout == "20 []\n"


def test_what_a_killed_run_left_in_its_journal_counts(out: Path, tmp_path: Path) -> None:
    ledger = sqlite3.connect(out / "ledger.sqlite")
    ledger.execute("PRAGMA journal_mode=WAL")
    ledger.execute("DELETE FROM records WHERE record_id > 'r4'")
    ledger.commit()
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    ledger.close()
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        (out / name).write_bytes((tmp_path / name).read_bytes())
    before = names(out)
    script = f"import imgcrawl; print(len(imgcrawl.open({str(out)!r})))"
    with closing(Ledger(tmp_path / "ledger.sqlite")) as copy:
        left = copy._db.execute("SELECT count(*) FROM records").fetchone()[0]
    assert left < 20
    ended = read_only(out, sys.executable, "-c", script)
    assert (ended.stdout, names(out)) == (f"{left}\n", before), ended.stderr

"""A dataset on read-only media, or somebody else's: it is read, and nothing in it is written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgcrawl.dataset.ledger import Ledger
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.mark.slow
def test_what_has_to_write_says_what_to_type(out: Path, tmp_path: Path) -> None:
    before, made = names(out), tmp_path / "made"
    refusals: list[tuple[tuple[str | Path, ...], str]] = [
        (("report", out), "report.html"),
        (("lock", out), "dataset.lock.json"),
        (("split", out), "splits.csv"),
        (("verify", out), "verify.csv"),
        (("linkrot", out), "linkrot.csv"),
        (("diff", out, out), "diff.csv"),
        (("rebuild", out), "metadata.csv"),
        (("verify", out, "--repair", "--into", made), "ledger.sqlite"),
    ]
    for words, name in refusals:
        refused = scrapy(out, *words)
        assert (refused.returncode, refused.stdout) == (2, ""), words
        assert f": {name} cannot be written into {out} (Read-only file system): " in refused.stderr
        assert (refused.stderr.count("\n"), "ype " in refused.stderr) == (1, True), refused.stderr
    assert names(out) == before
    status = scrapy(out, "status", out)
    assert f"{out}: " in status.stdout, status.stderr


def as_another(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of a user who owns nothing here."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def others(out: Path) -> Path:
    """An OUT that another user may read; one folder up, that user may write."""
    folder = out.parent
    folder.chmod(0o777)
    while (folder := folder.parent) != Path(tempfile.gettempdir()) and folder != folder.parent:
        if folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    look = f"import imgcrawl; open({str(out / 'ledger.sqlite')!r})"
    if as_another(sys.executable, "-c", look).returncode:
        pytest.skip("nobody else may read this machine's folders, or this is no administrator")
    return out


@pytest.mark.slow
def test_another_user_reads_it(others: Path, tmp_path: Path) -> None:
    before = names(others)
    run = (sys.executable, "-m", "scrapy")
    made = tmp_path / "made"
    ended = as_another(*run, "export", others, "--to", "parquet", "--dest", made / "parquet")
    assert (ended.returncode, ended.stderr) == (0, "")
    refused = as_another(*run, "report", others)
    assert f"written into {others} (Permission denied): type --into DIR" in refused.stderr
    # A folder that takes new files, with files in the way that are another's.
    others.chmod(0o777)
    for name in (".lock", ".partial"):
        path = others / name
        path.mkdir(mode=0o700) if name == ".partial" else path.touch(0o600)
        ended = as_another(*run, "lock", others, "--into", made)
        assert (ended.returncode, ended.stderr) == (0, ""), name
        assert as_another(*run, "lock", others).returncode == 2
        path.rmdir() if path.is_dir() else path.unlink()
    assert names(others) == before
    nowhere = as_another(*run, "report", others, "--into", "/proc/nowhere")
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (2, 1), nowhere.stderr


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_crawl_writes_meanwhile_is_noticed(others: Path, killed: bool) -> None:
    script = """
import sys, imgcrawl
rows = iter(imgcrawl.open(sys.argv[1]))
print(next(rows)["record_id"], flush=True)
sys.stdin.readline()
print(len([*rows]))
"""
    ledger = sqlite3.connect(others / "ledger.sqlite", isolation_level=None)
    ledger.execute("PRAGMA journal_mode=WAL")
    if killed:  # its journal is there, so that readers share its locks
        ledger.execute("UPDATE records SET tries = 2 WHERE record_id = 'r0'")
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c"]
    with subprocess.Popen(
        [*command, script, others],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as reader:  # fmt: skip
        assert reader.stdout is not None
        assert reader.stdout.readline() == "r0\n"
        ledger.execute("DELETE FROM records WHERE record_id > 'r3'")
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ledger.close()
        found, said = reader.communicate("\n")
    if killed:
        assert (found, said) == ("19\n", "")
    else:
        assert "was written to while it was read" in said


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

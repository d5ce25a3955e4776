"""An export that is killed in the middle, and run again: the same as one that nobody disturbed."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.exports.export import FORMATS
from tests.conftest import ROOT
from tests.exports.test_export import export, records, with_masks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N = 150  # records
# An export, as the command makes it, whose process kills itself after a number of records.
SCRIPT = """
import os, signal, sys
from contextlib import closing
from pathlib import Path
from imgcrawl.dataset.dataset_table import open_table
from imgcrawl.exports.export import export_dataset
from imgcrawl.exports.plan import ExportRequest
from imgcrawl.storage.directory import OutputDirectory
from imgcrawl.storage.local import LocalStorage

root, to, dest, last = sys.argv[1:]
def count(records, size):
    if records == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
with closing(OutputDirectory(Path(root))) as out, open_table(out) as table:
    request = ExportRequest(to, "dx", None, 9000)
    splits = out.root / "splits.csv"
    export_dataset(
        out, LocalStorage(out.root), table, request,
        dest=Path(dest), splits=splits, progress=count,
    )
"""


def killed(out: Path, to: str, dest: Path, last: int) -> int:
    words = [str(out), to, str(dest), str(last)]
    ended = subprocess.run([sys.executable, "-c", SCRIPT, *words], cwd=ROOT, check=False)
    return ended.returncode


def tree(root: Path, to: str) -> dict[str, Any]:
    """All files of an export: their SHA-256; of Lance, whose names are by chance, the rows."""
    if to == "lance":
        lance = pytest.importorskip("lance")
        names = sorted(path.name for path in root.iterdir())
        rows = {
            name: lance.dataset(str(root / name)).to_table().to_pylist()
            for name in names
            if name.endswith(".lance")
        }
        return {"names": names, **rows}
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def out(filled: Callable[..., Path]) -> Path:
    made = [*with_masks(), *records(N - 3)]
    root = filled(made)
    splits = "".join(
        f"{name},{('train', 'test')[n % 3 == 0]}\n" for n, (name, *_) in enumerate(made)
    )
    (root / "splits.csv").write_text("record_id,split\n" + splits)
    return root


@pytest.mark.parametrize("to", sorted(FORMATS))
def test_it_is_the_same_in_the_end(out: Path, tmp_path: Path, to: str) -> None:
    asked: dict[str, Any] = {"label": "dx", "splits": out / "splits.csv", "shard_bytes": 9000}
    whole, again = tmp_path / "whole", tmp_path / "again"
    # The folder's name stands in Label Studio's tasks: the same for both.
    whole, again = whole / "data", again / "data"
    export(out, to, whole, **asked)
    assert killed(out, to, again, 97) == -signal.SIGKILL
    before = tree(again, to)
    assert before != tree(whole, to)
    found = export(out, to, again, **asked)
    assert found.figures.records + found.figures.already == N - 1  # a mask goes with its picture
    assert tree(again, to) == tree(whole, to)
    assert not [path for path in again.rglob("*") if "partial" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize("to", sorted(FORMATS))
def test_killed_again_and_again(out: Path, tmp_path: Path, to: str) -> None:
    asked: dict[str, Any] = {"label": "dx", "splits": out / "splits.csv", "shard_bytes": 9000}
    whole, again = tmp_path / "whole/data", tmp_path / "again/data"
    export(out, to, whole, **asked)
    for last in (1, 30, 60, 149):
        killed(out, to, again, last)
    export(out, to, again, **asked)
    assert tree(again, to) == tree(whole, to)

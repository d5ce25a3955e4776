"""Every recording says where it is from, and every replica from what it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import replicas
from tests.recorded.shapes import FOLDER

FOLDERS = sorted(path for path in FOLDER.iterdir() if path.is_dir() and path.name[0].isalpha())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_recording_has_an_origin(folder: Path) -> None:
    text = (folder / "ORIGIN.md").read_text("utf-8")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "ORIGIN.md"]
    names = re.findall(r"`([\w./*-]+)`", text)
    unnamed = [
        path.name
        for path in files
        if not any(path.match(name) for name in names) and path.suffix != ".pyc"
    ]
    if "All are shape-true" in text:  # each of them names its own origin
        unnamed = [name for name in unnamed if "_provenance" not in (folder / name).read_text()]
    assert unnamed == []


def test_recordings_are_small() -> None:
    sizes = {p: p.stat().st_size for f in FOLDERS for p in f.rglob("*") if p.is_file()}
    assert max(sizes.values()) < 50_000
    assert sum(sizes.values()) < 500_000


def test_each_replica_says_what_it_is_written_from() -> None:
    folder = Path(str(replicas.__file__)).parent
    text = (folder / "README.md").read_text("utf-8")
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert modules <= set(re.findall(r"`(\w+)`", text))

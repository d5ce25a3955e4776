"""``imgcrawl`` as a program, its help and its lists, wherever one stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import imgcrawl
from tests.conftest import ROOT, scrapy

if TYPE_CHECKING:
    from pathlib import Path

BLOCKED = """
import sys
for name in ("fcntl", "resource"):
    sys.modules[name] = None
import imgcrawl.download.handler, imgcrawl.storage.local, imgcrawl.commands.crawl
"""


def run(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imgcrawl", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


AT_EXIT = """
import atexit, gc
atexit.register(lambda: print("searched:", len(gc.get_objects())))
from scrapy.cmdline import execute
execute(["scrapy", "version"])
"""


def test_python_searches_next_to_nothing_for_cycles_at_the_end() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AT_EXIT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(ended.stdout.rpartition("searched:")[2]) < 1000


@pytest.mark.slow
def test_it_works_in_an_empty_folder_and_in_another_project(tmp_path: Path) -> None:
    version = run(tmp_path, "--version")
    assert version.stdout == f"imgcrawl {imgcrawl.__version__}\n"
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = other.settings\n")
    listed = run(tmp_path, "list", SCRAPY_SETTINGS_MODULE="other.settings")
    assert listed.returncode == 0, listed.stderr
    names = listed.stdout.split()
    assert {"isic", "urls"} <= set(names)
    assert not {"recrop", "restore"} & set(names)
    (tmp_path / "list.csv").write_text("url\nhttp://127.0.0.1:9/a.jpg\n")
    ended = run(tmp_path, "crawl", "urls", "-a", "list=list.csv", "-s", "RETRY_TIMES=0")
    assert ended.returncode == 3, ended.stderr
    assert (tmp_path / "data/urls-list/failures.csv").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_help_of_a_source_begins_with_its_own_arguments(columns: str) -> None:
    told = scrapy("crawl", "isic", "--help", env={**os.environ, "COLUMNS": columns})
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == "isic"
    words = [line.strip() for line in lines]
    assert words.index("filter") < words.index("out") < words.index("Usage")
    others = [line for line in lines[: words.index("Usage")] if len(line) > int(columns)]
    assert all(" " not in line.strip() for line in others if line.startswith(" " * 8))
    assert "Usage" in scrapy("crawl", "--help").stdout.splitlines()[0]


def test_every_dataset_is_a_line(tmp_path: Path) -> None:
    listed = scrapy("spiders")
    lines = listed.stdout.splitlines()
    assert [line for line in lines if line.startswith("isic ")]
    assert not [line for line in lines if line.startswith(("recrop", "restore"))]
    assert len(lines) < 30


def test_shells_complete_commands_datasets_and_arguments(tmp_path: Path) -> None:
    made = scrapy("completion", "bash")
    assert made.returncode == 0, made.stderr
    (tmp_path / "c.sh").write_text(made.stdout)
    for words, found in [
        (("imgcrawl", "spl"), "split"),
        (("imgcrawl", "crawl", "isi"), "isic"),
        (("imgcrawl", "crawl", "isic", "-a", "num"), "num_images="),
    ]:
        typed = " ".join(f"'{word}'" for word in words)
        script = f"source c.sh; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _imgcrawl"
        told = subprocess.run(
            ["bash", "-c", f"{script}; echo ${{COMPREPLY[@]}}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found in told.stdout.split(), told.stderr
    assert "isic" in scrapy("completion", "fish").stdout
    assert "bashcompinit" in scrapy("completion", "zsh").stdout
    assert "did you mean 'zsh'?" in scrapy("completion", "zs").stderr


def test_nothing_at_the_top_needs_what_only_unix_has() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_the_wheel_names_the_program() -> None:
    assert 'imgcrawl = "imgcrawl.program:main"' in (ROOT / "pyproject.toml").read_text()
    assert shutil.which("bash")


def test_the_nearest_command_is_named() -> None:
    ended = scrapy("exprt", "data/isic")
    assert (ended.returncode, "exprt: did you mean 'export'?" in ended.stdout) == (2, True)
    assert "did you mean" not in scrapy("zzzz").stdout

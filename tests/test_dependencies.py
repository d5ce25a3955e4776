"""Dependencies as declared and locked: the core runs alone, an extra is asked for by its name."""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from imgcrawl.records.errors import ArgumentError
from imgcrawl.records.extras import EXTRAS, require_extra
from tests.conftest import ROOT, scrapy

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from replicas.process import ReplicaProcess

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {"requirements.txt", *(f"requirements/{path.name}" for path in ROOT.glob("requirements/*"))}
OF_EXTRAS = (
    *("tensorstore", "ml_dtypes", "boto3", "botocore", "s3transfer", "google", "distributed"),
    *("dask", "pyarrow", "scrapy_playwright", "playwright", "scrapyd", "scrapyd_client"),
)
BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OF_EXTRAS!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def core(tmp_path: Path, replica: ReplicaProcess) -> Core:
    """A scrapy whose environment has the core and no extra."""
    (tmp_path / "blocker").mkdir()
    (tmp_path / "blocker/sitecustomize.py").write_text(BLOCKER)
    return Core(tmp_path, replica.settings())


class Core:
    """Starts commands in an environment without extras."""

    def __init__(self, folder: Path, settings: list[str]) -> None:
        self.folder = folder
        self._settings = settings
        path = f"{folder / 'blocker'}{os.pathsep}{ROOT}"
        self._env = {**os.environ, "PYTHONPATH": path, "HTTPCACHE_DIR": str(folder / "cache")}

    def __call__(self, command: str, *words: str) -> CompletedProcess[str]:
        settings = [] if command == "demo" else self._settings
        return scrapy(command, *words, *settings, env=self._env)

    def refusal(self, command: str, *words: str) -> str:
        """What a command says before it ends with exit status 2."""
        done = self(command, *words)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.mark.slow
def test_the_core_crawls_alone(core: Core) -> None:
    out = core.folder / "isic"
    done = core("crawl", "isic", "-a", "num_images=10", "-a", f"out={out}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((out / "images").iterdir())) == 10


@pytest.mark.slow
def test_a_list_in_csv_needs_no_extra(core: Core, replica: ReplicaProcess) -> None:
    listed = core.folder / "a.csv"
    listed.write_text(f"url\n{replica.url.rstrip('/')}/isic-s3/images/ISIC_0000001.jpg\n")
    out = core.folder / "urls"
    done = core("crawl", "urls", "-a", f"list={listed}", "-a", f"out={out}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "metadata.csv").read_text().count("\n") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("volumes", "crawl zarr -a url=https://h.invalid/a.zarr -a size=64"),
        ("volumes", "demo microscopy"),
        ("s3", "crawl isic -a num_images=1 -a out=s3://bucket/a"),
        ("gcs", "crawl isic -a num_images=1 -a out=gs://bucket/a"),
        ("browser", "crawl dynamic_page -a url=https://h.invalid/ -a match=*.png"),
        ("shards", "shards isic -n 2"),
        ("scrapyd", "scrapyd"),
    ],
)
def test_what_needs_an_extra_says_which(extra: str, words: str, core: Core) -> None:
    said = core.refusal(*words.split())
    assert f"pip install 'imgcrawl[{extra}]'" in said
    assert f"requirements/{extra}.txt" in said


@pytest.mark.slow
def test_a_list_that_needs_an_extra_says_which(core: Core) -> None:
    for name, head in (("a.parquet", b"PAR1"), ("a.csv.zst", b"\x28\xb5\x2f\xfd")):
        (core.folder / name).write_bytes(head + bytes(100))
        arguments = ("-a", f"list={core.folder / name}", "-a", f"out={core.folder / 'out'}")
        done = core("crawl", "urls", *arguments)
        assert done.returncode in {1, 2}
        assert "pip install 'imgcrawl[parquet]'" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_each_extra_is_declared_and_locked() -> None:
    declared = set(PROJECT["optional-dependencies"]) - {"all"}
    assert declared == set(EXTRAS)
    assert {f"requirements/{extra}.txt" for extra in EXTRAS} < LOCKS
    assert PROJECT["optional-dependencies"]["all"] == [f"imgcrawl[{','.join(EXTRAS)}]"]
    for extra in EXTRAS:
        require_extra(extra)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "volumes", ("Cubes need", "no_package.such_module"))
    with pytest.raises(ArgumentError, match=r"^Cubes need no_package\.such_module, which .+\)$"):
        require_extra("volumes")


def test_requirements_txt_names_what_was_asked_for() -> None:
    pinned = _pins((ROOT / "requirements.txt").read_text())
    assert {"scrapy", "scrapy-playwright", "pillow", "itemadapter"} <= set(pinned)


def test_locks_agree_and_each_pin_has_a_hash() -> None:
    versions: dict[str, set[str]] = defaultdict(set)
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert not re.search(r"https?:|file:|index-url|find-links", text)
        for block in re.split(r"\n(?=\S)", text):
            if not block.startswith(("#", "-r ")):
                assert re.match(r"[a-z0-9.-]+==\S+( ; [^\n]+)? \\\n +--hash=sha256:", block), block
        for package, version in _pins(text).items():
            versions[package].add(version)
    assert {name for name, found in versions.items() if len(found) > 1} == set()


def _pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))

"""Spiders are found by their names, and only the one that is asked for is imported."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import SpiderLoader as ScrapyLoader

from imgcrawl.crawl.spider_loader import SpiderLoader, spider_class
from imgcrawl.records.errors import ArgumentError
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SPIDERS = Settings({"SPIDER_MODULES": ["spiders", "bench.spiders"]})


@pytest.mark.parametrize("name", ScrapyLoader.from_settings(SPIDERS).list())
def test_every_spider_is_the_one_that_scrapy_finds(name: str) -> None:
    assert SpiderLoader.from_settings(SPIDERS).load(name) is ScrapyLoader(SPIDERS).load(name)


def test_others_are_not_imported() -> None:
    script = (
        "import sys; from scrapy.settings import Settings;"
        "from imgcrawl.crawl.spider_loader import *;"
        "SpiderLoader(Settings({'SPIDER_MODULES': ['spiders']})).load('isic');"
        "print(*(m for m in sys.modules if m.startswith('spiders.')))"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert "spiders.isic" in said
    assert "spiders.zarr" not in said
    assert "spiders.imagenet" not in said


def test_no_crawl_pays_for_what_other_commands_are_made_of() -> None:
    """Scrapy imports every command to start one: what they need is imported once they run."""
    script = (
        "import sys; from scrapy.cmdline import _get_commands_from_module as found;"
        "print(len(found('imgcrawl.commands', True)), *sys.modules)"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True, cwd=ROOT).split()
    assert int(said[0]) > 20
    dear = {"numpy", "pyarrow", "tensorstore", "distributed", "boto3", "imgcrawl.sources.isic.api"}
    assert dear.isdisjoint(said)


def test_a_module_may_be_named_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from scrapy import Spider\nclass A(Spider):\n    name = 'my-own'\n"
        "class B(Spider):\n    name = 'other'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    loader = SpiderLoader.from_settings(Settings({"SPIDER_MODULES": ["mine"]}))
    assert loader.load("my-own").__name__ == "A"
    assert loader.load("other").__name__ == "B"
    assert sorted(loader.list()) == ["my-own", "other"]


@pytest.mark.parametrize("name", ["imagent", "base", "../isic", "__init__", "isic.x", ""])
def test_what_is_no_spider_is_said_in_words(name: str) -> None:
    settings = SPIDERS.copy()
    settings.set("SPIDER_LOADER_CLASS", SpiderLoader)
    with pytest.raises(ArgumentError, match="there is no spider"):
        spider_class(settings, name)


def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/__init__.py").touch()
    (tmp_path / "broken/bad.py").write_text("import there_is_no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        SpiderLoader(Settings({"SPIDER_MODULES": ["broken"]})).load("bad")

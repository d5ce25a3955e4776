"""Old names of settings and classes still work, and say what the new name is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from scrapy.utils.misc import load_object

from imgcrawl.crawl.renamed_settings import RENAMED_CLASSES, RENAMED_SETTINGS, rename_settings
from imgcrawl.crawl.spider_loader import spider_class
from tests.conftest import ROOT, scrapy

if TYPE_CHECKING:
    from pathlib import Path


def project(**own: Any) -> Settings:
    settings = Settings()
    settings.setmodule("imgcrawl.settings", priority="project")
    settings.setdict(own, priority="project")
    return settings


@pytest.mark.parametrize("new", RENAMED_CLASSES.values())
def test_the_new_classes_are_there(new: str) -> None:
    load_object(new)


@pytest.mark.parametrize(("old", "new"), RENAMED_SETTINGS.items())
def test_the_new_settings_are_there(old: str, new: str) -> None:
    settings = project()
    assert isinstance(settings[new], int)
    assert old not in settings


def test_an_old_name_gives_its_value_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    settings = project(FEED_IN_FLIGHT=7)
    settings.set("FEED_AHEAD", "9", priority="cmdline")
    rename_settings(settings)
    assert settings.getint("ITEMS_IN_FLIGHT") == 7
    assert settings.getint("ITEMS_AHEAD") == 9
    assert settings.getint("ITEMS_IN_FLIGHT_PER_HOST") == 64
    assert "FEED_IN_FLIGHT is now ITEMS_IN_FLIGHT" in caplog.text
    assert "FEED_AHEAD is now ITEMS_AHEAD" in caplog.text
    caplog.clear()
    rename_settings(settings)
    assert caplog.text == ""


def test_the_new_name_on_the_command_line_beats_the_old_one_of_the_project() -> None:
    settings = project(FEED_IN_FLIGHT=7)
    settings.set("ITEMS_IN_FLIGHT", "3", priority="cmdline")
    rename_settings(settings)
    assert settings.getint("ITEMS_IN_FLIGHT") == 3


def test_classes_in_somebodys_own_lists_are_found(caplog: pytest.LogCaptureFixture) -> None:
    pipelines = {"pipelines.volumes.VolumesPipeline": 370, "mine.Pipeline": 950}
    middlewares = {"imgcrawl.feed.Feed": 900}
    settings = project(
        ITEM_PIPELINES=json.dumps(pipelines),
        SPIDER_MIDDLEWARES=middlewares,
        EXTENSIONS={"imgcrawl.extensions.progress.Progress": None},
        LOG_FORMATTER="imgcrawl.logformatter.LogFormatter",
    )
    rename_settings(settings)
    assert settings.getdict("ITEM_PIPELINES") == {
        "pipelines.crops.CropsPipeline": 370,
        "mine.Pipeline": 950,
    }
    assert dict(settings["SPIDER_MIDDLEWARES"]) == {"imgcrawl.crawl.backpressure.Backpressure": 900}
    assert dict(settings["EXTENSIONS"]) == {"imgcrawl.progress.extension.ProgressExtension": None}
    assert settings["LOG_FORMATTER"] == "imgcrawl.crawl.log_formatter.LogFormatter"
    assert caplog.text.count("works in this release only") == 4


def test_the_spider_loader_of_before_is_found() -> None:
    settings = project(SPIDER_LOADER_CLASS="imgcrawl.loading.SpiderLoader")
    assert spider_class(settings, "isic").name == "isic"


def test_a_spiders_own_old_settings_are_found() -> None:
    # In a process of its own: a CrawlProcess installs a reactor, which other tests have none of.
    script = (
        "from scrapy.utils.project import get_project_settings as project;"
        "from imgcrawl.crawl.process import CrawlProcess;"
        "from imgcrawl.crawl.spider_loader import spider_class;"
        "settings = project(); base = spider_class(settings, 'urls');"
        "spider = type('Own', (base,), {'custom_settings': {'FEED_AHEAD': 5}});"
        "print(CrawlProcess(settings).create_crawler(spider).settings['ITEMS_AHEAD'])"
    )
    printed = subprocess.check_output([sys.executable, "-c", script], text=True, cwd=ROOT)
    assert printed.split()[-1] == "5"


@pytest.mark.slow
def test_a_project_of_before_crawls_with_its_old_settings(tmp_path: Path) -> None:
    (tmp_path / "old_project.py").write_text(
        "from imgcrawl.settings import *\n"
        'SPIDER_LOADER_CLASS = "imgcrawl.loading.SpiderLoader"\n'
        'SPIDER_MIDDLEWARES = {"imgcrawl.feed.Feed": 900}\n'
        "del ITEMS_IN_FLIGHT, ITEMS_IN_FLIGHT_PER_HOST, ITEMS_AHEAD\n"
        "FEED_IN_FLIGHT, FEED_IN_FLIGHT_PER_HOST = 8, 4\n"
    )
    (tmp_path / "list.txt").write_text("http://127.0.0.1:9/1.jpg\n")
    env = {
        **os.environ,
        "SCRAPY_SETTINGS_MODULE": "old_project",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }
    arguments = ["-a", f"list={tmp_path}/list.txt", "-a", f"out={tmp_path}/out"]
    ended = scrapy("crawl", "urls", *arguments, "-s", "FEED_AHEAD=50", env=env)
    assert ended.returncode == 3, ended.stderr
    for new in ("SpiderLoader", "backpressure.Backpressure", *RENAMED_SETTINGS.values()):
        assert f"{new}: the old name works in this release only" in ended.stderr

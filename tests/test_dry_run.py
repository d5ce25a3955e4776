"""``dry_run=1`` touches nothing, however it is typed; settings that are arguments are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import SpiderLoader

from imgcrawl import settings as project
from imgcrawl.arguments import arguments_of_settings
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy import Spider

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler


def settings(**typed: Any) -> Settings:
    found = Settings()
    found.setmodule(project, priority="project")
    found.setdict(typed, priority="cmdline")
    return found


SPIDERS = [
    spider
    for name in SpiderLoader(settings()).list()
    for spider in [SpiderLoader(settings()).load(name)]
    if hasattr(spider, "arguments")
]


@pytest.mark.parametrize("spider", SPIDERS, ids=lambda spider: spider.name)
def test_every_spider_takes_a_dry_run_either_way(spider: type[Spider]) -> None:
    merged = arguments_of_settings(spider, {}, settings(DRY_RUN="1"))
    assert merged == {"dry_run": "1"}
    assert arguments_of_settings(spider, {"dry_run": "1"}, settings(DRY_RUN="1")) == merged


@pytest.mark.parametrize(
    ("typed", "given", "said"),
    [
        ({"DRY_RUN": "1"}, {"dry_run": "no"}, "-s DRY_RUN=1 and -a dry_run=no"),
        ({"OUT": "a"}, {"out": "b"}, "-s OUT=a and -a out=b"),
        ({"RETRY": "all"}, {"retry": "dns"}, "-s RETRY=all and -a retry=dns"),
        ({"SHARD": "1/4"}, {"shard": "2/4"}, "-s SHARD=1/4 and -a shard=2/4"),
        ({"WAYBACK": "1"}, {"wayback": "0"}, "-s WAYBACK=1 and -a wayback=0"),
        ({"IMAGES_THUMBS": "{}"}, {"sizes": "256"}, "-s IMAGES_THUMBS and -a sizes"),
        ({"OUT_STORE": "s3://b/p"}, {}, "type that"),
    ],
)
def test_two_answers_to_one_question_are_refused(
    typed: dict[str, str], given: dict[str, str], said: str
) -> None:
    spider = SpiderLoader(settings()).load("urls")
    with pytest.raises(ArgumentError, match=said):
        arguments_of_settings(spider, given, settings(**typed))


def test_a_setting_of_another_spider_is_refused() -> None:
    spider = SpiderLoader(settings()).load("isic")
    with pytest.raises(ArgumentError, match="isic has no argument phash"):
        arguments_of_settings(spider, {}, settings(PHASH="1"))


def test_a_project_of_ones_own_may_set_them() -> None:
    own = settings()
    own.set("OUT", "elsewhere", priority="project")
    assert arguments_of_settings(SpiderLoader(own).load("urls"), {"out": "b"}, own) == {"out": "b"}


def tree(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("spider", "arguments"),
    [
        ("urls", {"list": "LIST"}),
        ("isic", {"num_images": 5}),
        ("imagenet", {"classes": "tench", "n": 3}),
    ],
)
def test_what_lies_in_out_stays(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path, spider: str, arguments: dict[str, Any]
) -> None:
    mine = tmp_path / "out"
    (mine / "images").mkdir(parents=True)
    (mine / "notes.txt").write_text("my own notes")
    (mine / "images" / "1.jpg").write_text("mine too")
    urls = tmp_path / "list.txt"
    urls.write_text("".join(f"http://host{n}.example/{n}.jpg\n" for n in range(3)))
    given: dict[str, Any] = {
        name: urls if value == "LIST" else value for name, value in arguments.items()
    }
    before = tree(mine)
    ended = crawl(spider, settings={"DRY_RUN": "1"}, **given)
    assert ended.status == 0, ended.log
    assert "Nothing has been stored" in ended.log
    assert "all stored" not in ended.log
    assert tree(mine) == before
    assert not (mine / ".lock").exists()
    shown = [line for line in ended.log.splitlines() if "  http" in line]
    assert len(shown) == {"urls": 3, "isic": 5, "imagenet": 3}[spider], ended.log


def test_settings_are_checked_as_arguments_are(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("isic", settings={"SHARD": "9/2"})
    assert ended.status == 2
    assert "type K/N" in ended.log
    assert replica.log()["requests"] == 0
    assert not ended.out.root.exists()

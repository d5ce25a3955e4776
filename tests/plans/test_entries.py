"""The same entry is the same command line, whether a plan lists it or schedules.toml."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader

from imgcrawl.arguments import ReadsStdin
from imgcrawl.plans.file import read_plan
from imgcrawl.records.errors import ArgumentError
from imgcrawl.scheduling.schedules import read_schedules

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.plans.entries import ListedCrawl

SPIDERS = get_spider_loader(Settings({"SPIDER_MODULES": ["spiders"]}))
TWO = {"classes": ["tench", "goldfish"]}
FISH = {"entry": 11759}


def toml(value: Any) -> str:
    """A value as TOML has it, a table on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def in_plan(folder: Path, spider: str, entry: dict[str, Any]) -> ListedCrawl:
    path = folder / "plan.toml"
    lines = [f"{key} = {toml(value)}" for key, value in entry.items()]
    path.write_text("\n".join(["[[crawl]]", f'spider = "{spider}"', *lines]), "utf-8")
    [crawl] = read_plan(path, SPIDERS).crawls
    return crawl


def in_schedule(folder: Path, spider: str, entry: dict[str, Any]) -> ListedCrawl:
    path = folder / "schedules.toml"
    lines = [f"{key} = {toml(value)}" for key, value in entry.items()]
    first = ["[[schedule]]", 'name = "it"', 'when = "@daily"', f'spider = "{spider}"']
    path.write_text("\n".join([*first, *lines]), "utf-8")
    [schedule] = read_schedules(path, SPIDERS, folder)
    return schedule


BOTH = pytest.mark.parametrize("read", [in_plan, in_schedule])


@BOTH
@pytest.mark.parametrize(
    ("spider", "given", "typed"),
    [
        ("omero", {"match": ["a,b*.tif", "*.czi"], "image": 1}, '"a,b*.tif",*.czi'),
        ("omero", {"image": [9846137, 9846138]}, "9846137,9846138"),
        ("empiar", {"match": ["a,b*.dm3", "*.tif"], **FISH}, '"a,b*.dm3",*.tif'),
        ("imagenet", TWO, "tench,goldfish"),
        ("imagenet", {"classes": ["great white shark"]}, "great white shark"),
        ("isic", {"license": ["CC-0", "CC-BY"]}, "CC-0,CC-BY"),
        ("isic", {"segmentation": True}, "yes"),
        ("isic", {"segmentation": False}, "no"),
        ("isic", {"num_images": 5}, "5"),
        ("isic", {"query": "age_approx:[20 TO 40]"}, "age_approx:[20 TO 40]"),
        ("isic", {"collections": ["HAM10000, 2018", 212]}, '"HAM10000, 2018",212'),
        ("isic", {"sizes": [256, 512]}, "256,512"),
        ("zarr", {"url": "s3://bucket/c.zarr", "level": ["s0", "s,1"]}, 's0,"s,1"'),
        ("zarr", {"url": "s3://bucket/c.zarr", "box": ["0:8", "0:8", "0:8"], "time": 0,
                  "level": "s0", "format": "npy"}, "0:8,0:8,0:8"),
    ],
)  # fmt: skip
def test_arguments_are_those_that_one_would_type(
    tmp_path: Path, read: Any, spider: str, given: dict[str, Any], typed: str
) -> None:
    crawl = read(tmp_path, spider, {"arguments": given})
    assert typed in crawl.arguments.values()


@BOTH
@pytest.mark.parametrize(
    ("spider", "given", "words"),
    [
        ("imagenet", {"classes": ["tench", "great white shark, man-eater"]}, "great white shark"),
        ("isic", {"ids_file": "-"}, "ids_file=-: a"),
        ("urls", {"list": "-"}, "list=-: a"),
        ("urls", {"list": ["-"]}, "list=-: a"),
        ("imagenet", {"wnids_file": "-"}, "wnids_file=-: a"),
        ("imagenet", {"wnids_file": "-", **TWO}, "wnids_file=-: a"),
        ("imaterialist", {"train": "-"}, "not standard input"),
        ("imaterialist", {"train": "https://a.example/t.json", "label_map": "-"}, "not standard"),
        ("omero", {"match": ['say "a"'], "image": 1}, "match: a quotation mark"),
        ("omero", {"match": [["a"]], "image": 1}, "match: write text"),
        ("empiar", {"entry": {"number": 11759}}, "entry: write text"),
        ("empiar", {"entry": [{"number": 11759}]}, "entry: write text"),
        ("isic", {"num_images": 0}, "num_images=0"),
        ("isic", {"num_images": True}, "num_images=yes"),
        ("isic", {"license": []}, "license=: there is no value"),
        ("isic", {"fliter": "benign"}, "did you mean 'filter'?"),
        ("isik", {}, "no spider 'isik': did you mean 'isic'?"),
    ],
)
def test_arguments_that_cannot_be_typed_are_refused(
    tmp_path: Path, read: Any, spider: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, spider, {"arguments": given})
    assert words in str(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (True, "1"),
        (False, "0"),
        (0.5, "0.5"),
        ({"a.example": {"delay": 0.5}}, '{"a.example": {"delay": 0.5}}'),
        (["a", "b"], "a,b"),
    ],
)
def test_settings_are_those_that_one_would_type(
    tmp_path: Path, read: Any, value: Any, typed: str
) -> None:
    crawl = read(tmp_path, "empiar", {"arguments": FISH, "settings": {"SOME_SETTING": value}})
    assert crawl.settings == {"SOME_SETTING": typed}


@BOTH
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"entry": 1}, "there is no key 'entry'"),
        ({"entry": 1}, "a spider's arguments stand below ["),
        ({"seting": {}}, "there is no key 'seting': did you mean 'settings'?"),
        ({"arguments": "entry=1"}, "arguments must be a table"),
        ({"settings": {"phash": 1}}, "settings are in capitals"),
        ({"settings": {"A B": 1}}, "settings are in capitals"),
    ],
)
def test_keys_that_are_not_there_are_refused(
    tmp_path: Path, read: Any, entry: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, "empiar", {"arguments": FISH, **entry})
    assert words in str(caught.value)


def test_the_same_entry_is_the_same_crawl(tmp_path: Path) -> None:
    entry = {
        "arguments": {"match": ["a,b*.tif", "*.czi"], "image": [1, 2], "dry_run": False},
        "settings": {"DOWNLOAD_DELAY": 0.5, "DOWNLOAD_SLOTS": {"a.example": {"delay": 1}}},
    }
    plan, schedule = (read(tmp_path, "omero", entry) for read in (in_plan, in_schedule))
    assert plan.arguments == schedule.arguments
    assert plan.settings == schedule.settings


def test_each_argument_that_says_it_reads_standard_input_is_marked() -> None:
    for name in SPIDERS.list():
        model = getattr(SPIDERS.load(name), "arguments", None)
        for argument, field in model.model_fields.items() if model else ():
            says = "standard input" in (field.description or "")
            assert says == (ReadsStdin() in field.metadata), f"{name} {argument}"


def test_a_line_break_is_refused_only_where_it_would_be_another_line(tmp_path: Path) -> None:
    entry = {"arguments": {"query": "sex:female\nAND age_approx:50"}}
    assert in_plan(tmp_path, "isic", entry).arguments["query"].count("\n") == 1
    with pytest.raises(ArgumentError, match="query has a line break"):
        in_schedule(tmp_path, "isic", entry)

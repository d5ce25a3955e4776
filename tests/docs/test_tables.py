"""What docs/ says of arguments, settings, reasons and options is what the code has."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import get_spider_loader

from docs.generate.settings_table import sections
from docs.generate.tables import pages, with_tables
from imgcrawl import settings
from imgcrawl.dataset import duplicates, record_columns, tables
from imgcrawl.records.outcomes import Outcome
from tests.conftest import ROOT, scrapy

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = ROOT / "docs" / "sources"


@pytest.mark.parametrize("page", list(pages()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tables_are_those_of_today(page: Path) -> None:
    text = page.read_text("utf-8")
    assert with_tables(text) == text, "make docs-tables writes them anew"


def test_every_spider_has_a_page_and_a_line_in_every_list() -> None:
    settings = Settings({"SPIDER_MODULES": ["spiders"]})
    spiders = set(get_spider_loader(settings).list())
    assert spiders == {path.stem for path in SOURCES.glob("*.md")} - {"index"}
    for spider in spiders:
        assert f"<!-- table: arguments {spider} -->" in (SOURCES / f"{spider}.md").read_text()
        assert f"| [{spider}]({spider}.md) |" in (SOURCES / "index.md").read_text()
        assert f"| [{spider}](docs/sources/{spider}.md) |" in (ROOT / "README.md").read_text()


def test_every_setting_is_read_from_the_source() -> None:
    source = (ROOT / "imgcrawl" / "settings.py").read_text("utf-8")
    read = {setting.name: setting for part in sections(source) for setting in part.settings}
    assert set(read) == {name for name in dir(settings) if name.isupper() and name[0] != "_"}
    assert (read["DOWNLOAD_TIMEOUT"].default, read["DOWNLOAD_TIMEOUT"].unit) == ("30", "seconds")
    assert read["USER_AGENT"].comment.startswith("An honest name")


def test_every_extra_is_described() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    rows = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \|", page)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert named == set(project["optional-dependencies"])


def test_reasons_are_all_there_with_what_the_next_run_does() -> None:
    page = (ROOT / "docs" / "out.md").read_text("utf-8")
    told: dict[str, bool] = {}
    for names, again in re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \|.*\| (yes|no) \|$", page, re.MULTILINE
    ):
        told |= dict.fromkeys(re.findall(r"`(\w+)`", names), again == "yes")
    missing = set(Outcome) - {Outcome.STORED}
    assert told == {str(outcome): outcome.retryable for outcome in missing}


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("metadata.csv", record_columns.FIXED_COLUMNS),
        ("failures.csv", tables.FAILURE_COLUMNS),
        ("classes.csv", tables.CLASSES_COLUMNS),
        ("duplicates.csv", duplicates.COLUMNS),
    ],
)
def test_columns_are_described_in_their_order(heading: str, columns: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "out.md").read_text("utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    words = [word for word in re.findall(r"`(\w+)`", section) if word in columns]
    assert tuple(dict.fromkeys(words)) == columns


@pytest.mark.parametrize(
    ("command", "page"), [("crawlall", "plans.md"), ("shards", "unattended.md")]
)
def test_options_are_described(command: str, page: str) -> None:
    # Scrapy's own options have a line of their own in the help of `crawl`.
    options = _options(command) - _options("crawl") | (_options(command) & {"--list"})
    assert options
    text = (ROOT / "docs" / page).read_text("utf-8")
    assert not [option for option in options if option not in text]


def _options(command: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", scrapy(command, "--help").stdout))

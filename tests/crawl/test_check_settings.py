"""Settings that are typed are checked before any request, as arguments are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgcrawl.crawl.check_settings import check_settings, check_values
from imgcrawl.records.errors import ArgumentError
from tests.conftest import refusal, scrapy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("IMAGE_CHECK", "heder", "did you mean 'header'?"),
        ("LOG_LEVEL", "TYPO", "'INFO'"),
        ("CONCURRENT_REQUESTS_PER_DOMAIN", "four", "type a whole number"),
        ("CONCURRENT_REQUESTS_PER_DOMAIN", "0", "type 1 or more"),
        ("DOWNLOAD_DELAY", "-1", "type 0 or more"),
        ("DOWNLOAD_TIMEOUT", "nan", "type a number"),
        ("DOWNLOAD_TIMEOUT", "soon", "type a number"),
        ("ROBOTSTXT_OBEY", "maybe", "type 1 or 0"),
        ("DOWNLOAD_SLOTS", "{x", "type a table as JSON"),
        ("RETRY_HTTP_CODES", "500,all", "type numbers"),
        ("ALLOWED_PRIVATE_NETWORKS", "127.0.0.1/99", "type networks"),
        ("ISIC_API_URL", "api.isic-archive.com", "type an address"),
        ("LOG_FORMATTER", "imgcrawl.nothing.LogFormatter", "there is no such class"),
        ("WAYBACK_YEAR", "last", "type a whole number"),
        ("AUTOTHROTTLE_TARGET_CONCURRENCY", "two", "type a number"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(name: str, value: str, says: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_values({name: value})
    assert f"-s {name}={value}: " in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_CHECK", "off"),
        ("LOG_LEVEL", "30"),
        ("DOWNLOAD_TIMEOUT", "0.5"),
        ("DOWNLOAD_DELAY", "5"),
        ("RETRY_PRIORITY_ADJUST", "-2"),
        ("ROBOTSTXT_OBEY", "False"),
        ("DOWNLOAD_SLOTS", '{"example.org": {"concurrency": 1}}'),
        ("RETRY_HTTP_CODES", ""),
        ("ALLOWED_PRIVATE_NETWORKS", "127.0.0.1/32, ::1/128"),
        ("MY_OWN", "anything"),
        ("FEED_AHEAD", "5"),  # an old name
        ("DRY_RUN", "1"),
        ("ISIC_API_URL", "http://127.0.0.1:80/api/"),
        ("LOG_FORMATTER", "imgcrawl.crawl.log_formatter.LogFormatter"),
        ("OUT", "somewhere"),
    ],
)
def test_what_can_be_meant_passes_without_a_word(name: str, value: str) -> None:
    assert check_values({name: value}) == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("IMAGE_CHEK", "IMAGE_CHECK"),
        ("DOWNLOAD_DELY", "DOWNLOAD_DELAY"),
        ("image_check", "IMAGE_CHECK"),
        ("ROBOTS_OBEY", "ROBOTSTXT_OBEY"),
    ],
)
def test_a_name_near_a_known_one_is_told_with_both(name: str, near: str) -> None:
    (warning,) = check_values({name: "1"})
    assert name in warning
    assert f"did you mean {near}?" in warning


def test_only_what_was_typed_is_checked() -> None:
    from scrapy.settings import Settings

    settings = Settings({"IMAGE_CHECK": "heder"})
    assert check_settings(settings) == []
    settings.set("IMAGE_CHECK", "heder", "cmdline")
    with pytest.raises(ArgumentError):
        check_settings(settings)


def test_a_crawl_ends_with_2_before_any_request(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("url\nhttp://127.0.0.1:9/a.jpg\n")
    (tmp_path / "plan.toml").write_text(
        f'[settings]\nIMAGE_CHECK = "heder"\n[[crawl]]\nspider = "urls"\n'
        f'arguments.list = "{tmp_path}/list.csv"\n'
    )
    crawl = ("crawl", "urls", "-a", f"list={tmp_path}/list.csv", "-a", f"out={tmp_path}/out")
    wrong = scrapy(*crawl, "-s", "IMAGE_CHECK=heder", "-s", "LOG_LEVEL=TYPO")
    assert wrong.returncode == 2
    assert "did you mean 'header'?" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "out").exists()
    plan = scrapy("crawlall", tmp_path / "plan.toml")
    assert (plan.returncode, "did you mean 'header'?" in plan.stderr) == (2, True)
    near = scrapy(*crawl, "-s", "IMAGE_CHEK=off", "-a", "dry_run=1", "-s", "LOG_ENABLED=0")
    assert "did you mean IMAGE_CHECK?" in near.stderr


@pytest.mark.parametrize("words", [["filter=benign"], ["--filter", "benign"], ["--filter=benign"]])
def test_a_forgotten_a_is_hinted_at(words: list[str]) -> None:
    ended = scrapy("crawl", "isic", *words)
    assert ended.returncode == 2
    assert "-a filter=benign" in ended.stderr + ended.stdout


def test_an_argument_that_is_needed_is_asked_for_in_our_own_words() -> None:
    from spiders.urls import UrlsSpider

    said = refusal(UrlsSpider)
    assert "list=: it is needed" in said
    assert "Field required" not in said

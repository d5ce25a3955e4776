"""Spidermon's monitors read what a run came to in Scrapy's stats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Crawler

SETTINGS = {
    "EXTENSIONS": '{"spidermon.contrib.scrapy.extensions.Spidermon": 500}',
    "SPIDERMON_ENABLED": "1",
    "SPIDERMON_SPIDER_CLOSE_MONITORS": "tests.alerts.monitors.CloseSuite",
}


@pytest.mark.slow
def test_a_monitor_of_the_share_that_is_missing(crawl: Crawler) -> None:
    good = crawl("isic", ids="ISIC_0000001,ISIC_0000002", settings=SETTINGS)
    assert good.status == 0, good.log
    assert "FAILED (" not in good.log
    assert "1 monitor in" in good.log
    bad = crawl("isic", ids="ISIC_0000001,ISIC_9999999", out="bad", settings=SETTINGS)
    assert bad.status == 3, bad.log
    assert "1 missing" in bad.log
    assert "FAILED (failures=1)" in bad.log

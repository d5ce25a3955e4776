"""Night after night into one OUT: what is new is fetched, and nothing else is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicas.process import ReplicaProcess
from tests.conftest import Crawler
from tests.soak import times
from tests.sources.test_crawl_isic import api_requests, image_requests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Images published between the nights.
NEW = [0, 1, 163, 100, 7, 0, 40, 99, 60, 3][: times(few=4, many=10)]
FIRST = 430


@pytest.fixture
def archive() -> Iterator[ReplicaProcess]:
    with ReplicaProcess(records=FIRST, tiny=True) as process:
        yield process


def everything(replica: ReplicaProcess) -> int:
    return sum(replica.log()["paths"].values())


@pytest.mark.slow
@pytest.mark.soak
def test_nights_of_an_archive_that_grows(tmp_path: Path, archive: ReplicaProcess) -> None:
    crawl = Crawler(tmp_path, archive)
    settings = {"HTTPCACHE_ENABLED": "0"}
    assert crawl("isic", settings=settings).status == 0
    assert image_requests(archive) == FIRST
    records = FIRST
    for night, new in enumerate(NEW, 1):
        records += new
        archive.grow(records)
        archive.reset()
        ended = crawl("isic", settings=settings)
        assert ended.status == 0, ended.log
        assert image_requests(archive) == new
        # The last page of the night before, and those that have come since: the size of the
        # archive, which grows by half and more in these nights, is not in it.
        pages = 1 + (new + 99) // 100
        sums = 3  # how many images it has, of how many bytes, with which labels
        assert api_requests(archive) <= pages + sums
        # Beside them robots.txt of two hosts, and the texts of three licences at most.
        assert everything(archive) - new - api_requests(archive) <= 5, archive.log()["paths"]
        assert len(ended.out.rows()) == records
        summary = ended.out.summary()
        assert summary["records"] == {"stored": records, "missing": 0, "expected": records}
        assert summary["this_run"]["outcomes"].get("stored", 0) == new
        assert f"This run: {new:,} new" in ended.log, f"night {night}"
        assert "exit status 0: all stored" in ended.log
    ended.out.verify()
    assert len({row["isic_id"] for row in ended.out.rows()}) == FIRST + sum(NEW)

"""How bytes arrive: limits, pauses, dead hosts, robots, cache, archives, the address guard."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended


def crawl_urls(crawl: Crawler, urls: list[str], **settings: Any) -> Ended:
    path = crawl.tmp_path / "list.json"
    records = [[f"{number:04d}", [url], f"images/{number}", {}] for number, url in enumerate(urls)]
    path.write_text(json.dumps(records))
    return crawl("listed", list=path, settings={"SPIDER_MODULES": "tests.spiders", **settings})


def pictures(replica: ReplicaProcess, n: int) -> list[str]:
    return [f"{replica.url}/files/jpeg/{number}.jpg" for number in range(n)]


def reasons(ended: Ended) -> set[str]:
    return set(ended.out.failures().values())


# Limits


@pytest.mark.parametrize("throttle", ["0", "1"])
def test_never_more_than_the_limit_at_once(
    crawl: Crawler, replica: ReplicaProcess, throttle: str
) -> None:
    replica.faults([{"kind": "latency", "ms": 40}])
    ended = crawl_urls(
        crawl,
        pictures(replica, 60),
        CONCURRENT_REQUESTS_PER_DOMAIN="4",
        AUTOTHROTTLE_ENABLED=throttle,
        AUTOTHROTTLE_START_DELAY="0",
        AUTOTHROTTLE_TARGET_CONCURRENCY="30",
    )
    assert ended.status == 0, ended.log
    assert 2 <= replica.log()["most_active"] <= 4


STOCK = """
import sys
from scrapy import Spider
from scrapy.crawler import AsyncCrawlerProcess

class Stock(Spider):
    name = "stock"
    async def start(self):
        yield {"file_urls": [f"{sys.argv[1]}/files/jpeg/{n}.jpg" for n in range(24)]}

process = AsyncCrawlerProcess({
    "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1}, "FILES_STORE": sys.argv[2],
    "CONCURRENT_REQUESTS_PER_DOMAIN": 4, "LOG_LEVEL": "CRITICAL",
    "ROBOTSTXT_OBEY": len(sys.argv) > 3,
})
process.crawl(Stock)
process.start()
"""


@pytest.mark.slow
def test_scrapy_itself_still_overlooks_robots_txt(tmp_path: Path, replica: ReplicaProcess) -> None:
    """When this fails, upstream has mended it: RobotsTxtMiddleware.robot_parser can go."""
    text = "User-agent: *\nDisallow: /\n"
    replica.faults(
        [
            {"match": "^/robots.txt$", "kind": "text", "body": text},
            {"match": "^/robots.txt$", "kind": "latency", "ms": 500},
        ]
    )
    command = [sys.executable, "-c", STOCK, replica.url, str(tmp_path / "out"), "obey"]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    assert [path for path in replica.log()["paths"] if path.startswith("/files/")]


@pytest.mark.slow
def test_scrapy_itself_still_goes_beyond_the_limit(tmp_path: Path, replica: ReplicaProcess) -> None:
    """When this fails, upstream has mended it: Downloader._give_turns can go."""
    replica.faults([{"kind": "latency", "ms": 100}])
    command = [sys.executable, "-c", STOCK, replica.url, str(tmp_path / "out")]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    assert replica.log()["most_active"] > 4


def test_scrapy_itself_still_encodes_anew(tmp_path: Path) -> None:
    """When this fails, upstream has mended it: the docstring of pipelines/images.py is history."""
    from io import BytesIO

    from PIL import Image, ImageOps

    buffer = BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    assert ImageOps.exif_transpose(Image.open(buffer)).format is None


# Pauses and dead hosts


def test_retry_after_is_waited_for_by_the_whole_host(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults(
        [
            {"match": "/9.jpg", "kind": "status", "status": 429, "retry_after": 2, "times": 1},
            {"kind": "latency", "ms": 30},
        ]
    )
    ended = crawl_urls(crawl, pictures(replica, 40), CONCURRENT_REQUESTS_PER_DOMAIN="2")
    assert ended.status == 0, ended.log
    times = [(t, path) for t, path in replica.log()["times"] if path.startswith("/files/")]
    asked = next(t for t, path in times if path.endswith("/9.jpg"))
    # One request may have been under way already.
    assert sum(1 for t, _ in times if asked + 0.1 < t < asked + 1.9) == 0
    assert sum(1 for t, _ in times if t > asked + 1.9) >= 25


@contextmanager
def dead_port() -> Iterator[tuple[int, list[int]]]:
    """A port that breaks every connection off at once, and the list of them."""
    server = socket.create_server(("127.0.0.1", 0))
    accepted: list[int] = []

    def hang_up() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            accepted.append(1)
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], accepted
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_dead_host_costs_a_handful_of_connections(crawl: Crawler) -> None:
    with dead_port() as (port, accepted):
        urls = [f"http://127.0.0.1:{port}/{number}.jpg" for number in range(500)]
        ended = crawl_urls(crawl, urls, HOST_COOLDOWN="0.05", CONCURRENT_REQUESTS_PER_DOMAIN="4")
    assert ended.status == 3, ended.log
    failures = ended.out.failures()
    assert len(failures) == 500
    assert reasons(ended) <= {"host_down", "connection_lost"}
    assert len(accepted) <= 20
    message = next(
        r["message"] for r in ended.out.rows("failures.csv") if r["reason"] == "host_down"
    )
    assert "times in a row" in message
    assert "given up until" in message


# What goes wrong on the way


@pytest.mark.parametrize(
    ("fault", "settings", "reason"),
    [
        ({"kind": "hang"}, {"DOWNLOAD_TIMEOUT": "0.5"}, "timeout"),
        ({"kind": "drip", "ms": 20}, {"DOWNLOAD_DEADLINE": "1"}, "timeout"),
        ({"kind": "latency", "ms": 0}, {"DOWNLOAD_MAXSIZE": "100"}, "too_large"),
        ({"kind": "short"}, {"IMAGE_CHECK": "header"}, "truncated"),
        ({"kind": "truncated"}, {}, "truncated"),
        ({"kind": "corrupt"}, {}, "corrupt"),
        ({"kind": "status", "status": 429}, {}, "rate_limited"),
        ({"kind": "status", "status": 503, "retry_after": 9999}, {}, "server_error"),
        ({"kind": "header", "name": "X-Robots-Tag", "value": "noindex, noai"}, {}, "opted_out"),
    ],
)
def test_each_fault_has_its_reason(
    crawl: Crawler,
    replica: ReplicaProcess,
    fault: dict[str, Any],
    settings: dict[str, str],
    reason: str,
) -> None:
    replica.faults([{"match": "/files/", **fault}])
    ended = crawl_urls(crawl, pictures(replica, 1), RETRY_TIMES="1", **settings)
    assert ended.status == 3, ended.log
    assert reasons(ended) == {reason}
    assert "Traceback" not in ended.log


def test_no_name_no_secure_connection(crawl: Crawler, replica: ReplicaProcess) -> None:
    secure = replica.url.replace("http://", "https://") + "/files/jpeg/1.jpg"
    ended = crawl_urls(crawl, ["http://nowhere.invalid/1.jpg", secure], RETRY_TIMES="0")
    assert ended.out.failures() == {"0000": "dns", "0001": "tls"}
    assert "Traceback" not in ended.log


def test_what_may_pass_is_tried_again(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "/files/", "kind": "status", "status": 503, "times": 3}])
    ended = crawl_urls(crawl, pictures(replica, 5), RETRY_TIMES="3")
    assert ended.status == 0, ended.log
    replica.faults([{"match": "/files/", "kind": "status", "status": 503}])
    ended = crawl_urls(crawl, [f"{url}?again" for url in pictures(replica, 2)], RETRY_TIMES="2")
    assert ended.status == 3  # they are asked for in another way: what is there stays
    assert ended.out.summary()["outdated"] == 2
    assert len(ended.out.rows()) == 5
    records = [["x", [f"{pictures(replica, 1)[0]}?new"], "images/x", {}]]
    (crawl.tmp_path / "list.json").write_text(json.dumps(records))
    ended = crawl(
        "listed",
        list=crawl.tmp_path / "list.json",
        settings={"SPIDER_MODULES": "tests.spiders", "RETRY_TIMES": "2"},
    )
    (row,) = ended.out.rows("failures.csv")
    assert (row["reason"], row["http_status"], row["tries"]) == ("server_error", "503", "3")


def test_a_long_body_goes_to_disk_as_it_arrives(crawl: Crawler, replica: ReplicaProcess) -> None:
    urls = [f"{replica.url}/files/png/{number}.png?size=300x200" for number in range(3)]
    ended = crawl_urls(crawl, urls, SPOOL_THRESHOLD="1000")
    assert ended.status == 0, ended.log
    ended.out.verify()
    replica.faults([{"match": "/files/", "kind": "cut"}])
    cut = crawl_urls(
        crawl, urls + [f"{url}&x" for url in urls], RETRY_TIMES="0", SPOOL_THRESHOLD="9"
    )
    assert set(cut.out.failures().values()) == {"truncated"}
    assert not list(cut.out.root.rglob("*.body"))


# robots.txt and X-Robots-Tag


def test_robots_txt_is_obeyed_with_its_delay(crawl: Crawler, replica: ReplicaProcess) -> None:
    text = "User-agent: imgcrawl\nCrawl-delay: 0.4\nDisallow: /files/png/\n"
    rule = {"match": "^/robots.txt$", "kind": "text", "body": text}
    # Slow, so that every request waits for it at once.
    replica.faults([rule, {"match": "^/robots.txt$", "kind": "latency", "ms": 500}])
    urls = [*pictures(replica, 6), f"{replica.url}/files/png/1.png"]
    ended = crawl_urls(crawl, urls)
    assert ended.status == 3, ended.log
    assert ended.out.failures() == {"0006": "robots"}
    log = replica.log()
    assert "/files/png/1.png" not in log["paths"]
    times = sorted(t for t, path in log["times"] if path.startswith("/files/"))
    gaps = [b - a for a, b in pairwise(times)]  # jitter takes half of the delay at most
    assert min(gaps) > 0.15
    assert all("imgcrawl/" in agent for agent in log["agents"])

    again = crawl_urls(crawl, urls, ROBOTSTXT_OBEY="0")
    assert again.status == 3
    assert (
        crawl(
            "listed",
            list=crawl.tmp_path / "list.json",
            retry="all",
            settings={"SPIDER_MODULES": "tests.spiders", "ROBOTSTXT_OBEY": "0"},
        ).status
        == 0
    )


# The cache


def test_pages_are_cached_media_and_errors_are_not(crawl: Crawler, replica: ReplicaProcess) -> None:
    asked = {"url": "https://www.epfl.ch/labs/cvlab/data/data-em/", "match": "*.tif"}
    settings = {"RETRY_TIMES": "0"}
    replica.faults([{"match": "data-em/$", "kind": "status", "status": 500}])
    assert crawl("static_page", **asked, settings=settings).status == 1
    replica.faults([])
    first = crawl("static_page", **asked, settings=settings)
    assert first.status == 0, first.log
    names = {row["file_name"] for row in first.out.rows()}
    shutil.rmtree(first.out.root)
    replica.reset()
    second = crawl("static_page", **asked, settings=settings)
    assert second.status == 0, second.log
    assert "pages came from the cache of this OUT" in second.log
    paths = replica.log()["paths"]
    assert not [path for path in paths if path.endswith("data-em/")]
    assert sum(".tif" in path for path in paths) == len(names) > 0


def test_the_settings_name_what_exists() -> None:
    """Every dotted name in the settings can be imported: a typo would be silent for some."""
    from scrapy.utils.misc import load_object

    from imgcrawl import settings

    tables = (
        settings.ITEM_PIPELINES_BASE,
        settings.DOWNLOADER_MIDDLEWARES_BASE,
        settings.EXTENSIONS_BASE,
        settings.SPIDER_MIDDLEWARES_BASE,
    )
    names = [name for table in tables for name in table]
    names += [
        settings.DOWNLOADER,
        settings.HTTPCACHE_POLICY,
        settings.HTTPCACHE_STORAGE,
        settings.LOG_FORMATTER,
        *settings.DOWNLOAD_HANDLERS_BASE.values(),
    ]
    assert ROOT.is_dir()
    for name in names:
        load_object(name)

"""How bytes arrive: limits, pauses, dead hosts, robots, cache, archives, the address guard."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from ipaddress import ip_network
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import Response
from scrapy.utils.test import get_crawler

from imgcrawl.download.archives import _Archive
from imgcrawl.download.errors import FetchError
from imgcrawl.download.guard import AddressGuard
from imgcrawl.download.handler import HttpHandler
from imgcrawl.download.hosts import Gate, Hosts
from imgcrawl.download.optout import OptOutMiddleware
from imgcrawl.download.retry import retry_after
from imgcrawl.download.schemes import require_http
from imgcrawl.errors import ArgumentError
from imgcrawl.outcomes import Outcome
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgcrawl.replica.process import ReplicaProcess
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


def test_scrapy_itself_still_goes_beyond_the_limit(tmp_path: Path, replica: ReplicaProcess) -> None:
    """When this fails, upstream has mended it: Downloader._wait_for_download can go."""
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


def test_the_health_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    settings = get_crawler(
        settings_dict={
            "HOST_FAILURES": 3,
            "HOST_COOLDOWN": 10,
            "HOST_PROBES": 2,
            "HOST_DOWN_TIME": 600,
        }
    ).settings
    hosts = Hosts(settings)
    timeout = FetchError(Outcome.TIMEOUT, "silence")
    hosts.failed("a", FetchError(Outcome.TRUNCATED, "an answer all the same"))
    assert hosts.gate("a") is Gate.OPEN
    for _ in range(2):
        hosts.failed("a", timeout)
    hosts.answered("a")
    for _ in range(3):
        assert hosts.gate("a") is Gate.OPEN
        hosts.failed("a", timeout)
    assert (hosts.gate("a"), hosts.wait("a")) == (Gate.WAIT, 10)
    hosts.failed("a", timeout)  # one that had been under way
    now += 10
    assert hosts.gate("a") is Gate.PROBE
    hosts.failed("a", timeout)
    assert (hosts.gate("a"), hosts.wait("a")) == (Gate.WAIT, 20)
    now += 20
    hosts.failed("a", timeout)
    assert (hosts.gate("a"), hosts.wait("a")) == (Gate.SHUT, 600)
    assert hosts.down("a").outcome is Outcome.HOST_DOWN
    assert hosts.gate("b") is Gate.OPEN
    now += 600
    assert hosts.gate("a") is Gate.PROBE
    hosts.answered("a")
    assert hosts.gate("a") is Gate.OPEN
    hosts.pause("b", 5)
    hosts.answered("b")
    assert hosts.gate("b") is Gate.WAIT
    now += 5
    assert hosts.gate("b") is Gate.OPEN


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 120, 120),
        ("0", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 10**9, 10**11),
        ("9" * 400, 10**8, 10**9),
    ],
)
def test_retry_after(header: str, least: float, most: float) -> None:
    asked = retry_after(Response("http://a", headers={"Retry-After": header}))
    assert asked is not None
    assert least <= asked <= most


@pytest.mark.parametrize("header", ["", "soon", "-1", "1.5", "٣"])
def test_no_retry_after(header: str) -> None:
    headers = {"Retry-After": header.encode("utf-8")}
    assert retry_after(Response("http://a", headers=headers)) is None


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
    assert ended.status == 0  # by their ids they are stored already
    records = [["x", pictures(replica, 1), "images/x", {}]]
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
        crawl, [f"{url}&x" for url in urls] + urls, RETRY_TIMES="0", SPOOL_THRESHOLD="9"
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


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        ("noai", True),
        ("NoImageAI", True),
        ("noindex, noai", True),
        ("imgcrawl: noai", True),
        ("otherbot: noai", False),
        ("noindex", False),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST", False),
        ("noai, unavailable_after: 25 Jun 2010 15:00:00 PST", True),
    ],
)
def test_x_robots_tag(header: str, refused: bool) -> None:
    middleware = OptOutMiddleware("imgcrawl")
    response = Response("http://a", headers={"X-Robots-Tag": header})
    assert middleware.process_response(Request("http://a"), response) is response
    media = Request("http://a", meta={"media": True})
    if refused:
        with pytest.raises(FetchError) as error:
            middleware.process_response(media, response)
        assert error.value.outcome is Outcome.OPTED_OUT
    else:
        assert middleware.process_response(media, response) is response


# The cache


def test_pages_are_cached_media_and_errors_are_not(crawl: Crawler, replica: ReplicaProcess) -> None:
    cache = {"HTTPCACHE_DIR": str(crawl.tmp_path / "shared")}
    replica.faults([{"match": "/api/v2/images/$", "kind": "status", "status": 500}])
    failed = crawl("isic", num_images=30, settings={**cache, "RETRY_TIMES": "0"}, out="failed")
    assert failed.status == 1
    replica.faults([])
    first = crawl("isic", num_images=30, settings=cache, out="first")
    assert first.status == 0, first.log
    replica.reset()
    second = crawl("isic", num_images=30, settings=cache, out="second")
    assert second.status == 0, second.log
    paths = replica.log()["paths"]
    assert not [path for path in paths if path.startswith("/isic/api/")]
    assert sum(n for path, n in paths.items() if path.startswith("/isic-s3/images/")) == 30


# Archives


def zip_of(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def test_members_are_found_by_name(tmp_path: Path) -> None:
    members = {"a/1.png": b"one", "b/1.png": b"other", "b/2.png": b"two", "../../etc/3": b"three"}
    archive = _Archive(zip_of(tmp_path / "a.zip", members))
    assert archive.read("a/1.png", 99) == b"one"
    assert archive.read("2.png", 99) == b"two"
    assert archive.read("1.png", 99) is None  # which of them?
    assert archive.read("nothing", 99) is None
    assert archive.read("3", 99) == b"three"
    assert set(archive.names()) == set(members)
    assert not (tmp_path / "etc").exists()


def test_hostile_archives(tmp_path: Path) -> None:
    bomb = _Archive(zip_of(tmp_path / "bomb.zip", {"a": bytes(50_000_000)}))
    with pytest.raises(FetchError) as error:
        bomb.read("a", 1_000_000)
    assert error.value.outcome is Outcome.TOO_LARGE

    path = zip_of(tmp_path / "bad.zip", {"a": b"content" * 100})
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(FetchError) as error:
        _Archive(path).read("a", 10_000)
    assert error.value.outcome is Outcome.CORRUPT

    page = tmp_path / "page.zip"
    page.write_bytes(b"<html>please sign in</html>")
    with pytest.raises(FetchError) as error:
        _Archive(page)
    assert error.value.outcome is Outcome.CORRUPT
    assert not page.exists()


# The address guard


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::10.0.0.1",
        "2001:0:7f00:1::",
    ],
)
def test_private_addresses_are_blocked(address: str) -> None:
    assert not AddressGuard().allows(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "52.216.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressGuard().allows(address)


def test_allowed_networks() -> None:
    guard = AddressGuard.from_setting("127.0.0.1/32, 10.1.0.0/16")
    assert guard.allows("127.0.0.1")
    assert guard.allows("::ffff:127.0.0.1")
    assert guard.allows("10.1.2.3")
    assert not guard.allows("127.0.0.2")
    assert not guard.allows("10.2.0.1")
    assert AddressGuard.from_setting(["::1/128"]).allows("::1")
    with pytest.raises(ArgumentError, match="CIDR"):
        AddressGuard.from_setting("localhost")


def test_a_name_that_resolves_differently_the_second_time(
    monkeypatch: pytest.MonkeyPatch, replica: ReplicaProcess
) -> None:
    """What is checked is what is connected to, so a second answer gains nothing."""
    port = int(replica.url.rsplit(":", 1)[1])
    answers = iter(["127.0.0.1", "127.0.0.2", "10.0.0.7"])
    asked: list[str] = []

    def resolve(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    settings = {
        "ALLOWED_PRIVATE_NETWORKS": ["127.0.0.1/32"],
        "DOWNLOAD_DEADLINE": 5,
        "DOWNLOAD_TIMEOUT": 5,
        "SPOOL_THRESHOLD": 1 << 20,
    }

    async def ask() -> list[Outcome | int]:
        results: list[Outcome | int] = []
        for _ in range(3):
            handler = HttpHandler(get_crawler(settings_dict=settings))
            try:
                request = Request(f"http://rebinding.example:{port}/files/jpeg/1.jpg")
                results.append((await handler.download_request(request)).status)
            except FetchError as error:
                results.append(error.outcome)
            await handler.close()
        return results

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        results = asyncio.run(ask())
    assert results == [200, Outcome.BLOCKED_ADDRESS, Outcome.BLOCKED_ADDRESS]
    assert asked == ["rebinding.example"] * 3


def test_no_socket_is_made_for_a_blocked_address() -> None:
    guard = AddressGuard([ip_network("127.0.0.1/32")])
    allowed = guard.socket_factory((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    allowed.close()
    with pytest.raises(OSError, match="not a public address"):
        guard.socket_factory((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 80)))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "data:,x",
        "ftp://a/b",
        "s3://a/b",
        "javascript:alert(1)",
        "//a/b",
        "a/b",
        "",
        "http://",
        "http://[::1",
        "http://a:b/",
        "http://a b/",
        "zip+file:///a.zip#b",
        "http://a/" + "x" * 9000,
    ],
)
def test_addresses_that_are_not_asked(url: str) -> None:
    with pytest.raises(FetchError) as error:
        require_http(url)
    assert error.value.outcome is Outcome.BAD_URL


@pytest.mark.parametrize("url", ["http://a/b", "HTTPS://A", "zip+https://a/b.zip#c"])
def test_addresses_that_are_asked(url: str) -> None:
    require_http(url)


def test_the_settings_name_what_exists() -> None:
    """Every dotted name in the settings can be imported: a typo would be silent for some."""
    from scrapy.utils.misc import load_object

    from imgcrawl import settings

    tables = (
        settings.ITEM_PIPELINES,
        settings.DOWNLOADER_MIDDLEWARES,
        settings.EXTENSIONS,
        settings.SPIDER_MIDDLEWARES,
    )
    names = [name for table in tables for name in table]
    names += [
        settings.DOWNLOADER,
        settings.HTTPCACHE_POLICY,
        settings.HTTPCACHE_STORAGE,
        settings.LOG_FORMATTER,
        *filter(None, settings.DOWNLOAD_HANDLERS.values()),
    ]
    assert ROOT.is_dir()
    for name in names:
        load_object(name)

"""Links that only a browser sees are found by one, which reaches nothing that it must not."""

from __future__ import annotations

import http.server
import signal
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.arguments import parse_arguments
from imgcrawl.browser.chromium import find_browser
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.web.page_link import PageLink
from imgcrawl.sources.web.wanted_files import WantedFiles
from spiders.dynamic_page import DynamicPageSpider
from tests.certificates import own_certificate

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended


QUICK = {"DOWNLOAD_TIMEOUT": 5}


@pytest.fixture
def browser() -> None:
    if find_browser() is None:
        pytest.fail("there is no Chromium: type `playwright install chromium`, or `make browser`")


def found(ended: Ended) -> list[str]:
    """The names of the files that a crawl found, in order."""
    assert ended.status == 0, ended.log
    ended.out.verify()
    return sorted(row["url"].rpartition("/")[2] for row in ended.out.rows())


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}_{number:02}.tif" for number in range(count)]


class SecurePages(http.server.ThreadingHTTPServer):
    """A page over TLS, whose links come by a script that asks for them."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _SecurePage)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        """Stop serving as well: what leaves the ``with`` does."""
        self.shutdown()
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that do not believe the certificate."""


class _SecurePage(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        script = b"fetch('list').then(a => a.text()).then(t => { document.body.innerHTML = t; })"
        body = b"<!doctype html><body><script>" + script + b"</script>"
        if self.path == "/list":
            body = b"<a href='secure_00.tif'>stack</a>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Elsewhere(socketserver.ThreadingTCPServer):
    """A server on an address that is none of a page's business; counts who comes."""

    def __init__(self) -> None:
        self.visits: list[bytes] = []
        super().__init__(("127.0.0.2", 0), None)  # type: ignore[arg-type]

    def finish_request(self, request: object, client_address: object) -> None:
        self.visits.append(request.recv(4096))  # type: ignore[attr-defined]
        request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]

    @property
    def host(self) -> str:
        return f"127.0.0.2:{self.server_address[1]}"


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


PARTS = [f"{kind}_00.tif" for kind in ["frame", "large", "lazy", "shadow", "small"]]


@pytest.mark.parametrize(
    ("pages", "arguments", "expected"),
    [
        (
            ["delay", "more", "told", "download", "endless", "parts"],
            {},
            names("delay", 3)
            + names("download", 1)
            + names("endless", 1)
            + names("more", 4)
            + names("told", 2)
            + PARTS,
        ),
        pytest.param(
            ["more", "popup"],
            {"click": "button"},
            names("more", 12) + names("popup", 2),
            marks=pytest.mark.slow,
        ),
        (["more"], {"click": "button", "max_pages": 1, "wait_for": "li a"}, names("more", 8)),
        pytest.param(
            ["scroll", "virtual", "wheel"],
            {"scroll": 1, "match": "scroll_*.tif,virtual_??50.tif,virtual_1999.tif,wheel_*.tif"},
            names("scroll", 20)
            + names("wheel", 60)
            + [f"virtual_{number:04}.tif" for number in (*range(50, 2000, 100), 1999)],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["covered"], {"click": "button.more"}, names("covered", 4), marks=pytest.mark.slow
        ),
    ],
    ids=["plain", "clicked", "one click", "scrolled", "covered"],
)
@pytest.mark.usefixtures("browser")
def test_links_that_scripts_make(
    pages: list[str],
    arguments: dict[str, Any],
    expected: list[str],
    crawl: Crawler,
    replica: ReplicaProcess,
) -> None:
    """Several pages in one browser, each of them opened once."""
    arguments = {"match": "*.tif", "depth": 1, **arguments}
    url = f"{replica.url}/js/set?of={','.join(pages)}"
    if len(pages) == 1:
        url, arguments["depth"] = f"{replica.url}/js/{pages[0]}", 0
    ended = crawl("dynamic_page", url=url, settings=QUICK, **arguments)
    assert found(ended) == sorted(expected)
    asked = replica.log()
    assert [asked["paths"][f"/js/{page}"] for page in pages] == [1] * len(pages)
    assert all(agent.startswith("imgcrawl/") for agent in asked["agents"])


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_what_was_not_seen_of_a_page_is_said(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl(
        "dynamic_page", url=f"{replica.url}/js/rows", match="*.tif", scroll=1, max_pages=3
    )
    assert len(found(ended)) >= 3
    left = ended.out.summary()["not_followed"]
    assert left["first"] == [f"{replica.url}/js/rows"]
    assert "max_pages=3" in next(iter(left["why"]))
    still = crawl("dynamic_page", url=f"{replica.url}/js/virtual", match="*.tif", out="c")
    assert len(found(still)) == 25
    assert "scroll=1" in str(still.out.summary()["not_followed"])
    modal = crawl("dynamic_page", url=f"{replica.url}/js/modal", click="button.more", out="d")
    assert modal.status == 3
    (row,) = modal.out.rows("failures.csv")
    assert "<dialog#ask> covers it, and a click through that brings nothing" in row["message"]
    nothing = crawl(
        "dynamic_page", url=f"{replica.url}/js/plain", match="*.tif", click="a.more", out="b"
    )
    assert len(found(nothing)) == 2
    assert "click=a.more: there is nothing of the kind to click" in nothing.log
    assert "not_followed" not in nothing.out.summary()


@pytest.mark.slow
def test_a_page_over_https(crawl: Crawler, tmp_path: Path) -> None:
    """With a certificate made for this test, which the browser is told to believe."""
    browser = find_browser()
    assert browser is not None
    tls, digest = own_certificate()
    believing = tmp_path / "chromium"
    flag = f"--ignore-certificate-errors-spki-list={digest}"
    believing.write_text(f"#!/bin/sh\nexec '{browser}' {flag} \"$@\"\n")
    believing.chmod(0o755)
    with SecurePages(tls) as pages:
        url = f"https://127.0.0.1:{pages.server_address[1]}/"
        settings = {"ROBOTSTXT_OBEY": 0, "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32", **QUICK}
        seen = crawl(
            "dynamic_page", url=url, dry_run=1, settings={**settings, "BROWSER_PATH": believing}
        )
        assert seen.status == 0, seen.log
        assert f"{url}secure_00.tif" in seen.log
        plain = crawl("dynamic_page", url=url, dry_run=1, settings=settings)
        assert plain.status == 1
        assert "ERR_CERT" in plain.log, plain.log
        assert "Traceback" not in plain.log


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_browser_only_where_it_is_needed(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("dynamic_page", url=f"{replica.url}/js/plain", match="*.tif", auto=1, out="a")
    assert found(ended) == ["plain%20set_00.tif", "plain_01.tif"]
    assert "in a browser" not in ended.log
    ended = crawl("dynamic_page", url=f"{replica.url}/js/delay", match="*.tif", auto=1, out="b")
    assert found(ended) == names("delay", 3)
    assert "in a browser" in ended.log


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_page_reaches_nothing_private(
    crawl: Crawler, replica: ReplicaProcess, elsewhere: Elsewhere
) -> None:
    page = f"{replica.url}/js/hostile?host={elsewhere.host}"
    ended = crawl("dynamic_page", url=page, match="hostile_*")
    assert found(ended) == names("hostile", 1)
    assert elsewhere.visits == []
    asked = replica.log()["paths"]
    assert "/js/away" in asked
    assert "/lesions/secret.json" not in asked  # robots.txt
    # It does try: where it may, it gets there.
    allowed = {"ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8"}
    ended = crawl("dynamic_page", url=page, match="hostile_*", settings=allowed, out="b")
    assert found(ended) == names("hostile", 1)
    assert any(visit.startswith(b"GET / ") for visit in elsewhere.visits)
    assert not any(b"Upgrade: websocket" in visit for visit in elsewhere.visits)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["away?host=", "http://"])
@pytest.mark.usefixtures("browser")
def test_no_private_page(
    page: str, crawl: Crawler, replica: ReplicaProcess, elsewhere: Elsewhere
) -> None:
    page = f"{page}{elsewhere.host}"
    url = page if "://" in page else f"{replica.url}/js/{page}"
    ended = crawl("dynamic_page", url=url, match="*", settings={"ROBOTSTXT_OBEY": 0})
    assert ended.status == 1
    assert "127.0.0.2 is not a public address" in ended.log
    assert "Traceback" not in ended.log
    assert elsewhere.visits == []


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_what_went_wrong_is_said(crawl: Crawler, replica: ReplicaProcess) -> None:
    url = f"{replica.url}/js/set?of=gone,plain"
    ended = crawl("dynamic_page", url=url, match="*.tif?", depth=1)
    assert ended.status == 1
    assert "no links to files that match *.tif?." in ended.log, ended.log
    (row,) = ended.out.rows("failures.csv")
    assert "HTTP 404" in row["message"]
    file = crawl("dynamic_page", url=f"{replica.url}/js/files/x_00.tif", match="*.tif?", out="b")
    assert file.status == 1
    assert "sent a file in place of a page" in file.log, file.log
    assert "Traceback" not in ended.log + file.log


@pytest.mark.slow
@pytest.mark.usefixtures("browser")
def test_a_stop_does_not_wait_for_the_page(crawl: Crawler, replica: ReplicaProcess) -> None:
    process = crawl.start(
        "dynamic_page", url=f"{replica.url}/js/plain", match="*.tif", wait_for="100"
    )
    while "/js/plain" not in replica.log()["paths"]:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    log = process.communicate(timeout=20)[0]
    assert process.returncode == 130, log
    assert "Traceback" not in log


def test_a_missing_browser_is_said_before_the_crawl(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    settings = {"BROWSER_PATH": "/nowhere/chromium"}
    url = f"{replica.url}/js/delay"
    ended = crawl("dynamic_page", url=url, match="*.tif", settings=settings)
    assert ended.status == 2
    assert "playwright install chromium" in ended.log
    assert "Traceback" not in ended.log
    assert replica.log()["requests"] == 0
    assert not ended.out.root.exists()
    ended = crawl("dynamic_page", url=url, match="*.tif", auto=1, settings=settings)
    assert ended.status == 1
    assert "playwright install chromium" in ended.log
    ended = crawl(
        "dynamic_page", url=f"{replica.url}/js/plain", match="*.tif", auto=1, settings=settings
    )
    assert len(found(ended)) == 2


@pytest.mark.parametrize(
    ("match", "url", "matches"),
    [
        ("*.tif", "http://a/b/c.TIF", True),
        ("*.tif", "http://a/b/c.tiff", False),
        ("*.tif, *.tiff", "http://a/b/c.tiff?download=1", True),
        ("data/*.zip", "http://a/x/data/1.zip", True),
        ("data/*.zip", "http://a/metadata/1.zip", False),
        ("two words.tif", "http://a/two%20words.tif", True),
        ("*.tif", "http://a/get.php?file=1.tif", True),
        (r"/_\d+\.tif$/", "http://a/x_12.tif", True),
        (r"/_\d+\.tif$/", "http://a/x_ab.tif", False),
    ],
)
def test_matching(match: str, url: str, matches: bool) -> None:
    assert WantedFiles(match).matches(PageLink(url)) is matches


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": "file:///etc/passwd"}, "only http and https"),
        ({"match": "/(/"}, "no regular expression"),
        ({"max_pages": "0"}, "type 1 or more"),
        ({"clik": "a"}, "click"),
    ],
)
def test_arguments_that_cannot_be_meant(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        parse_arguments(DynamicPageSpider, {"url": "http://a/", "match": "*", **arguments})

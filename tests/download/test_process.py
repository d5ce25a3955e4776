"""The same in a process of its own, with the reactor that users have: nothing is logged twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CRAWL = """
from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http.request import NO_CALLBACK
from tests.download.harness import outcome, outcomes, settings
from tests.download.server import Server, http

class Probe(Spider):
    name = "probe"

    async def start(self):
        answers = {
            "/robots.txt": http(b"User-agent: *\\nDisallow: /robots"),
            "/ok": http(b"abc"),
            "/cut": http(b"abc", length=5),
            "/lost": b"",
            "/ai": http(b"abc", 200, "X-Robots-Tag: noai"),
            "/circle": http(b"", 302, "Location: /circle"),
            "/file": http(b"", 302, "Location: file:///etc/passwd"),
            "/private": http(b"", 302, "Location: http://10.0.0.1/"),
            "/broken": http(b"no gzip", 200, "Content-Encoding: gzip"),
            "/bomb": http(BOMB, 200, "Content-Encoding: gzip"),
            "/busy": http(b"", 503),
        }
        async with Server(answers) as server:
            paths = [*list(answers)[1:], "/robots", "/missing"]
            ends = await outcomes(self.crawler, [server.url(p) for p in paths], media=True)
            others = ["http://nowhere.invalid/", "http://127.0.0.1:1/", "ftp://127.0.0.1/"]
            ends += await outcomes(self.crawler, others)
            print(*ends)
        for nothing in ():
            yield nothing

import gzip
BOMB = gzip.compress(bytes(200_000))
process = AsyncCrawlerProcess(settings(
    LOG_ENABLED=True, LOG_LEVEL="INFO", ROBOTSTXT_OBEY=True, RETRY_TIMES=1,
    TWISTED_REACTOR_ENABLED=True, DOWNLOAD_MAXSIZE=100_000, HTTPCACHE_ENABLED=True,
    HTTPCACHE_DIR=__import__("sys").argv[1],
))
process.crawl(Probe)
process.start()
"""
ENDS = """200 truncated connection_lost opted_out redirects bad_url blocked_address corrupt
too_large 503 robots 404 dns refused bad_url"""


def test_each_failure_arrives_unharmed_and_unlogged(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", CRAWL, str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ENDS.split()
    for word in ("Traceback", "ERROR", "Unclosed", "never retrieved", "never awaited"):
        assert word not in done.stderr

"""Pictures under other statuses than 200, and under a Content-Encoding that they do not have."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from scrapy.http import Response

from imgcrawl.download.statuses import brings_the_whole
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from tests.download.harness import crawl, fetch
from tests.download.server import Server, http

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from tests.download.server import Answer

GIF = b"GIF89a" + bytes(94)


@pytest.mark.parametrize(
    ("status", "body", "content_range", "whole"),
    [
        (200, b"", "", True),
        (203, GIF, "", True),
        (201, GIF, "", True),
        (201, b'{"id": 1}', "", False),
        (202, GIF, "", False),
        (204, b"", "", False),
        (206, GIF, "bytes 0-99/100", True),
        (206, GIF, "bytes 0-99/101", False),
        (206, GIF, "bytes 1-100/101", False),
        (206, GIF, "bytes 0-199/200", False),
        (206, GIF, "bytes 0-99/*", False),
        (206, GIF, "", False),
        (404, GIF, "", False),
    ],
)
def test_what_brings_the_whole(status: int, body: bytes, content_range: str, whole: bool) -> None:
    headers = {"Content-Range": content_range} if content_range else {}
    response = Response("http://a.example/", status, headers, body)
    assert brings_the_whole(response) == whole


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip", "gzip, deflate"])
def test_an_encoding_that_a_picture_does_not_have_is_passed_over(encoding: str) -> None:
    async def main(crawler: Crawler) -> bytes:
        async with Server({"*": http(GIF, 200, f"Content-Encoding: {encoding}")}) as server:
            return (await fetch(crawler, server.url("/"), media=True)).body

    assert crawl(main) == GIF


def test_an_encoding_that_is_true_is_decoded_and_one_that_is_broken_is_corrupt() -> None:
    async def main(crawler: Crawler) -> bytes:
        answers: dict[str, Answer] = {
            "/": http(gzip.compress(GIF), 200, "Content-Encoding: gzip"),
            "/b": http(b"no", 200, "Content-Encoding: gzip"),
        }
        async with Server(answers) as server:
            with pytest.raises(RecordMissing) as failed:
                await fetch(crawler, server.url("/b"), media=True)
            assert failed.value.outcome is Outcome.CORRUPT
            return (await fetch(crawler, server.url("/"), media=True)).body

    assert crawl(main) == GIF

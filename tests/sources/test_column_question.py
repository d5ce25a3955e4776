"""Which column has the pictures, by what its addresses answer."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import Response

from imgcrawl.lists.description import describe, rivals
from imgcrawl.lists.look import Sample, find_columns
from imgcrawl.lists.rows import Row
from imgcrawl.records.errors import NoAnswerError, RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.sources.column_question import column_of_pictures
from tests.pictures.samples import saved

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE, PAGE = {"Content-Type": "image/webp"}, {"Content-Type": "text/html; charset=utf-8"}


def no_head(url: str, method: str) -> Response:
    """Answer as a host that knows no HEAD and no types."""
    if method == "HEAD":
        return Response(url, 405)
    return Response(url, 200, body=saved("JPEG") if "b" in url else b"<html>")


def gone(url: str, method: str) -> Response:
    raise NoAnswerError(url, RecordMissing(Outcome.DNS, "no such host"))


def typed(url: str, method: str) -> Response:
    return Response(url, 200, headers=PICTURE if "b" in url else PAGE)


@pytest.mark.parametrize(
    ("answer", "column"), [(typed, "b"), (no_head, "b"), (gone, "a")], ids=["HEAD", "GET", "gone"]
)
def test_the_answer_decides(
    answer: Callable[[str, str], Response], column: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fetch(url: str, *, method: str = "GET", **_: Any) -> Response:
        return answer(url, method)

    fetcher: Any = SimpleNamespace(settings={}, fetch=fetch, logger=logging.getLogger("x"))
    columns = {name: [f"https://h.example/{name}/{n}" for n in range(3)] for name in "ab"}
    with caplog.at_level(logging.INFO):
        assert asyncio.run(column_of_pictures(fetcher, columns, "a")) == column
    if column == "a":
        assert "No picture is at the first addresses of 'a', 'b'" in caplog.text


def look(names: str, *values: str) -> tuple[Sample, Any]:
    rows = [
        Row(n, dict(zip(names.split(","), [v.format(n) for v in values], strict=True)))
        for n in range(5)
    ]
    sample = Sample.of(rows)
    return sample, find_columns(sample, {}, "list")


@pytest.mark.parametrize(
    ("names", "values", "asked"),
    [
        ("url,image", ["https://a.example/{}", "https://b.example/{}"], {"url", "image"}),
        ("url,image", ["https://a.example/{}", "https://b.example/{}.jpg"], set()),
        ("id,url", ["{}", "https://a.example/{}"], set()),
        ("id,page_url", ["{}", "https://a.example/{}"], {"page_url"}),
    ],
)
def test_what_is_not_sure_is_asked(names: str, values: list[str], asked: set[str]) -> None:
    found = rivals(*look(names, *values))
    assert found.keys() == asked
    assert all(len(urls) == 3 for urls in found.values())


def test_a_list_in_words() -> None:
    lines = describe(*look("id,url,text", "{}", "https://me:secret@a.example/{}.jpg", "x" * 90))
    assert lines[0] == "  id [id]: 0 | 1 | 2"
    assert lines[1].startswith("  url [url]: https://")
    assert "secret" not in lines[1]
    assert lines[2] == f"  text [caption]: {'x' * 45}..."

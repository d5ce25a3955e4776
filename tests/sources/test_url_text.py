"""URLs in what scripts are answered."""

from __future__ import annotations

import json

import pytest

from imgcrawl.sources.web.script_urls import normal_url, urls_in

BASE = "http://a.example/page/"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"files": ["/x/1.tif", "../2.tif", "//b.example/3.tif"]}, ["x/1", "2", "b/3"]),
        ({"url": "http://b.example/a b.tif"}, ["http://b.example/a b.tif"]),
        ([[["http://b.example/1"]], {"k": {"k": "http://b.example/2"}}], ["b/1", "b/2"]),
        ({"html": "<a href='http://b.example/1.tif'>x</a>"}, ["http://b.example/1.tif"]),
        ({"name": "stack.tif", "kind": "image/tiff", "http://b/": 1, "n": None}, []),
    ],
)
def test_in_json(told: object, expected: list[str]) -> None:
    found = list(urls_in(json.dumps(told), BASE))
    assert len(found) == len(expected)
    assert all(end.rpartition("/")[2] in url for url, end in zip(found, expected, strict=True))
    assert all(url.startswith(("http://a.example/", "http://b.example/")) for url in found)


def test_in_other_text() -> None:
    text = 'callback("http:\\/\\/no", "https://b.example/1.tif"); /not/this'
    assert list(urls_in(text, BASE)) == ["https://b.example/1.tif"]
    assert list(urls_in("[" * 100_000, BASE)) == []


def test_one_spelling() -> None:
    assert normal_url("http://a/b c.tif#x") == normal_url("http://a/b%20c.tif")

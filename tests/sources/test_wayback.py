"""What the Wayback Machine's answers mean."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.sources.wayback import WaybackCapture, cdx_url, parse_cdx

HEADER = ["timestamp", "original", "mimetype", "statuscode", "digest", "length"]


def row(
    stamp: str, digest: str = "MGIGF4GRGGF5GKV6VNCBAXOE3OR5BTZC", status: str = "200"
) -> list[str]:
    return [stamp, "http://a.example:80/1.jpg", "image/jpeg", status, digest, "1811"]


def test_the_nearest_capture_to_a_year_comes_first_each_content_once() -> None:
    rows = [
        row("20050601000000", "A" * 32),
        row("20091231000000", "B" * 32),
        row("20100301000000", "B" * 32),  # the same bytes: rows may repeat
        row("20200101000000", "C" * 32),
        row("20100701000000", "D" * 32, "302"),
        row("2010", "E" * 32),
    ]
    body = json.dumps([HEADER, *rows]).encode()
    assert [c.timestamp[:4] for c in parse_cdx(body, 2010)] == ["2009", "2005", "2020"]
    assert [c.timestamp[:4] for c in parse_cdx(body, None)] == ["2020", "2009", "2005"]


def test_a_revisit_counts_and_nothing_is_an_empty_list() -> None:
    revisit = [*row("20200612014014")[:3], "-", "DBA3N454ZRZ42QEBER5QRT332DJTTLR5", "606"]
    (capture,) = parse_cdx(json.dumps([HEADER, revisit]).encode(), 2020)
    assert capture.replay_url("https://web.archive.org/") == (
        "https://web.archive.org/web/20200612014014id_/http://a.example:80/1.jpg"
    )
    assert parse_cdx(b"[]", 2020) == parse_cdx(b" \n", 2020) == []


def test_the_digest_is_base32_of_sha1() -> None:
    digest = base64.b32encode(hashlib.sha1(b"x", usedforsecurity=False).digest()).decode()
    assert (
        WaybackCapture("", "", digest).sha1 == hashlib.sha1(b"x", usedforsecurity=False).hexdigest()
    )
    with pytest.raises(ValueError, match=r"base32|SHA-1|padding"):
        _ = WaybackCapture("", "", "nonsense").sha1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]", b"null"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_cdx(body, 2010)


def test_the_question_is_encoded() -> None:
    asked = cdx_url("https://web.archive.org/", "http://a.example/1.jpg?x=1&y=ü", 2010)
    assert asked.startswith("https://web.archive.org/cdx/search/cdx?url=http%3A%2F%2Fa.example")
    assert "x%3D1%26y%3D%C3%BC" in asked
    assert "closest=20100701000000" in asked


@given(st.lists(st.lists(st.text(max_size=12), max_size=7), max_size=6))
def test_any_rows(rows: list[list[str]]) -> None:
    for capture in parse_cdx(json.dumps([HEADER, *rows]).encode(), 2010):
        assert capture.original.startswith("http")

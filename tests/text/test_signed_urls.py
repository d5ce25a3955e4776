"""Addresses that ask for the same, and addresses that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.text.signed_urls import MAX_ID, address_id, stable_address

BASE = "https://cdn.example/a/1.jpg"
SAME = [
    "http://cdn.example/a/1.jpg",
    "https://CDN.example:443/a/1.jpg",
    "https://cdn.example/%61/1.jpg",
    "https://cdn.example/a/1%2Ejpg",
    "https://me:secret@cdn.example/a/1.jpg",
    f"{BASE}#page=3",
    f"{BASE}?",
    # CloudFront, S3 (2 and 4), Google (2 and 4), Azure, Alibaba, Tencent, Akamai, nginx, Facebook
    f"{BASE}?Expires=1700000000&Signature=ab~&Key-Pair-Id=K1",
    f"{BASE}?AWSAccessKeyId=A&Expires=1700000000&Signature=x%3D",
    f"{BASE}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z&X-Amz-Signature=00",
    f"{BASE}?GoogleAccessId=a%40b&Expires=1700000000&Signature=x",
    f"{BASE}?X-Goog-Algorithm=GOOG4&X-Goog-Expires=60&X-Goog-Signature=00",
    f"{BASE}?sv=2024-01-01&st=2026-01-01T00%3A00%3A00Z&se=2026-01-02T00%3A00%3A00Z&sr=b&sig=x",
    f"{BASE}?OSSAccessKeyId=a&Expires=1700000000&Signature=x",
    f"{BASE}?q-sign-algorithm=sha1&q-ak=a&q-sign-time=1;2&q-signature=00",
    f"{BASE}?hdnts=exp=1700000000~acl=/*~hmac=00",
    f"{BASE}?md5=k3x&expires=1700000000",
    f"{BASE}?oh=00_AfB&oe=65B",
]
OTHER = [
    "https://cdn.example/a/2.jpg",
    "https://cdn.example/A/1.jpg",
    "https://cdn.example:8443/a/1.jpg",
    "https://www.cdn.example/a/1.jpg",
    "https://cdn.example/a%2F1.jpg",
    "ftp://cdn.example/a/1.jpg",
    f"{BASE}?v=2",
    f"{BASE}?token=abc",  # which may be all that names a picture
    f"{BASE}?s=1024&e=png",
    f"{BASE}?x-oss-process=image/resize,w_100",
    f"{BASE}?sig=7",
    f"{BASE}?signature=no&w=300",
]


@pytest.mark.parametrize("url", SAME)
def test_what_changes_from_day_to_day_makes_no_other_address(url: str) -> None:
    assert stable_address(url) == stable_address(BASE)


@pytest.mark.parametrize("url", OTHER)
def test_what_may_be_another_picture_is_another_address(url: str) -> None:
    assert stable_address(url) != stable_address(BASE)


def test_a_fragment_names_a_member_of_an_archive() -> None:
    one, other = (f"zip+https://cdn.example/a.zip#{member}.jpg" for member in "ab")
    assert stable_address(one) != stable_address(other)


def test_an_id_is_the_address_without_what_may_not_be_told() -> None:
    assert address_id(BASE) == BASE
    assert address_id(f"{BASE}?w=2&Expires=1700000000&Signature=a&Key-Pair-Id=K#f") == (
        f"{BASE}?w=2#f"
    )
    assert address_id("https://me:secret@cdn.example/a/1.jpg") == BASE
    tokens = {address_id(f"{BASE}?token={word}") for word in ("one", "two")}
    assert len(tokens) == 2  # which may be all that tells them apart
    assert not any("one" in each or "two" in each for each in tokens)
    long = [f"{BASE}?{'x' * 2000}{n}" for n in range(2)]
    assert len({*map(address_id, long)}) == 2
    assert {*map(len, map(address_id, long))} == {MAX_ID}


@given(st.text(max_size=80) | st.from_regex(r"https?://[^\n]{0,60}", fullmatch=True))
def test_any_text_has_an_address_that_stays_the_same(text: str) -> None:
    stable_address(text)
    assert address_id(address_id(text)) == address_id(text)


@given(st.text("abz.-019/~+=&;,!AZ\u00fc", max_size=20))
def test_a_fragment_makes_no_difference_whatever_the_address(text: str) -> None:
    for url in (f"http://h{text}/", f"https://a.org/{text}", f"http://a-b.org/{text}.jpg"):
        assert stable_address(url) == stable_address(f"{url}#x")

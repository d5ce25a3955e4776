"""Spellings of addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.text.addresses import canonical, host_of, same_picture_key, without_fragment

WORDS = st.text("abc~.-_XYZ019", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://a.org/p.jpg#page=1", "http://a.org/p.jpg"),
        ("HTTPS://a.org/?x=1#a#b", "HTTPS://a.org/?x=1"),
        ("http://a.org/p.jpg", "http://a.org/p.jpg"),
        # Of an archive's address it names the member.
        ("zip+https://a.org/z.zip#a/1.jpg", "zip+https://a.org/z.zip#a/1.jpg"),
    ],
)
def test_a_fragment_is_not_sent(url: str, sent: str) -> None:
    assert without_fragment(url) == sent


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("http://a.org/%7euser/p%2dq.jpg", "http://a.org/~user/p-q.jpg"),
        ("HTTP://A.Org:80/p.jpg?q=%7E#x", "http://a.org/p.jpg?q=~"),
        ("https://a.org:443", "https://a.org/"),
        ("https://a.org:/p", "https://a.org/p"),
        ("http://me:P%40ss@a.org/%2f%c3%bc", "http://me:P%40ss@a.org/%2F%C3%BC"),
        ("http://[::1]:80/p", "http://[::1]/p"),
        ("http://a.org/p?", "http://a.org/p"),  # nor does Scrapy send it
        # What a server may tell apart.
        ("http://a.org:443/p", "http://a.org:443/p"),
        ("http://a.org/A/../b%2Fc?a=/..", "http://a.org/A/../b%2Fc?a=/.."),
        ("http://a.org/100%/p%zz.jpg", "http://a.org/100%/p%zz.jpg"),
        ("zip+https://A.org:443/z.zip#%7Ea", "zip+https://A.org:443/z.zip#%7Ea"),
        ("http://[broken/p", "http://[broken/p"),
        ("photo.jpg", "photo.jpg"),
    ],
)
def test_an_address_has_one_canonical_spelling(url: str, right: str) -> None:
    assert canonical(url) == right
    assert canonical(right) == right


@given(st.text("htps:/a.%7eE2F#?@[]: \u00fc", max_size=30))
def test_any_text_has_a_canonical_spelling(text: str) -> None:
    for url in (text, f"http://a.org/{text}", f"https://{text}"):
        assert canonical(canonical(url)) == canonical(url)


@pytest.mark.slow
@given(WORDS, WORDS, st.data())
def test_spellings_of_an_address_are_one(host: str, name: str, data: st.DataObject) -> None:
    draw = data.draw
    host = f"{host.strip('.') or 'h'}.org"
    path = "".join(
        f"%{ord(c):02{draw(st.sampled_from('xX'))}}" if draw(st.booleans()) else c for c in name
    )
    scheme, port = draw(st.sampled_from([("http", ":80"), ("https", ":443"), ("HTTP", "")]))
    spelt = draw(st.sampled_from([host.upper(), host.lower(), f"www.{host}"]))
    marks = ["?", "?v=2", "?utm_source=x&utm_medium=y", "#xywh=1,2", "?v=1.2#x", "?w=300", ""]
    user = draw(st.sampled_from(["", "me:secret@"]))
    url = f"{scheme}://{user}{spelt}{port}/{path}.jpg{draw(st.sampled_from(marks))}"
    assert same_picture_key(url) == same_picture_key(f"http://{host}/{name}.jpg")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.org/1.jpg", "http://a.org/2.jpg"),
        ("http://a.org/p.jpg", "http://a.org/P.jpg"),
        ("http://a.org/p.php?id=1", "http://a.org/p.php?id=2"),
        ("http://a.org/p.jpg?id=1", "http://a.org/p.jpg?id=2"),
        ("http://a.org/watch?v=1", "http://a.org/watch?v=2"),  # no file's version
        ("http://a.org/p.jpg?v=dQw4w9WgXcQ", "http://a.org/p.jpg?v=9bZkp7q19f0"),
        ("http://a.org:8080/1.jpg", "http://a.org/1.jpg"),
        ("http://a.org/a%2Fb.jpg", "http://a.org/a/b.jpg"),
        ("zip+http://a.org/z.zip#a.jpg", "zip+http://a.org/z.zip#b.jpg"),
    ],
)
def test_different_addresses_are_different(one: str, other: str) -> None:
    assert same_picture_key(one) != same_picture_key(other)


@given(st.text() | st.from_regex(r"https?://.*"))
def test_any_text_has_a_key_and_a_host(text: str) -> None:
    key = same_picture_key(text)
    assert same_picture_key(text) == key
    assert host_of(text) == host_of(text).lower() or not host_of(text).isascii()
    assert without_fragment(without_fragment(text)) == without_fragment(text)


def test_a_text_that_is_no_address_has_no_host() -> None:
    assert [host_of(text) for text in (None, "", "x", "http://[", "HTTP://A.org:1/")] == [
        *("", "", "", "", "a.org"),
    ]

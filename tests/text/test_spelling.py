"""One spelling of addresses, as ledgers and notes beside files have kept it."""

from __future__ import annotations

import pytest

from imgcrawl.text.addresses import canonical
from imgcrawl.text.signed_urls import stable_address


@pytest.mark.parametrize(
    ("url", "kept", "digested"),
    [
        # As the versions before wrote them: another spelling, and what is stored is fetched again.
        (
            "http://A.org:80/%7euser/p%2dq.jpg",
            "http://a.org/~user/p-q.jpg",
            "//a.org/~user/p-q.jpg",
        ),
        (
            "https://a.org:443/%c3%bc%2F?q=%7E&r=%2f",
            "https://a.org/%C3%BC%2F?q=~&r=%2F",
            "//a.org/%c3%bc%2F?q=%7E&r=%2f",
        ),
        ("https://a.org:8443/p", "https://a.org:8443/p", "//a.org:8443/p"),
        (
            "http://me:P%40ss@a.org/%2f%c3%bc",
            "http://me:P%40ss@a.org/%2F%C3%BC",
            "//a.org/%2f%c3%bc",
        ),
        ("http://a.org/100%/p%zz.jpg", "http://a.org/100%/p%zz.jpg", "//a.org/100%/p%zz.jpg"),
        (
            "https://a.org/p?X-Amz-Date=1&X-Amz-Signature=2#f",
            "https://a.org/p?X-Amz-Date=1&X-Amz-Signature=2",
            "//a.org/p",
        ),
        (
            "zip+https://A.org:443/z.zip#%7Ea",
            "zip+https://A.org:443/z.zip#%7Ea",
            "zip+https://a.org:443/z.zip#%7Ea",
        ),
        ("http://[::1]:80/p", "http://[::1]/p", "//[::1]/p"),
        ("https://a.org/A%41%5f%5F%7e%30.jpg", "https://a.org/AA__~0.jpg", "//a.org/AA__~0.jpg"),
        ("ftp://A.org/%41", "ftp://A.org/%41", "ftp://a.org/A#"),
        ("photo.jpg", "photo.jpg", "photo.jpg"),
        ("http://a.org?x=1", "http://a.org/?x=1", "//a.org/?x=1"),
        ("//a.org/%41", "//a.org/%41", "://a.org/A#"),
        ("HTTPS://A.org:443", "https://a.org/", "//a.org/"),
    ],
)
def test_what_was_stored_is_found_again(url: str, kept: str, digested: str) -> None:
    assert canonical(url) == kept
    assert stable_address(url) == digested


@pytest.mark.parametrize("code", range(128))
def test_both_decode_the_same_characters(code: int) -> None:
    for encoded in (f"%{code:02x}", f"%{code:02X}"):
        url = f"http://a.org/p{encoded}q"
        path = canonical(url).removeprefix("http:")
        assert path in {stable_address(url), stable_address(url).replace(encoded, encoded.upper())}
        assert ("%" in path) is not (chr(code).isalnum() or chr(code) in "-._~")

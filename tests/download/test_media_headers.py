"""Media are asked for as media, and pages as pages."""

from __future__ import annotations

import pytest
from scrapy import Request

from imgcrawl.download.media_headers import MediaHeadersMiddleware

DEFAULT = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "en"}


@pytest.mark.parametrize(
    ("meta", "own", "accept"),
    [
        ({}, {}, b"text/html,*/*;q=0.8"),
        ({"media": True}, {}, b"*/*"),
        ({"media": True}, {"Accept": "image/*"}, b"image/*"),
    ],
)
def test_what_is_accepted(meta: dict[str, bool], own: dict[str, str], accept: bytes) -> None:
    request = Request("https://a.example/x", headers=own, meta=meta)
    MediaHeadersMiddleware(DEFAULT.items()).process_request(request)
    assert request.headers["Accept"] == accept
    assert request.headers["Accept-Language"] == b"en"

"""The name of a file, as servers spell it in Content-Disposition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Response

from imgcrawl.download.file_headers import file_name, header_text


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="a b.tif"', "a b.tif"),
        ("attachment; filename=a.tif", "a.tif"),
        ("attachment;filename=a b.tif; size=3", "a b.tif"),
        ('inline; FileName = "a;b.tif"', "a;b.tif"),
        (r'attachment; filename="the \"big\" one.tif"', 'the "big" one.tif'),
        (r'attachment; filename="C:\data\x.tif"', "x.tif"),
        ('attachment; filename="../../etc/x.tif"', "x.tif"),
        ("attachment; filename*=UTF-8''by%20id.tif", "by id.tif"),
        ("attachment; filename=plain.tif; filename*=utf-8'en'%e2%82%ac.tif", "\u20ac.tif"),
        ("attachment; filename*=iso-8859-1'en'%A3.tif", "\u00a3.tif"),
        ("attachment; filename*=\"UTF-8''quoted%2Etif\"; filename=x", "quoted.tif"),
        ("attachment; filename*=no-such''a%20b.tif", "a b.tif"),
        ('attachment; filename="=?UTF-8?B?Z3LDvG4udGlm?="', "gr\u00fcn.tif"),
        ("attachment; filename==?utf-8?Q?gr=C3=BCn.tif?=", "gr\u00fcn.tif"),
        ('attachment; notfilename="x.tif"', ""),
        ("attachment", ""),
        ("", ""),
    ],
)
def test_names(disposition: str, name: str) -> None:
    assert file_name(disposition) == name


@given(st.text(max_size=60))
def test_any_header_is_read(words: str) -> None:
    for disposition in (words, f"attachment; filename={words}", f"x; filename*=UTF-8''{words}"):
        assert not {"/", "\\"} & set(file_name(disposition))


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_a_header_of_any_charset_is_text(charset: str) -> None:
    response = Response("https://a.example/", headers={"X": "gr\u00fcn".encode(charset)})
    assert header_text(response.headers, "X") == "gr\u00fcn"
    assert header_text(response.headers, "Y") == ""

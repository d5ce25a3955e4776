from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.pictures.check import CheckLevel, check_image
from imgcrawl.pictures.sniff import excerpt, sniff
from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome
from imgcrawl.text.redact import printable


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "empty"),
        (bytes(50), "nothing but zero bytes"),
        (b"\xff\x00\x01\x02\x03\x04\x05\x06\x07", "unknown bytes ff 00 01 02 03 04 05 06"),
        (b"<!DOCTYPE html><html><title>x</title>", "an HTML page"),
        (b"\n\n  <HTML>", "an HTML page"),
        (b"\xef\xbb\xbf<html lang=en>", "an HTML page"),
        (b"<!-- a note -->\n<html>", "an HTML page"),
        (b"<div class=x>gone</div>", "an HTML page"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', "an HTML page"),
        ("\ufeff<html>".encode("utf-16-le"), "an HTML page"),
        (b"<html><p>\xb2\xe2\xca\xd4 in a Chinese encoding of old</p>", "an HTML page"),
        (b"<html><svg></svg>", "an HTML page"),
        (b'<?xml version="1.0"?><svg xmlns="x">', "an SVG drawing"),
        (b"<svg width='9'>", "an SVG drawing"),
        (
            b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>',
            "an XML document (AccessDenied)",
        ),
        (b"<?xml version='1.0'?><feed><link href='x'/></feed>", "an XML document"),
        (b'{"error": 1}', "JSON"),
        (b" [1, 2]", "JSON"),
        (b"[a list]", "plain text"),
        (b"Not found", "plain text"),
        (b" \n ", "plain text"),
        ("Nicht verfügbar".encode("latin-1"), "plain text"),
        (b"BMW is a car maker", "plain text"),
        (b"P5 is a name", "plain text"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (b"PK\3\4\x14\0", "a ZIP archive"),
        (b"%PDF-1.7", "a PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture, which Pillow does not read"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "a QuickTime or MP4 video"),
        (b"\0\0\1\0\1\0", "a Windows icon"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
        (bytes(128) + b"DICM", "a DICOM file"),
    ],
)
def test_what_is_no_picture(body: bytes, what: str) -> None:
    kind = sniff(body)
    assert (kind.format, kind.extension, kind.what) == (None, "", what)
    for level in CheckLevel:
        with pytest.raises(RecordMissing) as caught:
            check_image(body, level)
        assert caught.value.outcome is (Outcome.NOT_IMAGE if body else Outcome.EMPTY)
        assert not body or str(caught.value).startswith(what)


def test_avif_by_its_compatible_brands() -> None:
    assert sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif").format == "AVIF"


@given(st.binary(max_size=300))
def test_sniff_takes_anything(head: bytes) -> None:
    kind = sniff(head)
    assert kind.what.isprintable()
    assert bool(kind.format) == bool(kind.extension)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><head><TITLE>\n 404 &amp; gone\n</TITLE>", "404 & gone"),
        (
            b"<Error><Code>NoSuchKey</Code><Message>The key\ndoes not exist.</Message>",
            "NoSuchKey: The key does not exist.",
        ),
        (b"<Error><Code>AccessDenied</Code>", "AccessDenied"),
        (b"<body><h1>Sorry</h1> no <b>such</b> page", "Sorry no such page"),
        (b'{"detail": "quota"}', '{"detail": "quota"}'),
        (b"\x1b[2Jred\x07 \xe2\x80\xaetxt", ""),
        (b"red \xe2\x80\xaetxt", "red txt"),
        (b"\xff\xd8\xff\xe0\0", ""),
        (b"", ""),
        (b"<title>" + b"x" * 390 + b"</title>", "x" * 199 + "…"),
    ],
)
def test_excerpt(body: bytes, words: str) -> None:
    assert excerpt(body) == words


@given(st.binary(max_size=400) | st.text().map(lambda text: text.encode("utf-8", "ignore")))
def test_excerpt_is_short_and_printable(body: bytes) -> None:
    words = excerpt(b"<title>" + body + b"</title>")
    assert len(words) <= 200
    assert words.isprintable()


@pytest.mark.parametrize(
    "body", [b"<title" * 20_000, b"<title>" * 20_000, b"<" * 100_000, b"<Message>" * 20_000]
)
def test_excerpt_of_a_page_made_to_be_slow(body: bytes) -> None:
    excerpt(body + b"<Code>x</Code>")
    excerpt(b"<Code>x</Code>" + body)


def test_printable() -> None:
    assert printable("a\0b\u202ec\nd\ud800") == "a b c d"
    assert len(printable("word " * 10**6)) <= 200

"""What stands in logs and tables: no password, no signature, nothing that a terminal obeys."""

from __future__ import annotations

import io
import logging
import time
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.lists.url_words import url_words
from imgcrawl.records.items import Stored
from imgcrawl.storage.origin import object_metadata
from imgcrawl.text.redact import PlainFormatter, plain_text, without_secrets
from tests.conftest import Crawler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SECRET&X-Amz-Signature=SECRET"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://a.example/b?c=d#e", "http://a.example/b?c=d#e"),
        ("see http://me:SECRET@a.example/ there", "see http://***@a.example/ there"),
        ("http://SECRET@a.example", "http://***@a.example"),
        ("http://me:p@SECRET@a.example/", "http://***@a.example/"),
        ("https://a.example/@name/x?to=me@a.example", "https://a.example/@name/x?to=me@a.example"),
        (
            f"https://a.example/b?{SIGNED}&x=1",
            "https://a.example/b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=***"
            "&X-Amz-Signature=***&x=1",
        ),
        ("https://a.example/b?se=2026&sig=SECRET%3D", "https://a.example/b?se=2026&sig=***"),
        ("<GET https://a.example/b?Signature=SECRET>", "<GET https://a.example/b?Signature=***>"),
        ("https://a.example/b?design=1&key=7", "https://a.example/b?design=1&key=7"),
        ('https://a.example/b?token="SECRET"&x=1', 'https://a.example/b?token="***"&x=1'),
        ("<img src='/b?sig='SECRET' alt=''>", "<img src='/b?sig='***' alt=''>"),
        ('<a href="/b?token=">x</a>', '<a href="/b?token=">x</a>'),
    ],
)
def test_what_lets_somebody_in_is_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


SECRET = "kq8S9dKx0Pz1mQw7vR3tY5uA"
NAMES = [
    *("token", "access_token", "Auth", "api-key", "X-API-Key", "client_secret", "password", "sig"),
    *("Policy", "Key-Pair-Id", "X-Amz-Credential", "X-Goog-Signature", "sas", "jwt", "sessionid"),
    *("db_password", "private-token", "uploadToken", "mySecret", "maps_api_key"),
    *("OSSAccessKeyId", "subscription-key", "hdnts", "access_key", "PHPSESSID", "bearer"),
]
PERHAPS = ["key", "code", "state", "ticket", "grant", "grants", "x"]
KEPT = [
    *(
        "w=1024&q=80",
        "v=dQw4w9WgXcQ",
        "key=7",
        "code=US",
        "page=3&sort=asc",
        "id=1A2b3C4d5E6f7G8h9I0j",
    ),
    *("sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "t=1700000000"),
    *("uuid=123e4567-e89b-12d3-a456-426614174000", "file=IMG20240101T120000Zabc.jpg", "s=large"),
    *("pageToken=abc", "nextToken=Xy12", "layer=BlueMarble_ShadedRelief_Bathymetry_2004"),
    *("utm_source=NewsLetter2024AugustEdition", "q=Melanoma+NOS+of+the+Skin+2024", "hash=12ab"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", [str, str.upper, str.lower, lambda n: f"%{ord(n[0]):02x}{n[1:]}"])
def test_what_is_called_a_secret_is_left_out(name: str, form: Callable[[str], str]) -> None:
    for sep in "?&;#":
        text = f"http://h.example/a{sep}{form(name)}=abc&w=3"
        assert without_secrets(text) == f"http://h.example/a{sep}{form(name)}=***&w=3"


@pytest.mark.parametrize("name", PERHAPS)
def test_what_looks_like_a_secret_is_left_out(name: str) -> None:
    assert without_secrets(f"http://h.example/a?{name}={SECRET}&w=3").endswith(f"?{name}=***&w=3")
    key = "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"
    assert without_secrets(f"http://h.example/a?{name}={key}").endswith(f"?{name}=***")


@pytest.mark.parametrize("query", KEPT)
def test_what_names_a_picture_stays(query: str) -> None:
    assert without_secrets(f"http://h.example/a?{query}") == f"http://h.example/a?{query}"


@pytest.mark.parametrize("depth", range(4))
def test_an_address_in_an_address_is_looked_into(depth: int) -> None:
    text = f"https://h.example/a?token={SECRET}&w=1"
    for _ in range(depth):
        text = f"https://proxy.example/?w=2&url={quote(text, safe='')}&x=3"
    shown = without_secrets(text)
    assert SECRET not in shown
    assert shown.count("***") == 1
    assert without_secrets(shown) == shown
    assert shown.replace("***", SECRET) == text


@pytest.mark.parametrize(
    "text",
    [
        f"https://proxy.example/?url=https%3A%2F%2Fme%3A{SECRET}%40h.example%2Fa.jpg",
        f"https://proxy.example/?url=https%253A%252F%252Fme%253A{SECRET}%2540h.example%252Fa.jpg",
        f"//me:{SECRET}@h.example/a.jpg",
        f"https://h.example/a?next=b?token={SECRET}",
        f"https://h.example/a?blob=x/{SECRET}%3D%3D",
        f"https://h.example/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{SECRET}/a.jpg",
        f"https://h.example/bot123456789:{SECRET}-{SECRET}/a.jpg",
        f"the host wants Bearer {SECRET}",
        f"X-Goog-Api-Key: {SECRET}",
        f"Private-Token: {SECRET}",
    ],
)
def test_secrets_stand_in_other_places_too(text: str) -> None:
    shown = without_secrets(text)
    assert SECRET not in shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize("piece", ["%26a%3Db", "?a=%253Fb%253D", "?a=", "%3Fa%3D", "&x", "%25"])
def test_a_long_address_of_many_is_read_once(piece: str) -> None:
    text = f"http://h.example/?x={piece * 3000}"
    start = time.process_time()
    assert without_secrets(text) == text
    assert time.process_time() - start < 2
    assert without_secrets(f"{text}&token={SECRET}").endswith("&token=***")
    for pad in range(6):
        long = "a" * pad + f"{SECRET}%2B" * 40
        assert without_secrets(f"http://h.example/?x={long}&w=1") == "http://h.example/?x=***&w=1"


def test_headers_in_a_message_are_left_out() -> None:
    assert SECRET not in without_secrets(f"refused: Authorization: Bearer {SECRET}")
    assert SECRET not in without_secrets(f"headers={{'Cookie': 'a=b; sid={SECRET}'}}")


@given(st.text() | st.from_regex(r"https?://[^\s]{0,40}[?#&;][^\s]{0,60}"))
def test_leaving_out_ends_and_is_done_once(text: str) -> None:
    shown = without_secrets(text)
    assert without_secrets(shown) == shown


@given(st.text())
def test_nothing_is_obeyed_by_a_terminal(text: str) -> None:
    shown = plain_text(text)
    kinds = {unicodedata.category(char) for char in shown if char != "\n"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode()


def test_a_message_of_several_lines_is_one_entry() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter(logging.Formatter("LEVEL %(message)s")))
    record = logging.makeLogRecord({"msg": "%s", "args": ("a\nLEVEL b\r\x1b[31mc",)})
    handler.emit(record)
    assert stream.getvalue() == "LEVEL a\n    LEVEL b\n    \\x1b[31mc\n"
    assert record.args == ("a\nLEVEL b\r\x1b[31mc",)


def test_metadata_of_an_object_hold_no_signature() -> None:
    url = f"https://a.example/b?{SIGNED}"
    stored = Stored(url="https://me:SECRET@a.example/", final_url=url, sha256="0", source="mirror")
    assert "SECRET" not in str(object_metadata(stored))
    assert "secret" not in url_words("https://a.example/oak?signature=secret")


LIST = f"""id,url
signed,http://me:SECRET@127.0.0.1:1/a.jpg?{SIGNED}
"two\x1b[31m
2026-01-01 [fake] line",http://127.0.0.1:1/b.jpg
"""


def test_a_crawl_tells_no_secret_and_no_escape(tmp_path: Path) -> None:
    crawl = Crawler(tmp_path, None)
    (tmp_path / "list.csv").write_text(LIST)
    settings = {
        "LOG_LEVEL": "DEBUG",
        "RETRY_TIMES": "1",
        "ROBOTSTXT_OBEY": "0",
        "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
    }
    ended = crawl("urls", list=tmp_path / "list.csv", settings=settings)
    assert ended.status == 3
    assert len(ended.out.failures()) == 2
    assert "***@127.0.0.1:1/a.jpg" in ended.log
    tables = [path for path in ended.out.root.iterdir() if path.suffix in {".csv", ".json"}]
    for text in (ended.log, *(path.read_text() for path in tables)):
        assert "SECRET" not in text
        assert "\x1b" not in text
    assert not [line for line in ended.log.splitlines() if line.startswith("2026-01-01 [fake]")]


def test_arguments_are_kept_without_secrets(tmp_path: Path) -> None:
    crawl = Crawler(tmp_path, None)
    url = f"http://me:SECRET@127.0.0.1:1/list.csv?{SIGNED}"
    settings = {"RETRY_TIMES": "0", "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
    ended = crawl("urls", list=url, settings=settings)
    assert ended.status == 1
    assert ended.out.summary()["arguments"]["list"].startswith("http://***@127.0.0.1:1/list.csv?")
    assert ended.out.summary()["error"]
    assert "SECRET" not in ended.log + str(ended.out.summary())

"""What stands in logs and tables: no password, no signature, nothing that a terminal obeys."""

from __future__ import annotations

import io
import logging
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.lists.url_words import url_words
from imgcrawl.records.items import Stored
from imgcrawl.storage.origin import object_metadata
from imgcrawl.text.redact import PlainFormatter, plain_text, without_secrets
from tests.conftest import Crawler

if TYPE_CHECKING:
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
    ],
)
def test_what_lets_somebody_in_is_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
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

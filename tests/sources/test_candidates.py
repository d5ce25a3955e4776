"""Lists of ImageNet's URLs, as they were published and as the API answers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.lists.rows import MalformedRow
from imgcrawl.records.errors import ArgumentError
from imgcrawl.sources.imagenet.candidates import (
    Candidate,
    NoListError,
    UrlFile,
    check_answer,
    check_url_file,
    number_of,
    read_candidates,
)

if TYPE_CHECKING:
    from pathlib import Path

# The first lines of fall11_urls.txt, as quoted in public.
FALL11 = b"""n00004475_6590\thttp://farm4.static.flickr.com/3175/2737866473_7958dc8760.jpg
n00004475_15899\thttp://farm4.static.flickr.com/3276/2875184020_9944005d0d.jpg
n00005787_13\thttp://www.powercai.net/Photo/UploadPhotos/200503/20050307172201492.jpg
"""


def read(data: bytes, wnid: str = "n00004475") -> list[Candidate | MalformedRow]:
    return list(read_candidates(io.BytesIO(data), wnid, "list"))


def test_the_three_formats() -> None:
    url = "http://farm4.static.flickr.com/3175/2737866473_7958dc8760.jpg"
    assert read(FALL11)[0] == Candidate(6590, url)
    assert isinstance(read(FALL11)[2], MalformedRow)  # of another synset
    assert read(b"n00004475_6590 " + url.encode() + b"\r\n") == [Candidate(6590, url)]
    assert read(url.encode() + b"\r\n\r\n") == [Candidate(number_of(url), url)]


def test_junk_among_the_lines_is_said_and_passed_over() -> None:
    found = read(
        b"http://a.example/caf\xe9.jpg\r\n\r\nno url\r\nhttp://a.example/x\r\n"
        b"http://a.example/x\r\nhttp://a.example/two words.jpg\r\nfile:///etc/passwd\r\n"
        b"n00004475_7 http://a.example/7\r\nn00004475_7 http://a.example/8\r\n"
    )
    assert [c.url for c in found if isinstance(c, Candidate)] == [
        "http://a.example/caf\xe9.jpg",
        "http://a.example/x",
        "http://a.example/two%20words.jpg",
        "file:///etc/passwd",
        "http://a.example/7",
    ]
    assert [j.where for j in found if isinstance(j, MalformedRow)] == [
        "list, line 3",
        "list, line 9",
    ]


@pytest.mark.parametrize(
    ("body", "words", "broken"),
    [
        (b"Invalid url!", "no such synset", False),
        (b"The synset is not ready yet. Please stay tuned!", "no pictures", False),
        (b"<html><h1>URL is not valid</h1>", "web page", True),
        (b"", "empty", False),
        (b"Maintenance", "no list", True),
    ],
)
def test_the_sentences_that_come_with_200(body: bytes, words: str, broken: bool) -> None:
    with pytest.raises(NoListError, match=words) as caught:
        check_answer(body)
    assert caught.value.broken is broken


def test_a_file_of_many_synsets_sorted_or_not(tmp_path: Path) -> None:
    path = tmp_path / "fall11_urls.txt"
    lines = FALL11.splitlines(keepends=True)
    path.write_bytes(
        b"".join([lines[2], *lines[:1], b"x" * 200_000 + b"\n", lines[2], b"\n", lines[1][:-1]])
    )
    found = UrlFile(str(path))
    found.index({"n00004475", "n00000000"})
    numbers = [c.number for c in found.candidates("n00004475") if isinstance(c, Candidate)]
    assert numbers == [6590, 15899]
    assert list(found.candidates("n00000000")) == []
    assert list(found.candidates("n00005787")) == []  # not asked for


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"hello\n", "first line: hello"), (b"", "empty"), (b"http://a.example/1\n", "first line")],
)
def test_what_is_no_url_file_is_refused(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    with pytest.raises(ArgumentError, match=words):
        check_url_file(str(path))


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    for candidate in read(data):
        assert isinstance(candidate, MalformedRow) or ":" in candidate.url

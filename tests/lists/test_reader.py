"""Lists of every kind, whole and damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.lists.columns import Columns
from imgcrawl.lists.lines import MAX_LINE, lines
from imgcrawl.lists.look import Sample, find_columns
from imgcrawl.lists.opening import split_member
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import MalformedRow, Row
from imgcrawl.records.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = [{"id": str(n), "url": f"http://a.example/{n},x.jpg", "label": "cat"} for n in range(1, 6)]


def text(delimiter: str, quote: str = '"') -> bytes:
    cells = [["id", "url", "label"], *([r["id"], r["url"], r["label"]] for r in ROWS)]
    return "\r\n".join(delimiter.join(f"{quote}{c}{quote}" for c in row) for row in cells).encode()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), buffer)
    return buffer.getvalue()


KINDS: dict[str, Callable[[], bytes]] = {
    "csv": lambda: text(","),
    "tsv": lambda: text("\t", ""),
    "semicolons": lambda: text(";"),
    "json": lambda: json.dumps(ROWS).encode(),
    "json of tables": lambda: json.dumps({"info": {"x": 1}, "images": ROWS}).encode(),
    "jsonl": lambda: "\n".join(map(json.dumps, ROWS)).encode(),
    "parquet": parquet,
}


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "read me")
        archive.writestr("data/list", data)
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "zip": zipped,
}


def read(path: Path, member: str = "") -> list[Row | MalformedRow]:
    with open_rows(str(path), member) as found:
        return list(found)


def fields(path: Path) -> list[dict[str, Any]]:
    return [row.fields for row in read(path) if isinstance(row, Row) and "url" in row.fields]


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_compression(kind: str, packed: str, tmp_path: Path) -> None:
    path = tmp_path / "list"  # no extension: a list is what its bytes are
    path.write_bytes(PACKED[packed](KINDS[kind]()))
    assert fields(path) == ROWS
    first = read(path)[:100]
    assert find_columns(Sample.of(first), {}, "list").columns == Columns("url", "id", "label")


def test_plain_text_is_a_url_a_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(
        "# mine\nhttp://a.example/u=1,2&fm=72\n\n  https://b.example/x \njavascript:x\n"
    )
    assert [f["url"] for f in fields(path)] == [
        "http://a.example/u=1,2&fm=72",
        "https://b.example/x",
        "javascript:x",
    ]
    assert [row.number for row in read(path)] == [2, 4, 5]


def test_without_a_header_the_url_is_found(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("a cat\thttp://a.example/1\nb\thttp://a.example/2\n")
    found = read(path)
    assert find_columns(Sample.of(found), {}, "list").columns.url == "column_2"
    assert len(found) == 2


JUNK = {
    "NUL": b"2\0,http://a.example/2,x",
    "a long line": b"2,http://a.example/" + b"x" * 100_000 + b",x",
    "an open quote": b'2,"http://a.example/2,x',
    "no URL and too few columns": b"2",
}


@pytest.mark.parametrize("kind", JUNK)
def test_junk_loses_itself_alone_and_says_where(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    good = [f"{n},http://a.example/{n},x".encode() for n in (1, 3, 4, 5)]
    path.write_bytes(b"\n".join([b"id,url,label", good[0], JUNK[kind], *good[1:]]))
    found = read(path)
    assert [r.fields["id"] for r in found if isinstance(r, Row)] == ["1", "3", "4", "5"]
    (junk,) = [r for r in found if isinstance(r, MalformedRow)]
    assert junk.where == "line 3"
    assert len(str(junk)) < 400


def test_a_cell_with_line_breaks_is_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('id,url,caption\n1,http://a.example/1,"two\nlines ""quoted"""\n2,http://b/,x\n')
    assert [f["caption"] for f in fields(path)] == ['two\nlines "quoted"', "x"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"<!doctype html><title>Sign in", "web page"),
        (b"name,age\nx,1\n", "first: row 2: x 1"),
        (b"hello\nworld\n", "The first: row 1: hello"),
        (b"PAR1 and then nothing", "no Parquet"),
        (b'{"images": [{"id": 1}]}', "no list of URLs"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\0", "no list of URLs"),
        (b"PK\x03\x04 and then nothing", "cannot be unpacked"),
        (gzip.compress(b"x" * 1000, mtime=0)[:20], "decompressed"),
    ],
)
def test_what_is_no_list_is_refused_with_its_first_line(
    data: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    with pytest.raises(ArgumentError, match=words):
        find_columns(Sample.of(read(path)), {}, "list")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(text(","))
    with pytest.raises(ArgumentError, match="it has: id, url, label"):
        find_columns(Sample.of(read(path)), {"url": "link"}, "list.csv")


def test_members_of_a_zip_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/one.csv", "url\nhttp://a.example/1")
        archive.writestr("x/two.csv", "url\nhttp://a.example/2")
    assert split_member(f"{path}#two.csv") == (str(path), "two.csv")
    assert fields_of(path, "two.csv") == ["http://a.example/2"]
    with pytest.raises(ArgumentError, match="name one"):
        read(path)
    with pytest.raises(ArgumentError, match="no member"):
        read(path, "three.csv")


def fields_of(path: Path, member: str) -> list[str]:
    return [row.fields["url"] for row in read(path, member) if isinstance(row, Row)]


@pytest.mark.parametrize("packed", ["gzip", "bzip2", "xz", "zstd"])
def test_a_cut_archive_gives_what_came_before(packed: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    many = b"url\n" + b"".join(b"http://a.example/%d/%d\n" % (n, n * 7919) for n in range(60_000))
    whole = PACKED[packed](many)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    found = read(path)
    assert len(found) > 1000
    assert isinstance(found[-1], MalformedRow)


@given(st.binary(max_size=2000))
def test_lines_of_any_bytes(data: bytes) -> None:
    for line in lines(io.BytesIO(data)):
        assert isinstance(line, MalformedRow) or "\n" not in line[1]


@given(st.binary(min_size=1, max_size=500))
def test_no_bytes_raise_but_what_is_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as room, suppress(ArgumentError):
        path = Path(room, "list")
        path.write_bytes(data)
        find_columns(Sample.of(read(path)), {}, "list")


def test_the_longest_line_is_bounded() -> None:
    (junk,) = lines(io.BytesIO(b"x" * (MAX_LINE * 3)))
    assert isinstance(junk, MalformedRow)

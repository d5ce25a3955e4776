"""JSON of any size and any damage, a record at a time."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.lists import json_batch, json_records
from imgcrawl.lists.json_records import read_json
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import MalformedRow, Row

if TYPE_CHECKING:
    from pathlib import Path


def read(data: bytes) -> list[Row | MalformedRow]:
    return list(read_json(io.BytesIO(data)))


def rows(data: bytes) -> list[dict[str, Any]]:
    return [row.fields for row in read(data) if isinstance(row, Row)]


def junk(data: bytes) -> list[MalformedRow]:
    return [row for row in read(data) if isinstance(row, MalformedRow)]


IMAGES = [{"url": [f"http://a.example/{n}.jpg"], "image_id": n} for n in range(1, 9)]


def document(records: list[str]) -> bytes:
    text = ",\n".join(records)
    return f'{{"info": {{"year": 2018}}, "images": [{text}], "annotations": []}}'.encode()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_every_shape_gives_its_records(
    indent: int | None, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "CHUNK", chunk)
    document = {"info": {"a": 1}, "images": IMAGES, "annotations": [{"image_id": 1}], "n": 12}
    found = read(json.dumps(document, indent=indent).encode())
    assert [r.fields for r in found if isinstance(r, Row) and r.table == "images"] == IMAGES
    assert [r.fields for r in found if isinstance(r, Row) and r.table == "annotations"] == [
        {"image_id": 1}
    ]
    assert not [r for r in found if isinstance(r, MalformedRow)]
    assert rows(json.dumps(IMAGES, indent=indent).encode()) == IMAGES
    assert rows("\n".join(json.dumps(image) for image in IMAGES).encode()) == IMAGES
    assert rows(b"\xef\xbb\xbf" + json.dumps(IMAGES).encode()) == IMAGES


@pytest.mark.parametrize(
    "broken",
    [
        '{"url": ["http://a.example/4.jpg], "image_id": 4}',  # a quote that is not closed
        '{"url": ["http://a.example/4.jpg"], "image_id": }',
        '{"url": ["http://a.example/4.jpg"], "image_id": 4',  # a brace that is not closed
        "xx",
        '{"url": ["http://a.example/4.jpg\0"], "image_id": 4}',
        '"just a text"',
        "4",
        "[1, 2]",
        '{"url": NaN nonsense}',
    ],
)
def test_what_is_broken_costs_itself_and_nothing_after_it(broken: str) -> None:
    records = [json.dumps(image) for image in IMAGES]
    records[3] = broken
    data = document(records)
    kept = [fields for fields in rows(data) if "image_id" in fields]
    assert [fields["image_id"] for fields in kept] == [1, 2, 3, 5, 6, 7, 8]
    assert len(junk(data)) >= 1
    assert "4" in junk(data)[0].where


def test_a_cut_file_keeps_what_was_whole() -> None:
    data = document([json.dumps(image) for image in IMAGES])
    cut = data[: data.index(b'"image_id": 6')]
    assert [fields["image_id"] for fields in rows(cut) if "image_id" in fields] == [1, 2, 3, 4, 5]
    assert junk(cut)


def test_a_damaged_archive_keeps_what_came_before() -> None:
    packed = gzip.compress(document([json.dumps(i) for i in IMAGES * 5000]), 1)
    found = list(read_json(gzip.GzipFile(fileobj=io.BytesIO(packed[: len(packed) // 2]))))  # type: ignore[arg-type]
    assert len(found) > 1000
    assert isinstance(found[-1], MalformedRow)


def test_a_record_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "MAX_RECORD", 10_000)
    monkeypatch.setattr(json_records, "CHUNK", 1000)
    records = [json.dumps(image) for image in IMAGES]
    records[3] = '{"url": "' + "x" * 50_000
    data = document(records)
    assert {fields["image_id"] for fields in rows(data) if "image_id" in fields} >= {1, 2, 3, 5}


def test_deep_nesting_is_junk() -> None:
    data = document([json.dumps(IMAGES[0]), "[" * 100_000, json.dumps(IMAGES[1])])
    assert [f["image_id"] for f in rows(data) if "image_id" in f] == [1, 2]


@given(st.binary(max_size=400))
def test_no_bytes_at_all_raise(data: bytes) -> None:
    read(data)
    read(b'{"images": [' + data)
    read(b"[" + data + b"]")


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=8), st.one_of(st.text(), st.integers(), st.none()), max_size=4
        ),
        max_size=8,
    ),
    st.integers(1, 40),
)
def test_what_json_can_hold_comes_through(records: list[dict[str, Any]], chunk: int) -> None:
    whole = json_records.CHUNK
    json_records.CHUNK = chunk
    try:
        data = json.dumps({"images": records, "x": 1}, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        found = [r.fields for r in read(data) if isinstance(r, Row) and r.table == "images"]
    finally:
        json_records.CHUNK = whole
    if data.decode("utf-8", "replace") == data.decode("utf-8", "surrogatepass"):
        assert found == records


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        *(
            ("callback(", ");"),
            ("jQuery1102_15 ( ", ")"),
            ("/**/cb.of.mine(", ");\n"),
            ("a['b'](", ")"),
        ),
        *(
            ("var images = ", ";"),
            ("window.data=", ""),
            ("export default ", ";\n"),
            (")]}',\n", ""),
        ),
        *(("while(1);", ""), ("for (;;);", ""), ("\ufeffmodule.exports = ", ";")),
    ],
)
@pytest.mark.parametrize("shape", [IMAGES, {"images": IMAGES}, {"photos": {"photo": IMAGES}}])
def test_json_within_a_script_is_read(before: str, behind: str, shape: Any, tmp_path: Path) -> None:
    path = tmp_path / "list.js"
    path.write_text(before + json.dumps(shape) + behind, "utf-8")
    with open_rows(str(path)) as found:
        kept = [*found]
    assert [row.fields for row in kept if isinstance(row, Row)] == IMAGES
    assert len(kept) == len(IMAGES)
    path.write_text(before + json.dumps(shape) + behind + "alert(1)", "utf-8")
    with open_rows(str(path)) as found:
        assert [row.problem for row in found if isinstance(row, MalformedRow)] == [
            "more text behind the end of the list"
        ]


def one_at_a_time(data: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Row | MalformedRow]:
    with monkeypatch.context() as patch:
        patch.setattr(json_batch, "MIN_TEXT", 1 << 40)
        return read(data)


PIECES = st.sampled_from(
    [
        *(
            '{"url": "http://a.example/1.jpg", "n": 1}',
            '{"n": 12345678901234567890123, "x": 1e400}',
        ),
        *(
            '{"boxes": [{"n": 1}, {"n": 2}], "n": 3}',
            '{"n": "},\\n{\\"n\\": "}',
            "[1, 2]",
            '"a, b"',
        ),
        *(
            '{"n": "a\nb"}',
            '{"n": "},\n{"}',
            '{"n": 1',
            '"n": 1}',
            "}",
            "{",
            "]",
            '"',
            "12",
            "null",
            "x",
        ),
        *('{"n": [{"n": 1},\n{"n": 2}]}', '{\n "n": 5\n}', '{"n": "\\ud800"}', '{"n": NaN}'),
    ]
)


@given(
    pieces=st.lists(PIECES, min_size=1, max_size=12),
    between=st.sampled_from([",\n", ", ", ",", "\n", "\r\n", " ,\n\n", ",,\n"]),
    around=st.sampled_from([("[", "]"), ("", ""), ('{"images": [', '], "info": {}}')]),
)
def test_records_decoded_at_once_are_those_decoded_one_at_a_time(
    pieces: list[str], between: str, around: tuple[str, str]
) -> None:
    data = between.join(pieces * 3).join(around).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_batch, "MIN_TEXT", 1)
        at_once = read(data)
        assert at_once == one_at_a_time(data, patch)


def test_most_records_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode = json_batch.JsonBatch.decode

    def counted(self: json_batch.JsonBatch, *where: Any) -> tuple[list[Any], int]:
        found = decode(self, *where)
        decoded.append(len(found[0]))
        return found

    monkeypatch.setattr(json_batch.JsonBatch, "decode", counted)
    many = [{"url": [f"http://a.example/{n}.jpg"], "of": [{"n": n}, {"n": 1}]} for n in range(8000)]
    for indent in (None, 1):
        decoded.clear()
        assert rows(json.dumps({"images": many}, indent=indent).encode()) == many
        assert sum(decoded) > 7900
    decoded.clear()
    assert rows("\n".join(map(json.dumps, many)).encode()) == many
    assert sum(decoded) > 7900

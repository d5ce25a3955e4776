"""Lists in one JSON object, in every shape that people give them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from imgcrawl.lists.json_records import read_json
from imgcrawl.lists.listed import ListedPicture, ListedPictures
from imgcrawl.lists.look import Sample, find_columns
from imgcrawl.lists.rows import MalformedRow, Row
from imgcrawl.records.errors import ArgumentError

U = [f"https://h{n % 3}.a.example/p/{n}.jpg" for n in range(9)]


def pictures(document: Any, **given: str) -> list[ListedPicture]:
    text = document if isinstance(document, str) else json.dumps(document)
    rows = list(read_json(io.BytesIO(text.encode())))
    found = list(ListedPictures(find_columns(Sample.of(rows), given, "list")).read(rows))
    assert all(isinstance(each, ListedPicture) for each in found), found
    return [each for each in found if isinstance(each, ListedPicture)]


LABELLED = [("cat", U[0]), ("cat", U[1]), ("dog", U[2])]
SHAPES: dict[str, tuple[Any, list[tuple[str, str, dict[str, Any]]]]] = {
    "columns": (
        {"image_urls": U[:3], "user_ids": ["a", "b", "c"], "captions": ["x", "y", "z"]},
        [("", url, {"captions": text}) for url, text in zip(U, "xyz", strict=False)],
    ),
    "columns, the captions first": (
        {"captions": ["x", "y", "z"], "photos": U[:3]},
        [("", url, {"captions": text}) for url, text in zip(U, "xyz", strict=False)],
    ),
    "one array": ({"urls": U}, [("", url, {}) for url in U]),
    "an array": (U, [("", url, {}) for url in U]),
    "by label": (
        {"cat": U[:2], "dog": U[2:3]},
        [("", url, {"label": label}) for label, url in LABELLED],
    ),
    "by split": (
        {"train": U[:2], "test": U[2:3]},
        [("", U[0], {"split": "train"}), ("", U[1], {}), ("", U[2], {"split": "test"})],
    ),
    "by id": ({"id1": U[1], "id2": U[2]}, [("id1", U[1], {}), ("id2", U[2], {})]),
    "objects by id": (
        {"id1": {"url": U[1], "label": "a"}, "id2": {"url": U[2], "label": "b"}},
        [("id1", U[1], {"label": "a"}), ("id2", U[2], {"label": "b"})],
    ),
    "one object by id": ({"id1": {"link": U[1]}}, [("id1", U[1], {})]),
    "ids by split": (
        {"train": {"a": U[0], "b": U[1]}, "validation": {"c": U[2]}},
        [("a", U[0], {"split": "train"}), ("b", U[1], {}), ("c", U[2], {"split": "validation"})],
    ),
    "pandas, columns": (
        {"link": {"0": U[0], "1": U[1]}, "label": {"0": "a", "1": "b"}},
        [("", U[0], {"label": "a"}), ("", U[1], {"label": "b"})],
    ),
    "pandas, split": (
        {"columns": ["id", "url"], "index": [1, 2], "data": [["x", U[1]], ["y", U[2]]]},
        [("x", U[1], {}), ("y", U[2], {})],
    ),
    "arrays with a header": ([["key", "src"], ["x", U[1]]], [("x", U[1], {})]),
    "arrays of addresses": ([U[:2], U[2:3]], [("", url, {}) for url in U[:3]]),
    "arrays without": ([["x", U[1]], ["y", U[2]]], [("", U[1], {}), ("", U[2], {})]),
    "one record": ({"id": 7, "image_urls": U[:2]}, [("7", U[0], {}), ("7", U[1], {})]),
    "one mapped record": ({"id": 7, "url": U[0]}, [("7", U[0], {})]),
    "a table inside": (
        {"photos": {"page": 1, "photo": [{"id": "1", "url_l": U[0], "url_o": U[1]}]}, "stat": "ok"},
        [("1", U[1], {"url_l": U[0]})],
    ),
    "rows of a viewer": (
        {"features": [], "rows": [{"row_idx": 0, "row": {"url": U[0], "caption": "x"}}]},
        [("", U[0], {"row_idx": 0})],
    ),
    "licences first": (
        {
            "info": {"version": "1.0", "url": "https://a.example/"},
            "licenses": [{"id": 1, "url": "http://cc.example/by", "name": "by"}],
            "annotations": [{"id": n, "image_id": 1} for n in range(300)],
            "images": [{"id": 1, "coco_url": U[0], "file_name": "x.jpg"}],
        },
        [("1", U[0], {"file_name": "x.jpg"})],
    ),
    "sources with addresses beside": (
        {
            "sources": [{"id": n, "url": f"http://s.example/{n}"} for n in range(4)],
            "images": [{"id": 1, "url": U[0]}],
        },
        [("1", U[0], {})],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("indent", [None, 1])
def test_every_shape_gives_its_pictures(shape: str, indent: int | None) -> None:
    document, expected = SHAPES[shape]
    found = pictures(json.dumps(document, indent=indent))
    assert [(each.id, each.urls[0]) for each in found] == [(id_, url) for id_, url, _ in expected]
    for picture, (_, _, metadata) in zip(found, expected, strict=True):
        assert metadata.items() <= picture.metadata.items()


def test_long_columns_and_maps_are_read_whole() -> None:
    urls = [f"https://a.example/{n}.jpg" for n in range(5000)]
    found = pictures({"image_urls": urls, "captions": [f"c{n}" for n in range(5000)]})
    assert [(each.urls[0], each.metadata) for each in found] == [
        (url, {"captions": f"c{n}"}) for n, url in enumerate(urls)
    ]
    assert len(pictures({f"id{n}": url for n, url in enumerate(urls)})) == 5000
    by_label = {f"c{n}": urls[n * 50 : n * 50 + 50] for n in range(100)}
    assert [each.metadata["label"] for each in pictures(by_label)][-1] == "c99"


def test_tables_behind_those_looked_at() -> None:
    urls = [f"https://a.example/{n}.jpg" for n in range(300)]
    splits = {
        split: [{"id": f"{split}{n}", "url": url} for n, url in enumerate(urls)]
        for split in ("train", "test")
    }
    licences = {"licenses": [{"id": n, "url": "http://cc.example/by"} for n in range(8)]}
    found = pictures(splits | licences)
    assert [each.id for each in found] == [f"{split}{n}" for split in splits for n in range(300)]


def test_records_line_by_line_are_no_document() -> None:
    records = [{"id": n, "image_urls": U[n : n + 2]} for n in range(3)]
    found = pictures("\n".join(map(json.dumps, records)))
    assert [each.id for each in found] == ["0", "0", "1", "1", "2", "2"]
    arrays = "\n".join(json.dumps([f"x{n}", U[n]]) for n in range(3))
    assert [each.urls for each in pictures(arrays)] == [[url] for url in U[:3]]
    long = [{"id": n, "url": U[n], "text": "x" * 300_000} for n in range(3)]
    assert [each.id for each in pictures("\n".join(map(json.dumps, long)))] == ["0", "1", "2"]


NESTED: dict[str, dict[str, Any]] = {
    "data.image": {"id": 1, "data": {"image": U[0]}, "annotations": [{"id": 1, "result": []}]},
    "data_row.row_data": {"data_row": {"id": "c1", "row_data": U[0]}, "projects": {}},
    "images[].large_image_url": {
        "asin": "B1",
        "images": [{"small_image_url": U[1], "large_image_url": U[0]}],
    },
    "items[].items[].body.id": {
        "id": "https://www.a.example/canvas/1",
        "items": [{"type": "AnnotationPage", "items": [{"body": {"id": U[0], "type": "Image"}}]}],
    },
    "content.online_media.media[].content": {
        "id": "e1",
        "url": "edan:1",
        "content": {
            "record_link": "https://www.a.example/1",
            "online_media": {"media": [{"content": U[0], "thumbnail": "https://t.example/1"}]},
        },
    },
}


@pytest.mark.parametrize("path", NESTED)
def test_addresses_inside_of_records(path: str) -> None:
    rows = [Row(n, NESTED[path]) for n in (1, 2)]
    assert find_columns(Sample.of(rows), {}, "list").columns.url == path
    assert [each.urls for each in pictures([NESTED[path]], url=path)] == [[U[0]]]


def test_what_is_no_picture_is_said() -> None:
    document = {"images": [{"id": 1, "url": U[0]}, {"id": 2}, {"id": 3, "url": ""}, 7]}
    rows = list(read_json(io.BytesIO(json.dumps(document).encode())))
    listed = ListedPictures(find_columns(Sample.of(rows), {}, "list"))
    found = list(listed.read(rows))
    assert [type(each) for each in found] == [ListedPicture, *[MalformedRow] * 3]
    assert (listed.rows, listed.pictures, listed.malformed) == (4, 1, 3)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"train": {"cat": U[:2], "dog": U[2:3]}, "test": {"cat": U[3:4], "dog": []}},
            [("train", "cat"), ("train", "cat"), ("train", "dog"), ("test", "cat")],
        ),
        ({"pets": {"cat": U[:1], "dog": U[1:2]}}, [("pets", "cat"), ("pets", "dog")]),
        ({"a": {"b": {"c": U[:1]}}, "d": {"e": {"f": U[1:2]}}}, [("a/b", "c"), ("d/e", "f")]),
        ({"x": {"test": {"c": U[:1]}, "dev": {"d": U[1:2]}}}, [("test", "c"), ("dev", "d")]),
    ],
    ids=["split and label", "group and label", "three words", "a split inside"],
)
def test_arrays_under_several_words(document: Any, expected: list[tuple[str, str]]) -> None:
    found = pictures(document)
    assert [each.urls for each in found] == [[url] for url in U[: len(expected)]]
    said = [each.metadata for each in found]
    assert [(row.get("split", row.get("group")), row["label"]) for row in said] == expected


def test_objects_in_arrays_under_words_keep_the_word() -> None:
    records = [{"src": url, "n": n} for n, url in enumerate(U)]
    labels = pictures({"chat": records[:2], "chien": records[2:3]})
    assert [each.metadata["label"] for each in labels] == ["chat", "chat", "chien"]
    splits = pictures({"data": {"train": records[:2], "val": records[2:3]}})
    assert [each.metadata["split"] for each in splits] == ["train", "train", "val"]
    both = pictures({w: [{"url": U[n], "label": "x"}] for n, w in enumerate("ab")})
    assert [each.metadata for each in both] == [{"table": w, "label": "x"} for w in "ab"]


@pytest.mark.parametrize("keys", [["7", "12"], ["a", "b"]])
def test_records_under_their_ids_deep_inside(keys: list[str]) -> None:
    pages = {key: {"title": "t", "imageinfo": [{"url": U[n]}]} for n, key in enumerate(keys)}
    found = pictures({"batchcomplete": "", "query": {"pages": pages}})
    assert [(each.id, each.urls) for each in found] == [(k, [U[n]]) for n, k in enumerate(keys)]


def test_the_split_of_pandas_begins_with_its_columns_or_its_index() -> None:
    parts = {"columns": ["label", "url"], "index": [0, 1], "data": [["a", U[0]], ["b", U[1]]]}
    for first in ("columns", "index"):
        found = pictures({first: parts[first], **parts})
        assert [each.metadata for each in found] == [{"label": "a"}, {"label": "b"}]


LICENCES = [{"id": n, "name": "by", "url": f"http://cc.example/{n}"} for n in range(1, 9)]


@pytest.mark.parametrize("table", ["licenses", "sources", "contributors"])
def test_names_of_files_alone_are_refused_whatever_stands_beside_them(table: str) -> None:
    images = [{"id": n, "file_name": f"{n:04}.png"} for n in range(4)]
    rows = list(read_json(io.BytesIO(json.dumps({table: LICENCES, "images": images}).encode())))
    with pytest.raises(ArgumentError, match="-a base="):
        find_columns(Sample.of(rows), {}, "list")
    found = find_columns(Sample.of(rows), {}, "list", "http://h.example/val")
    assert found.tables == {"images"}


def test_plain_values_beside_a_table_for_pictures_are_no_pictures() -> None:
    document = {"data": [{"id": 1, "image_id": "x"}], "config": {"iiif_url": "http://i.example/2"}}
    rows = list(read_json(io.BytesIO(json.dumps(document).encode())))
    with pytest.raises(ArgumentError, match="no list of URLs"):
        find_columns(Sample.of(rows), {}, "list")

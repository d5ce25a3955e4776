"""Lists that were made for other programs than one that fetches pictures."""

from __future__ import annotations

import base64
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.lists.listed import ListedPicture, ListedPictures
from imgcrawl.lists.look import find_columns, open_looked_at
from imgcrawl.records.errors import ArgumentError
from tests.pictures.samples import saved

if TYPE_CHECKING:
    from pathlib import Path

U = [f"https://img.example.org/p/{n}.jpg" for n in range(9)]
PNG = saved("PNG")
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"

# What is written, and (id, address, some columns) of each picture in it.
LISTS: dict[str, tuple[str, list[tuple[str, str, dict[str, Any]]]]] = {
    "a table of Markdown": (
        "| id | image | label |\n|---:|:-----:|-------|\n"
        f"| 7 | {U[1]} | cat |\n| 8 | {U[2]} | dog |\n",
        [("7", U[1], {"label": "cat"}), ("8", U[2], {"label": "dog"})],
    ),
    "pictures in Markdown": (
        f"# Mine\n\n- ![a cat]({U[1]})\n- ![a dog]({U[2]} \"a title\")\n"
        f'<img src="{U[3]}" width=3>\n',
        [("", U[n], {}) for n in (1, 2, 3)],
    ),
    "a list of Python's": (
        f"urls = ['{U[1]}', '{U[2]}',\n  '{U[3]}']\n",
        [("", U[n], {}) for n in (1, 2, 3)],
    ),
    "R's write.table": (
        '"url" "label"\n' + "".join(rf'"{n}" "{U[n]}" "big \"{n}\""' + "\n" for n in (1, 2, 3)),
        [("", U[n], {"label": f'big "{n}"', "column_1": str(n)}) for n in (1, 2, 3)],
    ),
    "R's write.table with tabs": (
        "url\tlabel\n" + "".join(f"{n}\t{U[n]}\ta b\n" for n in (1, 2, 3)),
        [("", U[n], {"label": "a b", "column_1": str(n)}) for n in (1, 2, 3)],
    ),
    "addresses with commas between them": (
        ",".join(U[1:6]),
        [("", url, {}) for url in U[1:6]],
    ),
    "as many in a line as there are": (
        f"{U[1]},{U[2]},{U[3]}\n{U[4]}\n{U[5]}, {U[6]}\n",
        [("", url, {}) for url in U[1:7]],
    ),
    "line ends of three kinds": (
        f"id,url\r\n1,{U[1]}\n2,{U[2]}\r3,{U[3]}\r\n",
        [(f"{n}", U[n], {}) for n in (1, 2, 3)],
    ),
    "quotes of a word processor": (
        f"id,url\n1,\u201c{U[1]}\u201d\n2,\u201e{U[2]}\u201c\n3,\u00ab{U[3]}\u00bb\n4,\u200b{U[4]}\n",
        [(f"{n}", U[n], {}) for n in (1, 2, 3, 4)],
    ),
    "arrays of Postgres": (
        f'id,images\n1,"{{{U[1]},{U[2]}}}"\n2,"{{{U[3]}}}"\n',
        [("1", U[1], {}), ("1", U[2], {}), ("2", U[3], {})],
    ),
    "lines of Python's, as of Amazon's products": (
        "".join(
            f"{{'asin': '000{n}', 'imUrl': '{U[n]}', 'title': \"it's\", 'price': None}}\n"
            for n in (1, 2)
        ),
        [("0001", U[1], {"title": "it's", "price": None}), ("0002", U[2], {})],
    ),
    "a header behind a hundred remarks": (
        "# a remark, with commas\n" * 120 + f"id,url\n7,{U[1]}\n8,{U[2]}\n",
        [("7", U[1], {}), ("8", U[2], {})],
    ),
    "a script of curl's": (
        "#!/bin/sh\n" + "".join(f'curl -L -o a{n}.jpg "{U[n]}"\n' for n in (1, 2, 3)),
        [(f"a{n}.jpg", U[n], {}) for n in (1, 2, 3)],
    ),
    "a text file of Hive's": (
        "".join(f"{n}\x01{U[n]}\x01cat, or {n}\n" for n in (5, 7, 8)),
        [("5", U[5], {"column_3": "cat, or 5"}), ("7", U[7], {}), ("8", U[8], {})],
    ),
    "JSON in the cells of a CSV": (
        "id,data\n" + "".join(f'{n},"{{""w"": 3, ""url"": ""{U[n]}""}}"\n' for n in (1, 2)),
        [("1", U[1], {"data": {"w": 3, "url": U[1]}}), ("2", U[2], {})],
    ),
    "objects of Python's in the cells of a CSV": (
        "id,media\n" + "".join(f"{n},\"[{{'url': '{U[n]}', 'w': None}}]\"\n" for n in (1, 2)),
        [("1", U[1], {}), ("2", U[2], {})],
    ),
    "addresses out of HTML": (
        "id,url\n" + "".join(f"{n},https://a.example/i.jpg?w=9&amp;id={n}\n" for n in (1, 2)),
        [(f"{n}", f"https://a.example/i.jpg?w=9&id={n}", {}) for n in (1, 2)],
    ),
    "splits around labels": (
        json.dumps(
            {
                "train": {"cat": [{"url": U[1]}], "dog": [{"url": U[2]}]},
                "val": {"cat": [{"url": U[3]}]},
            }
        ),
        [
            ("", U[1], {"split": "train", "label": "cat"}),
            ("", U[2], {"split": "train", "label": "dog"}),
            ("", U[3], {"split": "val", "label": "cat"}),
        ],
    ),
    "Vertex AI, of three rows": (
        "".join(f"{s},gs://a-bucket/{s}.jpg,cat\n" for s in ("TRAIN", "TEST", "VALIDATION")),
        [("", f"gs://a-bucket/{s}.jpg", {"column_1": s}) for s in ("TRAIN", "TEST", "VALIDATION")],
    ),
    "Rekognition and SageMaker": (
        "".join(f'{{"source-ref": "s3://a-bucket/a b{n}.jpg", "m": {{"x": 1}}}}\n' for n in (1, 2)),
        [("", f"s3://a-bucket/a b{n}.jpg", {"m": {"x": 1}}) for n in (1, 2)],
    ),
    "the same in a bucket and on the web": (
        "id,s3_uri,image_url\n" + "".join(f"{n},s3://a-bucket/{n}.jpg,{U[n]}\n" for n in (1, 2)),
        [(f"{n}", U[n], {"s3_uri": f"s3://a-bucket/{n}.jpg"}) for n in (1, 2)],
    ),
    "conversations of a vision model": (
        "".join(
            json.dumps({"messages": [{"role": "user", "content": [
                {"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": U[n]}},
            ]}]}) + "\n" for n in (1, 2)
        ),
        [("", U[1], {}), ("", U[2], {})],
    ),
    "requests of a browser": (
        json.dumps({"log": {"entries": [{"request": {"url": U[n]}} for n in (1, 2)]}}),
        [("", U[1], {}), ("", U[2], {})],
    ),
}  # fmt: skip


def pictures(path: Path, text: str) -> list[Any]:
    path.write_text(text, "utf-8", newline="")
    with open_looked_at(str(path)) as (sample, rows):
        return [*ListedPictures(find_columns(sample, {}, str(path))).read(rows)]


@pytest.mark.parametrize("name", LISTS)
def test_each_picture_is_found(name: str, tmp_path: Path) -> None:
    text, expected = LISTS[name]
    found = pictures(tmp_path / "list", text)
    assert [(each.id, *each.urls) for each in found] == [(i, url) for i, url, _ in expected]
    for each, (_, _, columns) in zip(found, expected, strict=True):
        assert each.fields | columns == each.fields


@pytest.mark.parametrize("word", ["NULL", "NaN", "None", "n/a", "\\N", "-", "[]", ""])
def test_a_word_for_nothing_is_no_address(word: str, tmp_path: Path) -> None:
    lines = [f"1,{U[1]}", f"2,{word}", f"3,{U[3]}", f"4,{U[4]}"]
    found = pictures(tmp_path / "list.csv", "\n".join(["id,url", *lines]))
    assert [isinstance(each, ListedPicture) for each in found] == [True, False, True, True]
    assert "no URL in 'url'" in str(found[1])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            [{"id": 1, "image": DATA, "label": "x"}, {"id": 2, "image": U[2], "label": "y"}]
        ),
        f"id,image,label\n1,{DATA},x\n2,{U[2]},y\n",
        f'id,image,label\n1,"{DATA}",x\n2,{U[2]},y\n',
    ],
)
def test_pictures_in_data_addresses_are_there_already(text: str, tmp_path: Path) -> None:
    first, second = pictures(tmp_path / "list", text)
    assert (first.id, first.body, first.urls) == ("1", PNG, [])
    assert (second.id, second.body, second.urls) == ("2", b"", [U[2]])
    assert (first.fields["label"], second.fields["label"]) == ("x", "y")
    assert "image" not in first.metadata  # a row of a table has no room for it


def test_a_broken_data_address_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    broken = f"{DATA[: len(DATA) // 2]}!~*"
    record, _ = pictures(tmp_path / "list", json.dumps([{"image": broken}, {"image": DATA}]))
    assert PNG.startswith(record.body[:100])


def test_hosts_without_a_scheme_are_told_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r'-a url="https://\{link\}"'):
        pictures(tmp_path / "list", "id,link\n1,img.example.org/1.jpg\n2,img.example.org/2.jpg\n")


def test_a_broken_line_of_pythons_spoils_nothing_else(tmp_path: Path) -> None:
    lines = [f"{{'url': '{U[1]}'}}", "{'url': open('/etc/passwd')}", "{'url': 'x", "[1]"]
    text = "\n".join([*lines, "{'a': " + "[" * 9000, f"{{'url': '{U[2]}'}}"])
    found = pictures(tmp_path / "list", text)
    assert [isinstance(each, ListedPicture) for each in found] == [True, *[False] * 4, True]


def test_what_macos_puts_into_a_zip_is_no_member(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as archive:
        archive.writestr("__MACOSX/._list.csv", b"\0\5\x16\7")
        archive.writestr("lists/.DS_Store", b"\0\0\0\1Bud1")
        archive.writestr("lists/list.csv", f"id,url\n1,{U[1]}\n")
    with open_looked_at(str(tmp_path / "list.zip")) as (sample, _):
        assert sample.rows == 1

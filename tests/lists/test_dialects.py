"""Tables as people have them: quotes that are none, commas in addresses, headers and none."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.lists.cells import fit_cells, split_cells
from imgcrawl.lists.delimited import read_text
from imgcrawl.lists.dialect import find_dialect
from imgcrawl.lists.lines import say_guess
from imgcrawl.lists.reader import open_rows
from imgcrawl.lists.rows import MalformedRow, Row

if TYPE_CHECKING:
    from pathlib import Path

    from imgcrawl.lists.rows import MalformedRow as Junk

U = [f"https://img{n % 3}.a.example/p/{n}.jpg" for n in range(9)]


def read(tmp_path: Path, data: str | bytes) -> list[Row | Junk]:
    path = tmp_path / "list"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with open_rows(str(path)) as rows:
        return list(rows)


def fields(tmp_path: Path, data: str | bytes) -> list[dict[str, str]]:
    found = read(tmp_path, data)
    assert all(isinstance(row, Row) for row in found), found
    return [row.fields for row in found if isinstance(row, Row)]


CAPTIONS = ["plain", 'a 5" gun', '"Quoted" start', '7" single', 'end "quoted"', '"all of it"']


@pytest.mark.parametrize("header", ["", "url\tcaption\n"])
def test_quotes_in_a_tsv_are_text(header: str, tmp_path: Path) -> None:
    lines = [f"{url}\t{caption}" for url, caption in zip(U, CAPTIONS, strict=False)]
    found = fields(tmp_path, header + "\n".join(lines))
    assert [[*row.values()] for row in found] == [list(each) for each in zip(U, CAPTIONS)]  # noqa: B905


def test_a_tsv_of_r_or_pandas_is_quoted(tmp_path: Path) -> None:
    found = fields(tmp_path, f'"id"\t"url"\t"text"\n"1"\t"{U[1]}"\t"a ""b"""\n"2"\t"{U[2]}"\t"c"\n')
    assert found == [
        {"id": "1", "url": U[1], "text": 'a "b"'},
        {"id": "2", "url": U[2], "text": "c"},
    ]
    # Of those that quote only what must be: a tab, a line break, or a quote is inside.
    found = fields(tmp_path, f'url\ttext\n{U[1]}\t"a\tb\n""c"""\n{U[2]}\t"d"\n')
    assert [row["text"] for row in found] == ['a\tb\n"c"', '"d"']


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_a_quote_that_is_not_closed_costs_its_line_at_most(delimiter: str, tmp_path: Path) -> None:
    lines = [
        ["1", 'a 5" gun', U[1]],
        ["2", '"Quoted start', U[2]],
        ["3", '"closed" late', U[3]],
        ["4", "text", f'"{U[4]}'],
        ["5", '"two ""quoted""\nlines"', U[5]],
        ["6", 'end "quoted"', U[6]],
    ]
    text = "\n".join(delimiter.join(line) for line in [["id", "caption", "url"], *lines])
    found = read(tmp_path, text)
    rows = {r.fields["id"]: r.fields for r in found if isinstance(r, Row)}
    assert [*rows] == ["1", "2", "3", "5", "6"]
    assert [rows[n]["url"] for n in rows] == [U[1], U[2], U[3], U[5], U[6]]
    assert rows["2"]["caption"] == '"Quoted start'
    assert rows["5"]["caption"] == 'two "quoted"\nlines'
    (junk,) = [r for r in found if isinstance(r, MalformedRow)]
    assert (junk.where, junk.problem) == ("line 5", "a quote that is not closed")


PLAIN = {
    "commas in addresses": ["https://t.example/photo/100,200", "https://t.example/photo/101,201"],
    "sizes of an image service": [f"https://r.example/w_300,h_{n}/a.jpg" for n in range(3)],
    "a query": ["http://i.example/u=157,191&fm=72", "http://i.example/u=158,193&fm=72"],
    "words in addresses": ["https://t.example/x,paris", "https://t.example/y,rome"],
    "pipes in addresses": ["https://t.example/a|b.jpg", "https://t.example/c|d.jpg"],
    "semicolons": ["https://a.example/x;jsessionid=1", "https://a.example/y;jsessionid=2"],
    "blanks in addresses": ["https://a.example/my photo.jpg", "https://a.example/my cat.png"],
}


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("header", ["", "url\n", "image_url\n"])
def test_a_line_is_an_address(kind: str, header: str, tmp_path: Path) -> None:
    found = fields(tmp_path, header + "\n".join(PLAIN[kind]))
    assert [*found[0]] == [header.strip() or "url"]
    assert [value for row in found for value in row.values()] == PLAIN[kind]


PARTED = {
    "URL,label": [f"{url},cat {n}" for n, url in enumerate(U)],
    "URL,number": [f"{url},{n}" for n, url in enumerate(U)],
    "URL,class": [f"https://t.example/photo/{n},{'cat' if n % 2 else 'dog'}" for n in range(9)],
    "URL;label": [f"{url};cat {n}" for n, url in enumerate(U)],
    "URL label": [f"{url} {n}" for n, url in enumerate(U)],
    "URL  caption": [f"{url}  a cat on a mat {'x ' * n}" for n, url in enumerate(U)],
    "label,URL": [f"cat {n},{url}" for n, url in enumerate(U)],
    "label URL": [f"cat{n} {url}" for n, url in enumerate(U)],
    "caption URL": [f"a cat {'x ' * n} {url}" for n, url in enumerate(U)],
    "id url l t r b": [f"{n:08} {url} 22.0 44.0 12.0 15.0" for n, url in enumerate(U)],
    "quoted": [f'"{url}","a, b"' for n, url in enumerate(U)],
    "scheme-relative": [f"{n},{url[6:]}" for n, url in enumerate(U)],
}


@pytest.mark.parametrize("kind", PARTED)
def test_a_label_is_never_glued_to_an_address(kind: str, tmp_path: Path) -> None:
    found = fields(tmp_path, "\n".join(PARTED[kind]))
    assert len(found) == len(U)
    assert len({len(row) for row in found}) == 1
    assert len(found[0]) > 1
    for row, url in zip(found, U, strict=True):
        photo = url.replace("img0.a", "t").replace("img1.a", "t").replace("img2.a", "t")
        photo = photo.replace("/p/", "/photo/").removesuffix(".jpg")
        assert {url, url[6:], photo} & {*row.values()}


def test_columns_with_commas_that_nobody_quoted(tmp_path: Path) -> None:
    text = (
        "id,url,label\n1,https://h.example/a,b.jpg,cat\n2,https://h.example/a.jpg,cat,dog\n"
        "3,https://h.example/x,1,2\n4,https://h.example/4.jpg,cat,,\n"
    )
    found = read(tmp_path, text)
    rows = [row.fields for row in found if isinstance(row, Row)]
    assert rows == [
        {"id": "1", "url": "https://h.example/a,b.jpg", "label": "cat"},
        {"id": "2", "url": "https://h.example/a.jpg", "label": "cat,dog"},
        {"id": "4", "url": "https://h.example/4.jpg", "label": "cat"},
    ]
    (junk,) = [row for row in found if isinstance(row, MalformedRow)]
    assert (junk.where, junk.problem) == (
        "line 4",
        "4 columns in place of 3: quote cells with ','",
    )
    piped = fields(tmp_path, "id|url\n1|https://h.example/a|b.jpg\n2|https://h.example/c.jpg\n")
    assert [row["url"] for row in piped] == ["https://h.example/a|b.jpg", "https://h.example/c.jpg"]
    rest = fields(tmp_path, "caption,url\na cat, sitting, red,https://h.example/1.jpg\n")
    assert rest == [{"caption": "a cat, sitting, red", "url": "https://h.example/1.jpg"}]


BEFORE = {
    "Excel's separator": "sep=;\r\nid;url\r\n",
    "a remark": "# exported 2024-01-01\nid;url\n",
    "a title": "My list of images\n\nid;url\n",
    "a title with a semicolon": "Images; mine\nid;url\n",
    "a byte order mark": "\ufeffid;url\n",
    "a header that is a remark": "#id;url\n",
}


@pytest.mark.parametrize("kind", BEFORE)
def test_what_stands_before_the_header(kind: str, tmp_path: Path) -> None:
    found = fields(tmp_path, BEFORE[kind] + "".join(f"{n};{url}\n" for n, url in enumerate(U)))
    assert found == [{"id": str(n), "url": url} for n, url in enumerate(U)]


def test_rows_without_an_address_come_before_the_first_with_one(tmp_path: Path) -> None:
    found = fields(tmp_path, f"id,url,text\n1,,none\n2,{U[2]},some\n")
    assert [row["id"] for row in found] == ["1", "2"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-8-sig"),
    ],
    ids=["CR", "UTF-16 with a mark", "UTF-16BE", "UTF-16LE", "UTF-8 with a mark"],
)
def test_line_ends_and_encodings(encode: object, pack: object, tmp_path: Path) -> None:
    text = "id\turl\n" + "".join(f"{n}\t{url}\n" for n, url in enumerate(U * 3000))
    data = pack(encode(text))  # type: ignore[operator]
    found = fields(tmp_path, data)
    assert [row["url"] for row in found] == U * 3000
    assert [*found[0]] == ["id", "url"]


def test_what_a_dialect_says_of_itself() -> None:
    assert str(find_dialect(["A title", "id,url", f"1,{U[1]}"])) == (
        "columns between ','; 1 lines before the header passed over"
    )
    assert str(find_dialect(U)) == "a line is one address"


@given(st.lists(st.text(alphabet='"",;\t|a #', max_size=40), max_size=30))
def test_no_table_raises_and_no_cell_is_lost(lines: list[str]) -> None:
    dialect = find_dialect(lines)
    for line in lines:
        cells = dialect.cells(line)
        if dialect.delimiter and dialect.delimiter != " ":
            kept = "".join(cells).replace('"', "").replace(" ", "")
            bare = line.replace(dialect.delimiter, "").replace('"', "").replace(" ", "")
            assert kept.replace(dialect.delimiter, "") == bare
        fit_cells(cells, 2, 1)


@given(st.lists(st.text(alphabet="ab\"' ", max_size=6), min_size=1, max_size=6))
def test_what_was_written_by_the_rules_is_read_by_them(cells: list[str]) -> None:
    line = ",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in cells)
    assert split_cells(line, ",") == cells


def test_a_quoted_cell_that_spans_lines_is_one_although_its_last_line_looks_like_a_row() -> None:
    text = b'id,url\na,http://h/1.jpg\n"b\n2026 line",http://h/2.jpg\nc,http://h/3.jpg\n'
    rows = [*read_text(io.BytesIO(text))]
    assert [row.fields["id"] for row in rows if isinstance(row, Row)] == ["a", "b\n2026 line", "c"]
    assert len(rows) == 3


def test_quotes_at_both_ends_of_two_captions_swallow_no_row(tmp_path: Path) -> None:
    lines = [f'"c\t{U[1]}', f'd 8"\t{U[2]}', f"e\t{U[3]}"]
    assert [[*row.values()] for row in fields(tmp_path, "\n".join(lines))] == [
        ['"c', U[1]],
        ['d 8"', U[2]],
        ["e", U[3]],
    ]
    # And the other way round, in a CSV whose address comes first.
    found = fields(tmp_path, f'url,text\n{U[1]},"c\n{U[2]},d"\n{U[3]},e\n')
    assert [row["text"] for row in found] == ['"c', 'd"', "e"]


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_single_quotes(delimiter: str, tmp_path: Path) -> None:
    lines = [["id", "url", "label"]] + [[f"{n}", U[n], f"it''s{delimiter} {n}"] for n in (1, 2)]
    text = "".join(delimiter.join(f"'{cell}'" for cell in line) + "\n" for line in lines)
    assert fields(tmp_path, text) == [
        {"id": f"{n}", "url": U[n], "label": f"it's{delimiter} {n}"} for n in (1, 2)
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
@pytest.mark.parametrize("header", [("enlace", "imagen"), ("页面", "图片"), ("Страница", "Фото")])
def test_a_header_in_any_language(delimiter: str, header: tuple[str, str], tmp_path: Path) -> None:
    pages = [f"https://www.a.example/page/{n}" for n in range(5)]
    lines = [delimiter.join(cells) for cells in [header, *zip(pages, U, strict=False)]]
    found = fields(tmp_path, "\n".join(lines))
    assert found == [dict(zip(header, cells, strict=True)) for cells in zip(pages, U, strict=False)]


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_a_title_is_no_header_of_addresses_with_delimiters(delimiter: str, tmp_path: Path) -> None:
    urls = [f"https://h.example/w_9{delimiter}h_{n}.jpg" for n in range(4)]
    found = read(tmp_path, "\n".join([f"My pictures{delimiter} 2020", *urls]))
    assert [row.fields["url"] for row in found[-4:] if isinstance(row, Row)] == urls


@pytest.mark.parametrize("encoding", ["gb18030", "shift_jis", "euc_kr", "cp1251", "utf-32"])
def test_other_encodings_are_named(
    encoding: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    say_guess.cache_clear()
    label = {"gb18030": "沙发", "shift_jis": "画像", "euc_kr": "그림"}.get(encoding, "Стол")
    path = tmp_path / "list"
    path.write_bytes(f"id,url,{label}\n1,{U[1]},{label}\n2,{U[2]},{label}\n".encode(encoding))
    for named in ("", encoding):
        with open_rows(str(path), encoding=named) as rows:
            found = [row.fields for row in rows if isinstance(row, Row)]
        assert [row["url"] for row in found] == U[1:3]
    assert [row[label] for row in found] == [label] * 2
    said = [text for text in caplog.messages if "-a encoding=" in text]
    assert len(said) == (encoding != "utf-32")

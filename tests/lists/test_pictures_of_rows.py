"""Which column has the addresses, how many pictures a row has, and addresses made of columns."""

from __future__ import annotations

from typing import Any

import pytest

from imgcrawl.lists.addresses import as_address, split_addresses, without_extension
from imgcrawl.lists.cells import fit_cells
from imgcrawl.lists.columns import Columns
from imgcrawl.lists.look import Sample, find_columns
from imgcrawl.lists.row_pictures import Several, pictures_of
from imgcrawl.lists.rows import Row
from imgcrawl.lists.template import Template
from imgcrawl.records.errors import ArgumentError

PAGE, PICTURE = "https://www.a.example/page/{}", "https://img{}.b.example/p/{}.jpg"
BARE = "https://images.c.example/uploads/14119/f{}"


def columns(names: str, *values: str, **given: str) -> Columns:
    """Return the columns of a table, six rows of which are made of these patterns."""
    rows = [
        Row(n, dict(zip(names.split(","), [v.format(n, n) for v in values], strict=True)))
        for n in range(1, 7)
    ]
    return find_columns(Sample.of(rows), given, "list").columns


LICENCE = "http://creativecommons.example/by/"
TABLES = {
    "iNaturalist": ("id,url,image_url,sound_url", ["{}", PAGE, PICTURE, ""], "image_url"),
    "MoMA": ("ObjectID,URL,ImageURL", ["{}", PAGE, PICTURE + "?sha=137b"], "ImageURL"),
    "Unsplash": ("photo_id,photo_url,photo_image_url", ["x{}", PAGE, BARE], "photo_image_url"),
    "Audubon Core": (
        "coreid,identifier,accessURI,furtherInformationURL,rights",
        ["o{}", PAGE, PICTURE, PAGE, LICENCE],
        "accessURI",
    ),
    "GBIF": (
        "gbifID,type,identifier,references,license",
        ["{}", "StillImage", PICTURE, PAGE, LICENCE],
        "identifier",
    ),
    "a page and a picture": ("id,landing_page,original", ["{}", PAGE, PICTURE], "original"),
    "Open Images": (
        "ImageID,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Thumbnail300KURL",
        ["{}", PICTURE, PAGE, LICENCE, PAGE, PICTURE],
        "OriginalURL",
    ),
    "WIT": ("page_url,image_url,page_title", [PAGE, PICTURE, "T"], "image_url"),
    "a shop": ("product_url,main_image,brand_logo", [PAGE, BARE, PICTURE], "main_image"),
    "thumbnails": ("thumbnail,full", [PICTURE, PICTURE], "full"),
    "one logo for all": ("a,b", ["https://a.example/logo.png", PICTURE], "b"),
    "pages alone": ("Artist Wikidata URL,Link Resource", [LICENCE, PAGE], "Link Resource"),
}


@pytest.mark.parametrize("table", TABLES)
def test_the_column_of_pictures_beside_others(table: str) -> None:
    names, values, url = TABLES[table]
    assert columns(names, *values).url == url
    turned = ",".join(reversed(names.split(",")))
    assert columns(turned, *reversed(values)).url == url


def test_ids_without_a_header() -> None:
    assert columns("column_1,column_2", "img{}", PICTURE).id == "column_1"
    assert columns("column_1,column_2", "{:08}", PICTURE).id == "column_1"
    assert columns("column_1,column_2", "{}", PICTURE).id is None  # the numbers of the lines
    assert columns("column_1,column_2", "cat", PICTURE).id is None
    assert columns("column_1,column_2,column_3", "{}", "600{}", PICTURE).id == "column_2"
    assert columns("name,url", "Person A", PICTURE).id is None  # a class, not an id


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ArgumentError, match="no column 'link'; it has: id, url"):
        columns("id,url", "{}", PICTURE, url="link")


A, B = "https://h1.example/p/1.jpg", "https://h2.example/p/2.jpg"
MIRROR = "https://h2.example/p/1.jpg"


@pytest.mark.parametrize(
    ("name", "value", "several", "expected"),
    [
        ("image_urls", [A, B], "auto", [[A], [B]]),
        ("imageURL", [A, B], "auto", [[A], [B]]),
        ("image_urls", [A, B], "mirrors", [[A, B]]),
        ("url", [A, B], "auto", [[A, B]]),
        ("url", [A, B], "records", [[A], [B]]),
        ("urls", [A, MIRROR], "auto", [[A, MIRROR]]),
        ("mirrors", [A, B], "auto", [[A, B]]),
        ("associatedMedia", f"{A}|{B}", "auto", [[A], [B]]),
        ("associatedMedia", f"{A} | {B}", "auto", [[A], [B]]),
        ("urls", f"{A}; {B}", "auto", [[A], [B]]),
        ("url", f"{A}|{B}", "auto", [[A], [B]]),
        ("urls", f"{A},{B}", "auto", [[A], [B]]),
        ("urls", f"{A} {B}", "auto", [[A], [B]]),
        ("urls", [[A], [B]], "auto", [[A], [B]]),
        ("urls", [A, A, ""], "auto", [[A]]),
        ("url", "", "auto", []),
        ("url", None, "auto", []),
    ],
)
def test_several_addresses_in_a_row(
    name: str, value: Any, several: Several, expected: list[list[str]]
) -> None:
    found = pictures_of({"id": 1, name: value}, Columns(name, "id"), several)
    assert [each.urls for each in found] == expected


def test_each_address_has_its_own_caption() -> None:
    fields = {"id": 1, "url": [A, B], "captions": ["a", "b"], "tags": ["x", "y", "z"]}
    found = pictures_of(fields, Columns("url", "id"))
    assert [(each.urls, each.fields["captions"]) for each in found] == [([A], "a"), ([B], "b")]
    assert found[0].fields["tags"] == ["x", "y", "z"]


def test_mirrors_in_columns_of_their_own() -> None:
    fields = {"id": 1, "coco_url": A, "flickr_url": B}
    assert pictures_of(fields, Columns("coco_url", mirrors=("flickr_url",)))[0].urls == [A, B]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("//h.example/x", "https://h.example/x"),
        ("www.h.example/x", "https://www.h.example/x"),
        ('"https://h.example/x"', "https://h.example/x"),
        ("<https://h.example/x>", "https://h.example/x"),
        (" http://h.example/a,b;c|d ", "http://h.example/a,b;c|d"),
        ("http://h.example/?u=http://x/,http://y/", "http://h.example/?u=http://x/,http://y/"),
        ("https://web.archive.org/web/1/http://x/", "https://web.archive.org/web/1/http://x/"),
    ],
)
def test_spellings_of_an_address(text: str, address: str) -> None:
    assert as_address(text) == address
    assert split_addresses(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "['{}', '{}']",
        '["{}", "{}"]',
        "[{}, {}]",
        ' [ "{}" ,\n"{}" ] ',
        "{}|{}",
        "{}; {}",
        "{} {}",
        "{}, {}",
        "{},{}",
        "{},\n{}",
    ],
)
def test_a_cell_of_several_addresses(text: str) -> None:
    urls = ["https://h.example/a,b.jpg", "https://i.example/c.jpg"]
    assert split_addresses(text.format(*urls)) == urls


def test_file_names_lose_their_extension() -> None:
    names = ["cat_001.jpg", "dog/002.PNG", "v1.2", "a.b.jpeg", ".jpg", "x.jpg.txt", "7"]
    expected = ["cat_001", "dog/002", "v1.2", "a.b", ".jpg", "x.jpg.txt", "7"]
    assert [without_extension(name) for name in names] == expected


def test_addresses_made_of_columns() -> None:
    template = Template("https://o.example/photos/{photo_id}/original.{extension}")
    assert template.address({"photo_id": 7, "extension": "jpg"}) == (
        "https://o.example/photos/7/original.jpg"
    )
    with pytest.raises(ValueError, match="no extension"):
        template.address({"photo_id": 7, "extension": ""})
    found = columns("photo_id,extension", "{}", "jpg", url=template.text)
    assert (found.url, found.id) == (template.text, "photo_id")
    with pytest.raises(ArgumentError, match="no column 'extension'; it has: photo_id"):
        columns("photo_id", "{}", url=template.text)
    odd = Template("https://o.example/{name}").address({"name": "a b/#1?.jpg"})
    assert odd == "https://o.example/a%20b/%231%3F.jpg"
    with pytest.raises(ValueError, match="plain"):
        Template("https://o.example/{name:>9}")


def test_names_of_files_below_an_address() -> None:
    rows = [Row(n, {"id": n, "file_name": f"{n:012}.jpg"}) for n in range(3)]
    found = find_columns(Sample.of(rows), {}, "list", "http://c.example/val2017/")
    (picture,) = pictures_of(rows[1].fields, found.columns, template=found.template)
    assert picture.urls == ["http://c.example/val2017/000000000001.jpg"]


@pytest.mark.parametrize(
    "names", [("image_1", "image_2"), ("Photo1URL", "Photo2URL"), ("u0", "u1")]
)
def test_columns_that_differ_by_a_number_are_several_pictures(names: tuple[str, str]) -> None:
    urls = [[f"https://h.example/{n}/{k}.jpg" for k in "ab"] for n in range(3)]
    rows = [
        Row(n, {"id": f"r{n}", **dict(zip(names, each, strict=True))})
        for n, each in enumerate(urls)
    ]
    rows[2].fields[names[1]] = "nan"  # of pandas, where there is none
    found = find_columns(Sample.of(rows), {}, "list")
    taken = [[p.urls for p in pictures_of(row.fields, found.columns)] for row in rows]
    assert taken == [[[urls[0][0]], [urls[0][1]]], [[urls[1][0]], [urls[1][1]]], [[urls[2][0]]]]
    (one, *more) = pictures_of(rows[0].fields, found.columns, "mirrors")
    assert (one.urls, more) == (urls[0], [])


def test_sizes_of_one_picture_are_not_several() -> None:
    names = ("thumb_256_url", "thumb_1024_url", "thumb_2048_url")
    rows = [Row(n, {name: f"https://h.example/{name}/{n}" for name in names}) for n in range(4)]
    found = find_columns(Sample.of(rows), {}, "list")
    assert found.columns.others == ()


def test_an_address_with_commas_behind_another() -> None:
    picture = "https://i.example/M/1._V1_UX182_CR0,0,182,268_AL_.jpg"
    line = f"1,http://www.example/title/1,T,{picture}"
    assert fit_cells(line.split(","), 4, 1) == ["1", "http://www.example/title/1", "T", picture]

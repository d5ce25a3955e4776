"""The links of pages, as servers write them and as people break them."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Response

from imgcrawl.sources.empiar import missing_names, parse_entry
from imgcrawl.sources.web.links import clean_href, is_markup, next_of_header, read_links
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from imgcrawl.sources.web.page_walk import PageWalk
from imgcrawl.sources.web.query import Leads, canonical, leads
from replicas.indexes import FILES, FOLDER, SERVERS, Row

BASE = "https://a.example/data/"
FILE = LinkKind.FILE
# As ftp.ebi.ac.uk writes a row.
APACHE = """<html><head><title>Index of /data</title></head><body><table>
<tr><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td><img src="/icons/back.gif"></td><td><a href="/">Parent Directory</a></td><td>&nbsp;</td>
<td align="right">  - </td></tr>
<tr><td><img src="/icons/unknown.gif" alt="[   ]"></td><td><a href="s_0001.dm3">s_0001.dm3</a></td>
<td align="right">2023-11-01 10:00  </td><td align="right"> 29M</td><td>&nbsp;</td></tr>
<tr><td><img src="/icons/folder.gif"></td><td><a href="sub/">sub/</a></td>
<td align="right">2023-11-01 10:00  </td><td align="right">  - </td></tr></table>"""
NGINX = """<html><head><title>Index of /data/</title></head><body><pre><a href="../">../</a>
<a href="a%20b.tif">a b.tif</a>                01-Nov-2023 10:00              7950
</pre></body>"""


def files(body: str) -> list[PageLink]:
    return [link for link in read_links(body, BASE) if not link.is_page]


def test_indexes_tell_sizes_and_dates() -> None:
    size = 29 << 20
    (link,) = files(APACHE)
    assert link == PageLink(
        BASE + "s_0001.dm3", size, exact=False, date="2023-11-01 10:00", kind=FILE
    )
    assert [link.url for link in read_links(APACHE, BASE) if link.is_page][-1] == BASE + "sub/"
    (link,) = files(NGINX)
    assert link == PageLink(
        BASE + "a%20b.tif", 7950, exact=True, date="01-Nov-2023 10:00", kind=FILE
    )
    assert link.name == "a b.tif"


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("data/ X/v.tif", "https://a.example/data/data/%20X/v.tif"),
        (" v.tif\n", "https://a.example/data/v.tif"),
        ("v\\w.tif", "https://a.example/data/v/w.tif"),
        ("v.tif#page=2", "https://a.example/data/v.tif"),
        ("//b.example/v.tif", "https://b.example/v.tif"),
        ("/caf\u00e9.tif", "https://a.example/caf%C3%A9.tif"),
        ("javascript:alert(1)", None),
        ("mailto:x@y.example", None),
        ("file:///etc/passwd", None),
        ("#top", None),
        ("http://[::1", None),
        ("", None),
    ],
)
def test_hrefs_are_repaired(href: str, url: str | None) -> None:
    assert clean_href(href, BASE) == url


def test_a_file_that_is_linked_thrice_is_one() -> None:
    body = '<a href="x y.tif"></a><a href="x%20y.tif"></a><a href=" x y.tif "></a><img src=i.png>'
    assert [link.url for link in read_links(body, BASE)] == [BASE + "x%20y.tif", BASE + "i.png"]
    assert [link.is_data for link in read_links(body, BASE)] == [True, False]


def test_a_bucket_is_listed_page_by_page() -> None:
    body = (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Prefix>set/</Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>a+b="
        "</NextContinuationToken><Contents><Key>set/a b.tif</Key><Size>12</Size></Contents>"
        "<CommonPrefixes><Prefix>set/s0/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    url = "https://b.example/?list-type=2&prefix=set%2F&continuation-token=old"
    links = list(read_links(body, url))
    assert links[0].url == "https://b.example/set/a%20b.tif"
    assert (links[0].size, links[0].exact) == (12, True)
    assert links[1].url == "https://b.example/?list-type=2&prefix=set%2Fs0%2F"
    assert links[2].continues
    assert links[2].url.endswith("continuation-token=a%2Bb%3D")
    assert links[2].url.count("continuation-token") == 1


def listing(inner: str, url: str) -> list[PageLink]:
    head = "<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01/'>"
    return list(read_links(f"<?xml version='1.0'?>{head}{inner}</ListBucketResult>", url))


@pytest.mark.parametrize(
    ("inner", "url", "following"),
    [
        # Version 1 without a delimiter: AWS names no next page, it is the one behind the last key.
        ("", "https://b.example/", "https://b.example/?marker=b%2F2.tif"),
        (
            "",
            "https://b.example/?marker=a&prefix=b",
            "https://b.example/?prefix=b&marker=b%2F2.tif",
        ),
        ("<NextMarker>b/z</NextMarker>", "https://g.example/bucket", "?marker=b%2Fz"),
        # Version 2 of a server that forgets its token.
        ("", "https://b.example/?list-type=2", "?list-type=2&start-after=b%2F2.tif"),
        ("<EncodingType>url</EncodingType>", "https://b.example/", "?marker=b%2F2.tif"),
    ],
)
def test_a_listing_that_goes_on_says_where(inner: str, url: str, following: str) -> None:
    keys = "".join(f"<Contents><Key>b/{n}.tif</Key><Size>{n}</Size></Contents>" for n in (1, 2))
    *entries, more = listing(f"{inner}<IsTruncated>true</IsTruncated>{keys}", url)
    assert more.continues
    assert more.url.endswith(following)
    root = url.partition("?")[0].rstrip("/")
    assert [link.url for link in entries] == [f"{root}/b/1.tif", f"{root}/b/2.tif"]
    assert not any(
        link.continues for link in listing(f"<IsTruncated>false</IsTruncated>{keys}", url)
    )


def test_keys_are_names_and_no_addresses() -> None:
    keys = ("/x//y 1.tif", "a:b.tif", "q?x=1#2.tif", "caf\u00e9&amp;.tif", "folder/")
    inner = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    assert [link.url for link in listing(inner, "https://b.example/set")] == [
        "https://b.example/set//x//y%201.tif",
        "https://b.example/set/a%3Ab.tif",
        "https://b.example/set/q%3Fx%3D1%232.tif",
        "https://b.example/set/caf%C3%A9%26.tif",
    ]


def test_containers_of_azure_and_google() -> None:
    blob = (
        "<Blob><Name>s/a b.tif</Name><Properties><Last-Modified>Mon, 11 Mar 2024 15:59:02 GMT"
        "</Last-Modified><Content-Length>12</Content-Length></Properties></Blob>"
    )
    azure = (
        '\ufeff<?xml version="1.0"?><EnumerationResults ServiceEndpoint="https://x/"><Blobs>'
        f"{blob}<BlobPrefix><Name>s/deep/</Name></BlobPrefix></Blobs><NextMarker>2!76</NextMarker>"
        "</EnumerationResults>"
    )
    url = "https://x.example/set?restype=container&comp=list&marker=1"
    file, folder, more = read_links(azure, url)
    assert (file.url, file.size, file.kind) == ("https://x.example/set/s/a%20b.tif", 12, FILE)
    assert folder.url == "https://x.example/set?restype=container&comp=list&prefix=s%2Fdeep%2F"
    assert more.url == "https://x.example/set?restype=container&comp=list&marker=2%2176"
    google = (
        '{"kind": "storage#objects", "nextPageToken": "t=", "prefixes": ["s/"], "items": [{"name":'
        '"s/a.tif", "size": "7", "updated": "2024", "mediaLink": "https://g.example/m?alt=media"}]}'
    )
    file, folder, more = read_links(google, "https://g.example/b/x/o?pageToken=s")
    assert (file.name, file.size, file.url) == ("a.tif", 7, "https://g.example/m?alt=media")
    assert more.url == "https://g.example/b/x/o?pageToken=t%3D"


def test_each_server_tells_sizes_and_dates_in_its_own_way() -> None:
    for server, page in SERVERS.items():
        rows: list[Row] = [(FOLDER, FOLDER, None)]
        sizes = {name: len(body) for name, body in FILES[""].items()}
        sizes["10 of 99 1.5G.png"] = 5 << 20
        rows += [(name.replace(" ", "%20"), name, size) for name, size in sizes.items()]
        links = [link for link in read_links(page(rows, "/data/"), BASE) if "1" in link.name]
        found = {link.name: link for link in links if not link.name.startswith("Meas")}
        assert set(found) == {"Plate 12 well A1.png", "IM0001", "10 of 99 1.5G.png"}, server
        for name, link in found.items():
            if server in {"apache-plain", "python"}:
                assert (link.size, link.date) == (None, None), server
                continue
            assert link.kind is FILE, (server, name)
            assert link.size == pytest.approx(sizes[name], rel=0.06), (server, name)
            assert "2024" in (link.date or ""), (server, name)
            if server in {"nginx", "nginx-json", "nginx-xml", "iis", "iis-long", "caddy", "rclone"}:
                assert (link.size, link.exact) == (sizes[name], True), (server, name)
        (folder,) = [x for x in read_links(page(rows, "/data/"), BASE) if "Meas" in x.url]
        assert folder.size is None
        assert unquote(folder.url).endswith(FOLDER), server


@pytest.mark.parametrize(
    ("link", "page", "lead"),
    [
        ("?page=2", "", Leads.ON),
        ("?page=3", "?page=2", Leads.ON),
        ("?q=x&start=20", "?start=10&q=x", Leads.ON),
        ("?offset=20&limit=20", "", Leads.ON),
        ("?offset=40&limit=20", "?limit=20&offset=20", Leads.ON),
        ("?path=a&per_page=50", "", Leads.INTO),
        ("?dir=sub", "", Leads.INTO),
        ("?C=N;O=D", "", Leads.SAME),
        ("?sort=name&order=desc", "?sort=size", Leads.SAME),
        ("?dir=desc", "", Leads.SAME),
        ("?month=2024-05", "", Leads.ELSEWHERE),
        ("?q=y", "?q=x", Leads.ELSEWHERE),
    ],
)
def test_where_a_query_leads(link: str, page: str, lead: Leads) -> None:
    assert leads(BASE + link, BASE + page) is lead


def test_one_page_has_one_address() -> None:
    assert canonical(f"{BASE}?b=2&a=1&O=A;C=S") == canonical(f"{BASE}?a=1&b=2&utm_source=x")
    assert canonical(f"{BASE}?f=1") != canonical(f"{BASE}?f=2")


@pytest.mark.parametrize(
    ("body", "is_page"),
    [
        ("[1, 2]", False),
        ('{"@type": "x"}', False),
        ("Ten <plates>, 1.5 TB", False),
        ("<?xml version='1.0'?><Experiment/>", False),
        ("<!DOCTYPE html><p>x", True),
        ('<a href="x">', True),
        ('[{"name": "a", "type": "file", "mtime": "x", "size": 1}]', True),
    ],
)
def test_what_is_a_page(body: str, is_page: bool) -> None:
    assert is_markup(body) is is_page


@pytest.mark.parametrize(
    ("url", "name", "is_page"),
    [
        ("files/stack.png?download=1", "stack.png", False),
        ("stack.tif?sequence=1&isAllowed=y", "stack.tif", False),
        ("get.php?file=x/1.tif", "1.tif", False),
        ("list.php?page=2", "list.php", True),
        ("?file=1.tif", "1.tif", False),
        ("set/", "", True),
        ("IM0001", "IM0001", True),
    ],
)
def test_names_are_what_stands_before_the_query(url: str, name: str, is_page: bool) -> None:
    link = PageLink(BASE + url)
    assert (link.name, link.is_page) == (name, is_page)


@given(st.text(max_size=300))
def test_any_page(text: str) -> None:
    row = f"<tr><td><a href=x>{text}</a><td>{text}<td data-size='{text}'>1"
    index = "<title>Index of</title>"
    for body in (text, f"<a href='{text}'>", f"{index}<pre><a href=x>{text}", index + row):
        for link in read_links(body, BASE):
            assert link.url.startswith(("http://", "https://", "ftp"))
            assert " " not in link.url


def walk(first: str = BASE, depth: int = 10, max_pages: int = 100) -> PageWalk:
    return PageWalk(first, depth, same_dir=True, max_pages=max_pages)


def test_a_listing_that_repeats_itself_is_not_followed_for_ever() -> None:
    pages = walk()
    for page in pages.pages():
        pages.begin(page, page.link.url)
        assert pages.goes_on(PageLink(f"{BASE}?marker=a", continues=True), page) == (
            page.link.url == BASE
        )
        pages.end()


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://a.example/data/?month=2", "nobody but its server knows"),
        ("https://a.example/data/a/b/", "deeper than depth=0"),
        ("https://b.example/list", "outside of the folder"),
    ],
)
def test_what_is_not_followed_is_named_once(link: str, why: str) -> None:
    pages = walk(depth=0)
    (page,) = pages.pages()
    pages.begin(page, BASE)
    for _ in range(2):
        assert pages.takes(PageLink(link, following="b.example" in link), page, BASE)
    (left,) = pages.take_left_out()
    assert (left.where, why in left.why) == (link, True)


def test_links_outside_of_the_folder_are_none_to_follow() -> None:
    pages = walk()
    page = next(pages.pages())
    pages.begin(page, BASE)
    for url in ("https://a.example/", "https://a.example/other/", "https://b.example/data/x/"):
        assert not pages.takes(PageLink(url), page, BASE)
    assert not pages.takes(PageLink(f"{BASE}a.tif"), page, BASE)
    assert not pages.take_left_out()


def test_files_of_one_shape_are_asked_thrice_and_no_more() -> None:
    pages = walk()
    shown = pages.pages()
    first = next(shown)
    pages.begin(first, BASE)
    for number in range(9):
        assert pages.takes(PageLink(f"{BASE}IM{number:04}"), first, BASE)
    pages.end()
    asked = 0
    for page in shown:
        if not pages.is_file(page):
            asked += 1
            pages.was_file(page, "" if asked == 1 else page.link.name)
    assert asked == 3
    pages = walk()
    shown = pages.pages()
    pages.begin(first := next(shown), BASE)
    for number in range(9):
        pages.takes(PageLink(f"{BASE}d/{number}"), first, BASE)
    pages.end()
    for page in shown:  # each has a name of its own, which its server alone knows
        assert not pages.is_file(page)
        pages.was_file(page, "x.tif")


def test_the_next_page_of_a_header() -> None:
    links = (
        b'<https://a.example/data/?after=a,b>; rel="prev next", <x>; rel=last, </c>; title="next"'
    )
    response = Response(BASE, headers={"Link": links})
    assert list(next_of_header(response)) == ["https://a.example/data/?after=a,b"]


def test_what_an_index_leaves_out() -> None:
    names = [f"F57-8_3VBSED_slice_{n:04}.dm3" for n in range(10)]
    assert missing_names([*names, "x.xml"], 10) == ([], 0)
    assert missing_names([*names[:4], *names[5:], "x.xml"], 10) == ([names[4]], 0)
    assert missing_names(names[:9], 10) == ([], 1)  # the last: nobody can tell
    assert missing_names([], 3) == ([], 3)
    assert missing_names(["a1.dm3", "a999999999.dm3"], 5) == ([], 3)


def test_a_record_in_angstrom() -> None:
    imageset = {
        "directory": "data/sub",
        "num_images_or_tilt_series": "16",
        "voxel_type": "UNSIGNED BYTE",
        "image_width": "5628",
        "pixel_width": 80.0,
        "pixel_height": "x",
    }
    record = {
        "EMPIAR-1": {
            "title": "t",
            "authors": [{"author": {"name": "A"}}, 3],
            "imagesets": [imageset, 1],
        }
    }
    entry = parse_entry(record, "1")
    (found,) = entry.imagesets
    assert (found.count, found.width, found.pixel_nm) == (16, 5628, (8.0, None))
    assert found.columns()["dtype"] == "uint8"
    assert entry.authors == "A"


def _sets(*directories: str, **fields: Any) -> dict[str, Any]:
    shared = {"num_images_or_tilt_series": 3, "voxel_type": "UNSIGNED 32 BIT INTEGER"}
    found = [{"directory": d, "name": d, "pixel_width": 6.5} | shared | fields for d in directories]
    return {"EMPIAR-1": {"imagesets": found if len(found) > 1 else found[0]}}


def test_a_set_of_images_has_all_below_its_directory() -> None:
    entry = parse_entry(_sets("data/Movies", "data/Movies/Case1", "data/Mov"), "1")
    for directory, name in [
        ("data/Movies/Case1/GridSquare_1/Data", "data/Movies/Case1"),
        ("data/Movies/Case2", "data/Movies"),
        ("data/Mov", "data/Mov"),
    ]:
        assert entry.columns(directory)["imageset"] == name
        assert entry.columns(directory)["voxel_x_nm"] == 0.65
    assert "imageset" not in entry.columns("data")
    assert entry.columns("data/Mov")["dtype"] == "uint32"
    # One object in place of a list; bits are in bytes of their own in every file.
    (alone,) = parse_entry(_sets("data/ "), "1").imagesets
    assert alone.directory == "data"
    bits = parse_entry(_sets("data", voxel_type="4 BIT INTEGER"), "1").columns("data")
    assert ("dtype" not in bits, bits["voxel_type"]) == (True, "4 bit integer")


def test_sets_that_share_a_directory_tell_what_they_agree_on() -> None:
    record = _sets("data", "data")
    record["EMPIAR-1"]["imagesets"][1] |= {"name": "other", "pixel_height": 7}
    columns = parse_entry(record, "1").columns("data/x")
    assert columns["voxel_x_nm"] == 0.65
    assert not {"imageset", "voxel_y_nm"} & columns.keys()


def test_images_that_lie_in_stacks_are_not_counted_as_files() -> None:
    (particles,) = parse_entry(
        _sets("data", category="picked particles - multiframe"), "1"
    ).imagesets
    (movies,) = parse_entry(_sets("data", category="micrographs - multiframe"), "1").imagesets
    assert (particles.counts_files, movies.counts_files) == (False, True)
    names = ["G_1/a_001.tif", "G_1/a_003.tif", "G_2/b_001.tif"]
    assert missing_names(names, 3) == ([], 0)
    assert missing_names(names, 4) == (["G_1/a_002.tif"], 0)

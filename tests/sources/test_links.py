"""The links of pages, as servers write them and as people break them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrawl.sources.empiar import missing_names, parse_entry
from imgcrawl.sources.web.links import PageLink, clean_href, next_page, read_links

BASE = "https://a.example/data/"
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
    assert link == PageLink(BASE + "s_0001.dm3", size, exact=False, date="2023-11-01 10:00")
    assert [link.url for link in read_links(APACHE, BASE) if link.is_page][-1] == BASE + "sub/"
    (link,) = files(NGINX)
    assert link == PageLink(BASE + "a%20b.tif", 7950, exact=True, date="01-Nov-2023 10:00")
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
    following = next_page(body, url)
    assert following is not None
    assert following.endswith("continuation-token=a%2Bb%3D")
    assert following.count("continuation-token") == 1
    assert next_page(APACHE, BASE) is None


@given(st.text(max_size=300))
def test_any_page(text: str) -> None:
    for body in (text, f"<a href='{text}'>", f"<title>Index of</title><pre><a href=x>{text}"):
        for link in read_links(body, BASE):
            assert link.url.startswith(("http://", "https://"))
            assert " " not in link.url


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
    assert (found.count, found.dtype, found.width, found.pixel_nm) == (
        16,
        "uint8",
        5628,
        (8.0, None),
    )
    assert entry.authors == "A"

"""Indexes of folders as web servers send them: every file, its size and date, and nothing else."""

from __future__ import annotations

import pytest

from imgcrawl.sources.web.links import read_links
from imgcrawl.sources.web.page_link import LinkKind, PageLink
from tests.recorded.shapes import FOLDER

PAGE = "https://host.example/debian/"


def links_of(body: str, page: str = PAGE) -> dict[str, PageLink]:
    """The links below the page, by what their addresses end in."""
    links = {link.url.rstrip("/").rpartition("/")[2]: link for link in read_links(body, page)}
    return {name: link for name, link in links.items() if "?" not in link.url}


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (
            "h5ai",
            {
                "dists": (None, "2025-09-06 10:15"),
                "README.html": (2048, "2025-09-06 10:15"),
            },
        ),
        (
            "miniserve",
            {
                "benches": (None, "2025-07-07 21:56:22 +02:00"),
                "Cargo.lock": (72192, "2025-10-21 23:03:32 +02:00"),
                "Cargo.toml": (886, "2025-10-21 23:03:32 +02:00"),
            },
        ),
        (
            "nginx",
            {
                "7.5": (None, "05-Apr-2024 11:59"),
                "README": (1329, "06-Oct-2017 11:51"),
                "timestamp": (11, "13-May-2025 04:00"),
            },
        ),
        (
            "apache_header",
            {
                "MD5SUMS": (5120, "2025-05-01 16:23"),
                "SHA256SUMS.gpg": (833, "2025-05-01 16:23"),
                "unpacked": (None, "2025-05-01 16:23"),
            },
        ),
        ("lighttpd", {"zenicb.el": (26902, "1996-Nov-04 07:00")}),
        (
            "caddy",
            {
                "dists": (None, "2025-05-17T08:29:25Z"),
                "README.mirrors.html": (291, "2017-03-04T20:08:01Z"),
            },
        ),
        ("apache_ul", {"README": (None, None), "README.mirrors.txt": (None, None)}),
    ],
)
def test_recorded_indexes(server: str, told: dict[str, tuple[int | None, str | None]]) -> None:
    links = links_of((FOLDER / "indexes" / f"{server}.html").read_text("utf-8"))
    assert {name: (links[name].size, links[name].date) for name in told} == told
    for name, (size, _) in told.items():  # a row with a size is a file, whatever its name
        assert (links[name].kind is LinkKind.FILE) is (size is not None)


def test_a_list_behind_a_whole_page_is_read() -> None:
    """Apache puts HEADER.html before its list, with whatever ends it has."""
    rows = "".join(f'<a href="{n}.tif">{n}.tif</a>  2024-03-11 15:59  {n}K\n' for n in (1, 2))
    body = f"<html><head><title>Ours</title></head><body>Hi</body></html><pre>{rows}</pre>"
    assert {n: link.size for n, link in links_of(body).items()} == {"1.tif": 1024, "2.tif": 2048}
    table = body.replace("<pre>", "<table><tr><th>Name</th><th>Size</th></tr>").replace(
        "</pre>", '<tr><td><a href="3.tif">3</a></td><td>7</td></tr></table>'
    )
    assert links_of(table)["3.tif"].size == 7


@pytest.mark.parametrize(
    ("line", "size", "date"),
    [
        (
            '<a href="x.tif">x.tif</a>' + " " * 90 + "19-Jul-2018 03:33       4k   ",
            4096,
            "19-Jul-2018 03:33",
        ),
        (
            '<a href="x.tif"><img src="i.png"></a> <a href="x.tif">x.tif</a>' + " " * 90 + "56M",
            56 << 20,
            None,
        ),
        ('29-Jun-2015  9:16   776K  <a href="x.tif">x.tif</a>', 776 << 10, "29-Jun-2015  9:16"),
        (
            '-rw-r--r--  root  root  Aug 27  2021    14 MB  <a href="x.tif">x</a>',
            14 << 20,
            "Aug 27  2021",
        ),
        ('-rw-  1   1024  Jun 11     2013  <a href="x.tif">x</a>/', 1024, "Jun 11     2013"),
        (
            '<a href="x.tif">x.tif</a>  2024-03-11 15:59   12 ' + "word " * 30,
            12,
            "2024-03-11 15:59",
        ),
        ('<a href="x.tif">x.tif</a>  2024-03-11 15:59   ' + "9" * 90, None, "2024-03-11 15:59"),
    ],
)
def test_lines_of_any_width(line: str, size: int | None, date: str | None) -> None:
    link = links_of(f"<title>Index of /x</title><pre>{line}\n</pre>")["x.tif"]
    assert (link.size, link.date) == (size, date)


def test_a_count_of_downloads_is_no_size() -> None:
    head = "<tr><th>File</th><th>Downloads</th><th>Size</th></tr>"
    row = '<tr><td><a href="get.php?file=x.apk">x</a></td><td>0</td><td>5.7 MB</td></tr>'
    (link,) = read_links(f"<table>{head}{row}</table>", f"{PAGE}get.php?dir=a")
    assert (link.name, link.size) == ("x.apk", round(5.7 * (1 << 20)))


def test_links_that_sort_are_no_files_of_their_row() -> None:
    head = '<tr><th>Name</th><th><span>\u25be</span><a href="?sort=size">Size</a></th></tr>'
    row = (
        '<tr><td><a href="x.tif">x</a><a href="?sort=size&order=asc">7 B</a></td><td>7 B</td></tr>'
    )
    links = list(read_links(f"<table>{head}{row}</table>", PAGE))
    assert [link.url for link in links if link.kind is LinkKind.FILE] == [f"{PAGE}x.tif"]

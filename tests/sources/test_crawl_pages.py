"""Pages of links to files: indexes, buckets, EPFL's page, EMPIAR."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from replicas import indexes, odd_links, paged
from replicas.mirror import EPFL_FILES, OMITTED, SLICES, slice_name
from spiders.static_page import StaticPageSpider
from tests.conftest import refusal, scrapy

if TYPE_CHECKING:
    from scrapy import Spider

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

EBI = "/ebi/empiar/world_availability/11759/"


def test_an_index_with_its_tree(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}{EBI}")
    assert ended.status == 0, ended.log
    ended.out.verify()
    names = {row["file_name"] for row in ended.out.rows()}
    assert len(names) == SLICES - 1 + 4
    assert "files/data/trakem2/stack overview.tif" in names
    assert "files/data/trakem2/project (1).xml" in names
    row = next(row for row in ended.out.rows() if row["file_name"].endswith("0003.dm3"))
    assert (row["listed_size"], row["listed_date"]) == (str(293 << 10), "2023-11-01 10:00")
    assert row["bytes"] != row["listed_size"]  # which the index rounds
    replica.reset()
    again = crawl("static_page", url=f"{replica.url}{EBI}")
    assert again.status == 0
    assert not [path for path in replica.log()["paths"] if path.endswith((".dm3", ".tif"))]


@pytest.mark.parametrize(
    ("args", "count"),
    [
        ({"match": "*.tif"}, 1),
        ({"match": "*.tif,*.XML"}, 4),
        ({"match": r"/slice_000\d/"}, 10),
        ({"match": "*/trakem2/*"}, 2),
        ({"depth": 0}, 1),
        ({"max_files": 3}, 3),
        ({"match": "*.dm3", "max_bytes": 1_000_000}, 3),
    ],
)
def test_what_is_asked_for(
    args: dict[str, str], count: int, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("static_page", url=f"{replica.url}{EBI}", **args)
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == count


def test_a_raw_space_and_three_links_to_each_file(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}/epfl/labs/cvlab/data/data-em/", match="*.tif")
    assert ended.status == 0, ended.log
    assert {row["file_name"].rpartition("/")[2] for row in ended.out.rows()} == set(EPFL_FILES)
    assert all("%20Electron" in row["url"] for row in ended.out.rows())
    # The only place that tells the size of a voxel is the text of the page.
    assert {row["voxel_z_nm"] for row in ended.out.rows()} == {"5.0"}
    assert all(row["voxel_z_from"].startswith("page text: voxel") for row in ended.out.rows())


@pytest.mark.slow
def test_nginx_and_a_bucket(crawl: Crawler, replica: ReplicaProcess) -> None:
    nginx = crawl("static_page", url=f"{replica.url}/nginx/")
    assert {row["file_name"] for row in nginx.out.rows()} == {
        "files/x&y.tif",
        "files/caf\xe9.tif",
        "files/deep/a b.tif",
        "files/deep/c.tif",
    }
    assert all(row["listed_size"] == row["bytes"] for row in nginx.out.rows())
    # Two keys a page: by both versions of the listing, and folder by folder.
    for query in ("", "?list-type=2", "?delimiter=/", "?list-type=2&delimiter=/"):
        bucket = crawl("static_page", url=f"{replica.url}/bucket/{query}", out=f"o{len(query)}")
        assert bucket.status == 0, bucket.log
        assert {row["file_name"] for row in bucket.out.rows()} == {
            f"files/set/s0/{n}.tif" for n in range(5)
        }


def test_the_index_of_every_server(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}/indexes/")
    assert ended.status == 0, ended.log
    ended.out.verify()
    names = {f"{folder}{name}" for folder, files in indexes.FILES.items() for name in files}
    rows = {row["file_name"]: row for row in ended.out.rows()}
    assert set(rows) == {f"files/{server}/{name}" for server in indexes.SERVERS for name in names}
    assert rows["files/lighttpd/Plate 12 well A1.png"]["listed_date"] == "2024-Mar-11 15:59:02"
    assert rows["files/nginx-xml/IM0001"]["listed_size"] == rows["files/iis/IM0001"]["bytes"]
    assert "not_followed" not in ended.out.summary()


@pytest.mark.slow
def test_pages_that_go_on(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}/paged/")
    assert ended.status == 0, ended.log
    counted = Counter(row["file_name"].split("/")[1] for row in ended.out.rows())
    assert counted == dict.fromkeys(paged.KINDS, paged.PICTURES)
    left = ended.out.summary()["not_followed"]
    assert left["pages"] == 2
    assert all("/calendar/?month=" in url for url in left["first"])
    assert "2 parts of the source were not followed" in ended.log
    # Neither in circles nor once more for every order of the rows.
    assert sum(replica.log()["paths"][f"/paged/{kind}/"] for kind in ("sorted", "deaf")) <= 1 + 5
    few = crawl("static_page", url=f"{replica.url}/paged/numbers/", max_pages=3, out="few")
    assert few.status == 0
    assert len(few.out.rows()) == 10
    assert few.out.summary()["not_followed"]["pages"] == 2
    dry = crawl("static_page", url=f"{replica.url}/paged/calendar/", dry_run=1)
    assert dry.log.count("not followed (nobody but its server knows") == 2


def test_a_record_page_of_a_repository(crawl: Crawler, replica: ReplicaProcess) -> None:
    """Names and checks go by what a file is called, whatever its address looks like."""
    ended = crawl("static_page", url=f"{replica.url}/odd/records/1")
    assert ended.status == 3
    ended.out.verify()
    names = {row["file_name"].rpartition("/")[2] for row in ended.out.rows()}
    assert names == {
        *("stack.tif", "data.csv", "named.tif", "asked.tif"),
        *("by number.tif", "figure 4.png", "dryad.tif", "by id.tif"),
    }
    failures = {name.rpartition("/")[2]: why for name, why in ended.out.failures().items()}
    assert failures["page.tif?download=1"] == "not_image"
    assert failures["broken.tif?download=1"] in {"corrupt", "truncated"}
    assert len(failures) == 2  # a preview is no file
    again = crawl("static_page", url=f"{replica.url}/odd/records/1", match="*.tif", out="tif")
    tiffs = {row["file_name"].rpartition("/")[2] for row in again.out.rows()}
    assert tiffs == {name for name in names if name.endswith(".tif")}


def test_objects_that_are_sent_packed(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}/odd/coded/")
    assert ended.status == 0, ended.log
    ended.out.verify()
    rows = {row["file_name"]: row for row in ended.out.rows()}
    assert rows.keys() == {"files/a.tif", "files/b.tif.gz", "files/c.nii.gz"}
    tiff = (ended.out.root / "files/a.tif").read_bytes()
    assert tiff == odd_links.TIFF
    assert rows["files/a.tif"]["content_encoding"] == "gzip"
    assert gzip.decompress((ended.out.root / "files/b.tif.gz").read_bytes()) == odd_links.TIFF
    assert rows["files/c.nii.gz"]["content_encoding"] == ""


@pytest.mark.slow
def test_links_that_look_like_pages_and_are_none(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}/odd/bare/")
    assert ended.status == 3
    assert {row["file_name"] for row in ended.out.rows()} == {
        *(f"files/IM000{number}" for number in range(1, 7)),
        *(f"files/{name}" for name in ("info", "README", "sub/c.png")),
    }
    assert ended.out.failures() == {"files/ftp.example.org/pub/x.tif": "bad_url"}
    dotted = crawl("static_page", url=f"{replica.url}/odd/dot/", out="dot")
    assert dotted.status == 0
    assert {row["file_name"] for row in dotted.out.rows()} == {
        *("files/a.png", "files/set.v1/b.png"),
        *("files/c.ome.zarr/.zgroup", "files/c.ome.zarr/0/.zarray"),
    }
    gate = crawl("static_page", url=f"{replica.url}/odd/cookie/", match="*.png", out="gate")
    assert (gate.status, len(gate.out.rows())) == (0, 1)
    named = crawl("static_page", url=f"{replica.url}/odd/bare/", match="IM*", out="named")
    assert len(named.out.rows()) == 6
    numbers = crawl("static_page", url=f"{replica.url}/odd/numbers/", match="*.tif", out="numbers")
    assert {row["file_name"] for row in numbers.out.rows()} == {
        f"files/get/stack{number}.tif" for number in range(6)
    }
    first = crawl("static_page", url=f"{replica.url}/odd/bare/info", out="first")
    assert first.status == 1
    assert "is no page, but application/json" in first.log
    assert "Traceback" not in first.log


def test_a_page_that_is_lost_and_one_without_links(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "/trakem2/$", "kind": "status", "status": 404}])
    ended = crawl("static_page", url=f"{replica.url}{EBI}", match="*.xml,*.tif")
    assert ended.status == 3
    assert len(ended.out.rows()) == 2
    (row,) = ended.out.rows("failures.csv")
    assert row["record_id"].endswith("trakem2/")
    nothing = crawl("static_page", url=f"{replica.url}{EBI}", match="*.none", out="none")
    assert nothing.status == 1
    assert "no links to files that match *.none" in nothing.log
    assert "dynamic_page" in nothing.log


def test_an_entry_of_empiar_with_what_its_index_leaves_out(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("empiar", entry="EMPIAR-11759", match="*.dm3")
    assert ended.status == 0, ended.log
    first = ended.out.rows()
    rows = {row["file_name"].rpartition("/")[2]: row for row in first}
    assert set(rows) == {slice_name(n) for n in range(SLICES)}
    row = rows[slice_name(OMITTED)]
    assert (row["doi"], row["license"], row["authors"]) == (
        "10.6019/EMPIAR-11759",
        "CC0",
        "Replica A",
    )
    # The file's own word comes first, and what the record says otherwise stands beside it.
    assert (row["format"], row["width"], row["height"]) == ("DM3", "550", "540")
    assert (row["size_x"], row["size_y"], row["dtype"]) == ("550", "540", "uint8")
    assert float(row["voxel_x_nm"]) == pytest.approx(7.99825, abs=1e-5)
    assert (row["voxel_z_nm"], row["voxel_z_from"]) == ("50.0", "file: SBFSEM slice thickness")
    assert row["voxel_x_from"] == "file: DM calibration"
    assert row["acquired_at"].startswith("2018-06-11")
    assert (row["voltage_v"], row["magnification"], row["detector"]) == (
        "1900.0",
        "2159.0",
        "3VBSED",
    )
    assert row["conflicts"] == "size_y: file 540, record 5632; size_x: file 550, record 5628"
    assert "Somebody" not in str(row)
    replica.reset()
    again = crawl("empiar", entry="EMPIAR-11759", match="*.dm3")
    assert again.out.rows() == first
    unknown = crawl("empiar", entry="99999", out="unknown")
    assert unknown.status == 1
    assert "no public entry 99999" in unknown.log


def test_an_entry_whose_images_lie_in_folders_of_their_set(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("empiar", entry=10943)
    assert ended.status == 0, ended.log
    rows = {row["file_name"].rpartition("/")[2]: row for row in ended.out.rows()}
    assert rows.keys() == {"a_001.tif", "a_002.tif", "b_001.tif", "notes.txt"}
    images = [row for name, row in rows.items() if name.endswith(".tif")]
    assert {(row["imageset"], row["voxel_x_nm"]) for row in images} == {("Movies", "0.65")}
    assert rows["notes.txt"]["imageset"] == ""


def test_a_dry_run_tells_and_stores_nothing(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("empiar", entry=11759, match="*.dm3", dry_run=1)
    assert ended.status == 0, ended.log
    assert f"{SLICES} files: dm3 {SLICES}." in ended.log
    assert "About 0.01 GB" in ended.log
    assert "MB/s" in ended.log
    assert not ended.out.root.exists()
    paths = replica.log()["paths"]
    assert sum(n for path, n in paths.items() if path.endswith(".dm3")) <= 2


@pytest.mark.parametrize(
    ("spider", "args", "words"),
    [
        (StaticPageSpider, {}, "url="),
        (StaticPageSpider, {"url": "example.org"}, "beginning with https://"),
        (StaticPageSpider, {"url": "http://a.example/", "match": "/(/"}, "no regular expression"),
    ],
)
def test_wrong_arguments_are_told(spider: type[Spider], args: dict[str, str], words: str) -> None:
    assert words in refusal(spider, **args)


def test_wrong_arguments_are_said_before_any_request(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("empiar", entry="x")
    assert ended.status == 2, ended.log
    assert "such as 11759" in ended.log
    assert replica.log()["requests"] == 0


def test_files_that_are_not_what_they_are_named(crawl: Crawler, replica: ReplicaProcess) -> None:
    """A cut slice, an empty one and one of zeros are no slices; the others are kept."""
    replica.faults(
        [
            {"match": "slice_0003", "kind": "truncated"},
            {"match": "slice_0005", "kind": "empty"},
            {"match": "slice_0007", "kind": "html"},
            {"match": "slice_0009", "kind": "corrupt"},
        ]
    )
    ended = crawl("empiar", entry=11759, match="*.dm3")
    assert ended.status == 3
    reasons = {name[-8:-4]: reason for name, reason in ended.out.failures().items()}
    assert reasons.keys() == {"0003", "0005", "0007", "0009"}
    assert reasons["0003"] == "truncated"
    assert reasons["0005"] == "empty"
    assert reasons["0007"] == "not_image"
    assert reasons["0009"] in {"corrupt", "truncated", "not_image"}
    ended.out.verify()


def test_describe_makes_the_same_table_without_a_crawl(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("empiar", entry=11759, match="*_000?.dm3")
    url = f"{replica.url}{EBI}data/{slice_name(1)}"
    tiff = f"{replica.url}/nginx/c.tif"
    replica.reset()
    odd = ("http://10.0.0.1/x.tif", "/no/such/file")
    allowed = ("-s", "ALLOWED_PRIVATE_NETWORKS=127.0.0.1/32")
    told = scrapy("describe", ended.out.root / "files", url, tiff, *odd, *allowed)
    assert told.returncode == 3, told.stderr
    rows = {row["file_name"]: row for row in csv.DictReader(io.StringIO(told.stdout))}
    assert len(rows) == 10 + 4
    assert (rows[url]["format"], rows[url]["voxel_z_nm"]) == ("DM3", "50.0")
    assert rows[url]["size_x"] == "550"
    assert rows[tiff]["format"] == "TIFF"
    assert "public" in rows["http://10.0.0.1/x.tif"]["problem"]
    assert rows["/no/such/file"]["problem"] == "there is no such file"
    asked = sum(n for path, n in replica.log()["paths"].items() if path.endswith(".dm3"))
    assert asked <= 4


def test_a_dry_run_of_what_is_not_there_says_so(crawl: Crawler, replica: ReplicaProcess) -> None:
    ended = crawl("static_page", url=f"{replica.url}/nothing/", dry_run=1)
    assert ended.status == 1
    assert "HTTP 404" in ended.log
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("command", [["fetch"], ["shell", "-c", "print(response.status)"]])
def test_scrapys_own_commands_work_without_a_dataset(
    command: list[str], replica: ReplicaProcess
) -> None:
    ended = scrapy(*command, *replica.settings(), f"{replica.url}/nginx/")
    assert "Traceback" not in ended.stderr
    assert "deep" in ended.stdout or "200" in ended.stdout

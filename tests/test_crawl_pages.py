"""Pages of links to files: indexes, buckets, EPFL's page, EMPIAR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgcrawl.replica.mirror import EPFL_FILES, OMITTED, SLICES, slice_name

if TYPE_CHECKING:
    from imgcrawl.replica.process import ReplicaProcess
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
    assert row["bytes"] == "300000"  # and not what the index rounds it to
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


def test_nginx_and_a_bucket(crawl: Crawler, replica: ReplicaProcess) -> None:
    nginx = crawl("static_page", url=f"{replica.url}/nginx/")
    assert {row["file_name"] for row in nginx.out.rows()} == {
        "files/x&y.tif",
        "files/caf\xe9.tif",
        "files/deep/a b.tif",
        "files/deep/c.tif",
    }
    assert all(row["listed_size"] == row["bytes"] for row in nginx.out.rows())
    for query in ("?list-type=2", "?list-type=2&delimiter=/"):
        bucket = crawl("static_page", url=f"{replica.url}/bucket/{query}", out=f"o{len(query)}")
        assert bucket.status == 0, bucket.log
        assert {row["file_name"] for row in bucket.out.rows()} == {
            f"files/set/s0/{n}.tif" for n in range(5)
        }


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
    rows = {row["file_name"].rpartition("/")[2]: row for row in ended.out.rows()}
    assert set(rows) == {slice_name(n) for n in range(SLICES)}
    row = rows[slice_name(OMITTED)]
    assert (row["doi"], row["license"], row["authors"]) == (
        "10.6019/EMPIAR-11759",
        "CC0",
        "Replica A",
    )
    assert (row["voxel_x_nm"], row["size_x"]) == ("8.0", "5628")
    unknown = crawl("empiar", entry="99999", out="unknown")
    assert unknown.status == 1
    assert "no public entry 99999" in unknown.log


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
        ("static_page", {}, "url="),
        ("static_page", {"url": "example.org"}, "beginning with https://"),
        ("static_page", {"url": "http://a.example/", "match": "/(/"}, "no regular expression"),
        ("empiar", {"entry": "x"}, "such as 11759"),
    ],
)
def test_wrong_arguments(
    spider: str, args: dict[str, str], words: str, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl(spider, **args)
    assert ended.status == 2, ended.log
    assert words in ended.log
    assert replica.log()["requests"] == 0

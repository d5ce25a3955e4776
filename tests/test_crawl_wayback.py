"""What is gone, from the Wayback Machine: within its limits, its digests checked."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from replicas.web import Mix, fate, picture

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended

ROT = Mix(dead=0.5)
URLS = [f"http://host{n % 9}.example/{n}.jpg" for n in range(60)]
DEAD = [url for url in URLS if fate(url, ROT) != "good"]
QUICK = {
    "DOWNLOAD_SLOTS": json.dumps(
        {
            "wayback-cdx": {"concurrency": 1, "delay": 0.01},
            "wayback-replay": {"concurrency": 2, "delay": 0.01},
        }
    )
}


def archived(url: str) -> bool:
    """Whether the replica of the archive has captures of a URL, by its rule of three in five."""
    bare = url.removeprefix("http://")
    return hashlib.sha256(bare.encode()).digest()[10] % 5 >= 2


def crawl_urls(crawl: Crawler, tmp_path: Path, urls: list[str], **kwargs: Any) -> Ended:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(urls))
    settings = {**QUICK, **kwargs.pop("settings", {})}
    return crawl("urls", list=path, settings=settings, **kwargs)


@pytest.mark.slow
def test_what_is_gone_is_recovered_with_its_provenance(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    replica.web(dead=0.5, cdx_per_minute=1000)
    off = crawl_urls(crawl, tmp_path, URLS)
    assert off.status == 3
    assert not [path for path in replica.log()["paths"] if path.startswith("/wayback/")]
    ended = crawl_urls(crawl, tmp_path, URLS, wayback=1, wayback_year=2010)
    ended.out.verify()
    recovered = {row["url"]: row for row in ended.out.rows() if row["source"] == "wayback"}
    # The archive has three in five of what is gone. Of those a few were captured as placeholders
    # alone in the nearest years: another capture is taken, since the picture itself was there.
    assert set(recovered) == {url for url in DEAD if archived(url)}
    for url, row in recovered.items():
        assert row["sha256"] == hashlib.sha256(picture(url)).hexdigest()
        assert row["final_url"].endswith(f"id_/{url}")
        assert "/wayback/web/20" in row["final_url"]
    rows = ended.out.rows("failures.csv")
    assert {row["url"] for row in rows} == {url for url in DEAD if not archived(url)}
    assert all("not in the Wayback Machine" in row["message"] for row in rows)
    # Its answers are kept: the next run asks nothing again.
    replica.reset()
    again = crawl_urls(crawl, tmp_path, URLS, wayback=1, retry="none")
    assert again.status == 3
    assert not [path for path in replica.log()["paths"] if "cdx" in path]


def test_429_ends_the_asking_and_loses_nothing(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    replica.web(dead=0.5, cdx_per_minute=5)
    ended = crawl_urls(crawl, tmp_path, URLS, wayback=1)
    assert ended.status == 3
    assert "answered 429" in ended.log
    asked = sum(n for path, n in replica.log()["paths"].items() if "cdx" in path)
    assert asked == 6
    done = {row["url"] for row in ended.out.rows()} | {
        row["url"] for row in ended.out.rows("failures.csv")
    }
    assert done == set(URLS)
    replica.web(dead=0.5, cdx_per_minute=1000)
    later = crawl_urls(crawl, tmp_path, URLS, wayback=1)
    recovered = {row["url"] for row in later.out.rows() if row["source"] == "wayback"}
    assert recovered == {url for url in DEAD if archived(url)}


def test_the_limits_that_are_asked_for_hold(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    """24 look-ups a minute, by the project's own settings; and a cap for the run."""
    replica.web(dead=1.0)
    urls = [f"http://host.example/{n}.jpg" for n in range(6)]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    ended = crawl("urls", list=tmp_path / "list.txt", wayback=1, settings={"WAYBACK_MAX": "3"})
    times = [at for at, path in replica.log()["times"] if "cdx" in path]
    assert len(times) == 3
    assert min(b - a for a, b in pairwise(times)) >= 2.4
    assert "3 records were looked for" in ended.log


def test_a_site_that_the_archive_excludes_is_asked_for_once(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    replica.web(dead=1.0, cdx_per_minute=1000)
    ended = crawl_urls(
        crawl, tmp_path, [f"http://blocked.example/{n}.jpg" for n in range(5)], wayback=1
    )
    assert ended.status == 3
    assert sum(n for path, n in replica.log()["paths"].items() if "cdx" in path) == 1
    assert all(
        "not shown by the Wayback" in row["message"] for row in ended.out.rows("failures.csv")
    )


def test_bytes_that_are_not_those_of_the_capture_are_not_kept(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    replica.web(dead=1.0, cdx_per_minute=1000)
    url = next(url for url in URLS if archived(url))
    other = f"{replica.url}/files/jpeg/1.jpg"
    replica.faults([{"match": r"/wayback/web/\d+id_", "kind": "redirect", "location": other}])
    ended = crawl_urls(crawl, tmp_path, [url], wayback=1)
    assert ended.status == 3
    (row,) = ended.out.rows("failures.csv")
    assert "sha1" in row["message"]

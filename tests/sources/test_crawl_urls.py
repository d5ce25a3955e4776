"""Any list of URLs: what is in it comes out, or is said to be missing."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import json
import signal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replicas.web import Mix, fate, picture
from tests.conftest import scrapy

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

HOSTS = 40


def url_of(number: int) -> str:
    return f"http://host{number % HOSTS}.example/{number}.jpg"


def test_open_images_columns_go_through_and_digests_are_checked(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "images.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageID", "Subset", "OriginalURL", "License", "OriginalMD5", "Rotation"])
        for number in range(20):
            url = f"https://farm{number % 3}.staticflickr.com/1/{number}_o.jpg"
            body = picture(f"https://live.staticflickr.com/1/{number}_o.jpg")
            right = hashlib.md5(body, usedforsecurity=False).digest()
            md5 = base64.b64encode(bytes(16) if number == 7 else right).decode()
            writer.writerow([f"{number:016x}", "train", url, "https://cc", md5, "0.0"])
    ended = crawl("urls", list=path)
    assert ended.status == 3, ended.log
    assert ended.out.failures() == {f"{7:016x}": "corrupt"}
    row = ended.out.rows()[3]
    assert (row["ImageID"], row["Subset"], row["License"]) == (f"{3:016x}", "train", "https://cc")
    assert row["file_name"] == f"images/{3:016x}.jpg"
    assert row["final_url"].startswith("https://live.staticflickr.com/")


@pytest.mark.parametrize("kind", ["txt", "jsonl", "parquet", "url", "stdin"])
def test_every_way_to_give_a_list(
    kind: str, crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"image_url": url_of(n), "text": f"caption {n}", "n": n} for n in range(1, 31)
    ]
    path = tmp_path / f"list.{kind}"
    source, stdin = str(path), None
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "txt":
        path.write_bytes(gzip.compress("\n".join(row["image_url"] for row in rows).encode()))
    elif kind == "stdin":
        source, stdin = (
            "-",
            "image_url\ttext\n" + "".join(f"{row['image_url']}\t{row['text']}\n" for row in rows),
        )
    else:
        replica.faults([{"match": "/lists/", "kind": "json", "body": rows}])
        source = f"{replica.url}/lists/list.json"
    ended = crawl("urls", list=source, stdin=stdin)
    assert ended.status == 0, ended.log
    ended.out.verify()
    found = ended.out.rows()
    assert {row["url"] for row in found} == {row["image_url"] for row in rows}
    assert all(row["record_id"] == row["url"] for row in found)  # no ids: named by address
    if kind != "txt":
        assert {row["text"] for row in found} == {row["text"] for row in rows}


def test_bytes_in_a_table_are_stored_without_a_request(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    bodies = {f"pet_{n}.png": picture(url_of(n // 2)) for n in range(12)}  # each of them twice
    bodies["cut.jpg"], bodies["page.jpg"] = (
        picture(url_of(99))[:300],
        b"<html>no picture</html>" * 9,
    )
    rows = [{"image": {"bytes": b, "path": n}, "label": len(n)} for n, b in bodies.items()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pets.parquet")
    for _ in range(2):  # and nothing is left to do for a second run
        ended = crawl("urls", list=tmp_path / "pets.parquet")
        assert ended.status == 3, ended.log
        assert ended.out.failures() == {"cut.jpg": "truncated", "page.jpg": "not_image"}
        found = {row["record_id"]: row for row in ended.out.rows()}
        assert len(found) == 12
        for name, row in found.items():
            assert row["file_name"] == f"images/{name[:-4]}.jpg"
            assert row["sha256"] == hashlib.sha256(bodies[name]).hexdigest()
            assert (ended.out.root / row["file_name"]).read_bytes() == bodies[name]
        ended.out.verify()
        assert "12 new" in ended.log or "12 already there" in ended.log
    assert not [path for path in replica.log()["paths"] if path.startswith("/web/")]


def test_a_url_is_fetched_once_and_stored_for_each_record(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    urls = ["http://a.example/1.jpg", "http://a.example/2.jpg", "http://a.example/gone/3.jpg"]
    # What stands behind the # is not sent.
    lines = [f"{name}{n},{urls[n % 3]}#{n},{name}" for n in range(12) for name in ("cat", "dog")]
    path.write_text("\n".join(["id,url,label", *lines]))
    page = {"match": "2.jpg", "kind": "html", "accept": "text/html"}  # as i.redd.it answers
    replica.faults([{"match": "/gone/", "kind": "status", "status": 404}, page])
    ended = crawl("urls", list=path, layout="{label}/{id}")
    assert ended.status == 3, ended.log
    assert len(ended.out.rows()) == 16
    assert ended.out.summary()["read"] == {
        "rows": 24,
        "records": 24,
        "unreadable": 0,
        "passed": 0,
    }
    assert set(ended.out.failures().values()) == {"not_found"}
    assert {row["file_name"] for row in ended.out.rows() if row["id"] == "cat3"} == {"cat/cat3.jpg"}
    every = ended.out.rows() + ended.out.rows("failures.csv")
    assert {row["record_id"]: row["url"].partition("#")[2] for row in every} == {
        f"{name}{n}": f"{n}" for n in range(12) for name in ("cat", "dog")
    }
    paths = replica.log()["paths"]
    assert {n for path, n in paths.items() if path.endswith(".jpg")} == {1}
    across = {row["across"] for row in ended.out.rows("duplicates.csv")}
    assert across == {"classes"}


def test_spellings_of_one_address_are_asked_for_once(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    spelt = ["http://a.example/%7eme/1.jpg", "HTTP://A.example:80/~me/1.jpg#x"]
    spelt += ["http://a.example/~me/%31.jpg", "http://a.example/~me/1.jpg"]
    path.write_text("id,url\n" + "".join(f"{n},{url}\n" for n, url in enumerate(spelt)))
    replica.web()
    ended = crawl("urls", list=path)
    assert ended.status == 0, ended.log
    assert {row["record_id"]: row["url"] for row in ended.out.rows()} == {
        str(n): url for n, url in enumerate(spelt)
    }
    assert sum(n for at, n in replica.log()["paths"].items() if at.endswith(".jpg")) == 1
    # As well when the first of them was stored long before, in one spelling or the other.
    more = [*spelt, "http://a.example/%7Eme/%31.jpg", "http://a.example:80/%7Eme/1.jpg"]
    path.write_text("id,url\n" + "".join(f"{n},{url}\n" for n, url in enumerate(more)))
    replica.reset()
    ended = crawl("urls", list=path)
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 6
    assert not [at for at in replica.log()["paths"] if at.endswith(".jpg")]
    ended.out.verify()


def test_near_duplicates_where_asked_for(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    lines = [
        f"small,{replica.url}/files/jpeg/3.jpg?size=200x150,train",
        f"large,{replica.url}/files/png/3.png?size=400x300,test",
        f"other,{replica.url}/files/jpeg/4.jpg?size=200x150,train",
        f"tiny,{replica.url}/files/jpeg/5.jpg?size=120x90,train",
        f"long,{replica.url}/files/jpeg/6.jpg?size=900x120,train",
    ]
    path.write_text("\n".join(["id,url,split", *lines]))
    ended = crawl("urls", list=path, phash=1, exif=1, min_size=100, max_aspect_ratio=2)
    assert ended.status == 3, ended.log
    assert ended.out.failures() == {"tiny": "too_small", "long": "too_large"}
    rows = ended.out.rows("duplicates.csv")
    assert {row["record_id"] for row in rows} == {"small", "large"}
    assert {(row["kind"], row["across"]) for row in rows} == {("near", "splits")}
    hashes = {row["record_id"]: row["phash"] for row in ended.out.rows()}
    again = crawl("urls", list=path)  # a hash that was made is kept
    assert {row["record_id"]: row["phash"] for row in again.out.rows()} == hashes


def test_parts_of_a_list_wherever_they_lie_are_one_dataset(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "laion").mkdir()
    for part in range(3):
        listed = [{"SAMPLE_ID": part * 10 + n, "URL": url_of(part * 10 + n)} for n in range(5)]
        pq.write_table(pa.Table.from_pylist(listed), tmp_path / "laion" / f"part-{part}.parquet")
    splits = {"train": [f"{replica.url}/lists/90"], "test": [f"{replica.url}/lists/91"]}
    replica.faults(
        [{"match": "/api/datasets/acme/pets/parquet", "kind": "json", "body": {"all": splits}}]
        + [
            {"match": f"/lists/{n}", "kind": "text", "body": f"url\n{url_of(n)}\n"}
            for n in (90, 91, 92)
        ]
    )
    sources = (f"{tmp_path}/laion", "hf://datasets/acme/pets", "s3://bucket/92")
    settings = {"HF_URL": replica.url, "S3_URL": f"{replica.url}/lists/"}
    ended = crawl("urls", list=",".join(sources), settings=settings)
    assert ended.status == 0, ended.log
    numbers = [part * 10 + n for part in range(3) for n in range(5)]
    rows = {row["url"]: row for row in ended.out.rows()}
    assert rows.keys() == {url_of(n) for n in (*numbers, 90, 91, 92)}
    assert [rows[url_of(n)]["split"] for n in (90, 91, 92)] == ["train", "test", ""]
    assert ended.out.summary()["read"]["rows"] == 18
    assert ended.log.count("Columns: ") == 2


def test_of_two_columns_that_answer_decides_and_once_for_all(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    rows = [f"{n},http://pages.example/a/{n},http://b.example/c/{n}" for n in range(8)]
    path.write_text("\n".join(["id,photo,link", *rows]))
    replica.faults([{"match": "/pages.example/", "kind": "html"}])
    ended = crawl("urls", list=path)
    assert ended.status == 0, ended.log
    assert "photo: 0 of 3 are pictures" in ended.log
    assert "The addresses are taken from 'link'" in ended.log
    assert "  link [url]: http://b.example/c/0 | http://b.example/c/1 |" in ended.log
    asked = replica.log()["paths"]
    assert sum(n for path, n in asked.items() if "pages.example/a" in path) == 3
    replica.faults([{"match": "/b.example/", "kind": "status", "status": 503}])
    again = crawl("urls", list=path)
    assert again.status == 0, again.log
    assert replica.log()["paths"] == asked
    assert [row["url"] for row in again.out.rows()] == [f"http://b.example/c/{n}" for n in range(8)]


def test_a_dry_run_tells_columns_rows_junk_and_duplicates(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    lines = ["id,url,label", *(f"{n},{url_of(n % 3)}#{n},cat" for n in range(4)), "9\0,x,y"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    ended = crawl("urls", list=tmp_path / "list.csv", dry_run=1)
    assert ended.status == 0, ended.log
    assert f"  url [url]: {url_of(0)}#0 | {url_of(1)}#1 | {url_of(2)}#2" in ended.log
    assert "  label [label]: cat" in ended.log
    assert "list.csv, line 6: holds NUL bytes" in ended.log
    assert "5 rows were read: 4 records, 1 that are none." in ended.log
    assert "1 of their addresses stand there before." in ended.log
    assert not ended.out.root.exists() or not [*ended.out.root.rglob("*.jpg")]


JUNK = [
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:image/png;base64,AAAA",
    "http://",
    "http://[::1",
    "http://10.0.0.1/x.jpg",
    "http://169.254.169.254/latest/meta-data",
    "http://host.example:99999/x.jpg",
    "ftp://host.example/x.jpg",
    "not a url",
    "http://host.example/" + "x" * 9000,
]


def test_every_class_of_junk_loses_itself_alone(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    junk = [f'junk{n},"{url}"' for n, url in enumerate(JUNK)]
    good = [f"good{n},{url_of(n)}" for n in range(30)]
    lines = ["id,url", *good[:10], *junk, *good[10:20]]
    data = "\n".join(lines).encode()
    data += b"\nlong," + b"x" * 100_000 + b'\nnul\0,http://a/\nopen,"http://a/\nshort\n'
    path.write_bytes(data + "\n".join(good[20:]).encode())
    ended = crawl("urls", list=path)
    assert ended.status == 3
    assert {row["record_id"] for row in ended.out.rows()} == {f"good{n}" for n in range(30)}
    assert "45 rows were read: 41 records, 4 that are none." in ended.log
    failures = ended.out.failures()
    assert {f"junk{n}" for n in range(len(JUNK))} <= failures.keys()
    assert set(failures.values()) <= {"bad_url", "blocked_address"}
    assert len(failures) == len(JUNK) + 4
    lines_of = {f"list.csv, line {n}" for n in (33, 34, 35, 36)}
    assert lines_of <= failures.keys()
    assert "list.csv, line 33: a line of 100,006 bytes" in ended.log


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name,age\nx,1\n", "no list of URLs"),
        ("<html><body>Sign in</body></html>", "web page"),
        ("", "is empty"),
        ('{"images": [{"file_name": "x.jpg"}]}', "no list of URLs"),
    ],
)
def test_what_is_no_list_is_refused_before_any_request(
    content: str, words: str, crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(content)
    ended = crawl("urls", list=tmp_path / "list")
    assert ended.status == 2
    assert words in ended.log
    assert replica.log()["requests"] == 0


@pytest.mark.slow
def test_killed_and_resumed_it_is_complete(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(url_of(n) for n in range(1200)))
    replica.web(dead=0.1)
    process = crawl.start("urls", list=path)
    replica.until_asked("/web/", 200)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ended = crawl("urls", list=path)
    assert ended.status == 3, ended.log
    ended.out.verify()
    dead = {url_of(n) for n in range(1200) if fate(url_of(n), Mix(dead=0.1)) != "good"}
    assert {row["url"] for row in ended.out.rows()} == {url_of(n) for n in range(1200)} - dead
    assert {row["url"] for row in ended.out.rows("failures.csv")} == dead


@pytest.mark.slow
def test_linkrot_tells_what_is_gone(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    lines = [f"{n},{url_of(n)},{'train' if n % 3 else 'test'},c{n % 4}" for n in range(200)]
    path.write_text("\n".join(["id,url,split,label", *lines]))
    replica.web(dead=0.3)
    ended = crawl("urls", list=path)
    told = scrapy("linkrot", ended.out.root)
    assert told.returncode == 0, told.stderr
    rows = ended.out.rows("linkrot.csv")
    dead = [n for n in range(200) if fate(url_of(n), Mix(dead=0.3)) != "good"]
    (everything,) = [row for row in rows if row["by"] == "all"]
    assert (everything["links"], everything["gone"]) == ("200", str(len(dead)))
    test = next(row for row in rows if (row["by"], row["key"]) == ("split", "test"))
    assert test["gone"] == str(sum(n % 3 == 0 for n in dead))
    c1 = next(row for row in rows if (row["by"], row["key"]) == ("class", "c1"))
    assert c1["gone"] == str(sum(n % 4 == 1 for n in dead))
    host = next(row for row in rows if row["key"] == "host7.example")
    assert host["gone"] == str(sum(n % HOSTS == 7 for n in dead))
    assert "By host" in told.stdout
    assert sum(int(row["gone"]) for row in rows if row["by"] == "reason") == len(dead)

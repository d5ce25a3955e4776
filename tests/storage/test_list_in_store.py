"""Lists that lie in object stores, as everybody may read them or with an account."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.pictures.samples import picture, saved
from tests.stores import BUCKET, S3, running_s3

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler
    from tests.stores import Store


@pytest.mark.slow
def test_the_lists_below_a_prefix_are_one_dataset(
    crawl: Crawler, replica: ReplicaProcess, store: Store
) -> None:
    urls = [f"http://host{n % 5}.example/{n}.jpg" for n in range(9)]
    store.put("lists/a.csv", "\n".join(["url,id", *(f"{u},a" for u in urls[:3])]).encode())
    store.put("lists/more/b.txt.gz", gzip.compress("\n".join(urls[3:6]).encode()))
    store.put("lists/README.md", b"no list")
    store.put("other/c.jsonl", "".join(f'{{"image": "{u}"}}\n' for u in urls[6:]).encode())
    address = f"{store.scheme}://{BUCKET}"
    # Not everybody may read them: the account of the environment does.
    closed = f"{replica.url}/closed/{{bucket}}/"
    settings = {**store.settings, "S3_URL": closed, "GCS_URL": closed}
    source = f"{address}/lists/,{address}/other/c.jsonl"
    ended = crawl("urls", list=source, settings=settings)
    assert ended.status == 0, ended.log
    assert {row["url"] for row in ended.out.rows()} == {*urls}
    assert ended.out.summary()["read"]["rows"] == 9
    assert "Trying it with your account" in ended.log
    gone = crawl("urls", list=f"{address}/other/none.csv", settings=settings, out="gone")
    assert gone.status == 1
    assert "none.csv" in gone.log


KEYS = ("a/1.jpg", "a/second one+50%.jpg", "b/#3?.jpg", "\u00e4/4.jpg")


def test_pictures_in_buckets_are_fetched_as_everybody_may_read_them(
    crawl: Crawler, store: Store, tmp_path: Path
) -> None:
    for number, key in enumerate(KEYS):
        store.put(key, saved("JPEG", picture(number)))
    if isinstance(store, S3):
        for key in KEYS:
            store.client.put_object_acl(Bucket=BUCKET, Key=key, ACL="public-read")
    address = f"{store.scheme}://{BUCKET}"
    listed = [f"{address}/{key}" for key in (*KEYS, "none.jpg")] + [f"{store.scheme}://x", address]
    path = tmp_path / "manifest.jsonl"  # as SageMaker and Rekognition have it
    path.write_text("".join(json.dumps({"source-ref": url, "n": 1}) + "\n" for url in listed))
    buckets = f"{store.url}/{{bucket}}/"
    settings = {"S3_URL": buckets, "GCS_URL": buckets, "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32"}
    settings["ROBOTSTXT_OBEY"] = "0"  # Google's emulator has none
    for _ in range(2):
        ended = crawl("urls", list=str(path), settings=settings)
        assert ended.status == 3, ended.log
        rows = ended.out.rows()
        assert [row["url"] for row in rows] == listed[:4]  # what the list says is kept
        assert all(row["final_url"].startswith(f"{store.url}/{BUCKET}/") for row in rows)
        reasons = {row["url"]: row["reason"] for row in ended.out.rows("failures.csv")}
        assert reasons == dict(zip(listed[4:], ["not_found", "bad_url", "bad_url"], strict=True))
        assert "7 rows were read: 7 records" in ended.log
    assert "4 already there" in ended.log


def test_pictures_of_a_private_bucket_are_asked_for_with_an_account(
    crawl: Crawler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        for number, key in enumerate(KEYS):
            store.put(key, saved("JPEG", picture(number)))
        path = tmp_path / "urls.txt"
        path.write_text("".join(f"s3://{BUCKET}/{key}\n" for key in KEYS))
        settings = {
            "S3_URL": f"{store.url}/{{bucket}}/",
            "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
        }
        ended = crawl("urls", list=str(path), settings=settings)
        assert [row["reason"] for row in ended.out.rows("failures.csv")] == ["forbidden"] * 4
        assert "-s S3_LOGIN=1" in ended.out.rows("failures.csv")[0]["message"]
        ended = crawl("urls", list=str(path), settings=settings | {"S3_LOGIN": "1"})
        assert ended.status == 0, ended.log
        assert len(ended.out.rows()) == 4

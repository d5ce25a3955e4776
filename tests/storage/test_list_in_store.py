"""Lists that lie in object stores, as everybody may read them or with an account."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tests.stores import BUCKET

if TYPE_CHECKING:
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

"""Names that a source chooses, against OUT's own and against each other; the second run is calm."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

LABELS = [
    *("summary.json", "duplicates.csv", "ledger.sqlite-shm", "ledger.sqlite-journal", ".parts"),
    *("failures.csv", "Metadata.CSV", "metadata.csv.", ".lock", "licenses", "Sizes", "manifests"),
    *("ledger.sqlite", "verify.csv", "\uff53ummary.json", "plain", "runs.csv", "crawl.log"),
]
FILES = {"SPIDER_MODULES": "tests.spiders", "CHECK_FREE_DISK": "0"}


def test_labels_that_are_called_like_files_of_a_run(
    crawl: Crawler, replica: ReplicaProcess, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "label"])
        writer.writerows(
            [f"{n}", f"http://h{n % 3}.example/{n}.jpg", label] for n, label in enumerate(LABELS)
        )
    ended = crawl("urls", list=path, layout="{label}/{id}", sizes="16")
    assert ended.status == 0, ended.log
    names = {row["record_id"]: row["file_name"] for row in ended.out.rows()}
    assert len(names) == len(LABELS)
    assert names[str(LABELS.index("plain"))] == f"plain/{LABELS.index('plain')}.jpg"
    assert ended.out.summary()["records"]["stored"] == len(LABELS)
    replica.reset()
    again = crawl("urls", list=path, layout="{label}/{id}", sizes="16")
    assert again.status == 0, again.log
    assert replica.log()["requests"] == 0
    assert {row["record_id"]: row["file_name"] for row in again.out.rows()} == names


def test_a_file_that_is_the_folder_of_another_and_files_called_like_those_of_a_run(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    paths = ["data", "data/x.bin", "a/b/c", "a/b", "a", "ledger.sqlite", "Manifests", ".lock"]
    records = [[f"f{n}", [f"{replica.url}/large/{n + 10}/x"], p, {}] for n, p in enumerate(paths)]
    (crawl.tmp_path / "list.json").write_text(json.dumps(records))
    for _ in range(2):
        replica.reset()
        ended = crawl("listed_files", list=crawl.tmp_path / "list.json", settings=FILES)
        assert ended.status == 0, ended.log
        assert {row["record_id"]: row["bytes"] for row in ended.out.rows()} == {
            f"f{n}": str(n + 10) for n in range(len(paths))
        }
        ended.out.verify()
    assert replica.log()["requests"] == 0

"""Shards whose OUT lies in an object store: the same again, and after the death of the command."""

from __future__ import annotations

import csv
import io
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from bench.shards import _crawls as crawls_below
from tests.conftest import Ended, started, until
from tests.stores import BUCKET

if TYPE_CHECKING:
    import subprocess

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler
    from tests.stores import S3, Store

N = 90
PREFIX = "sets/urls/"


class StoreShards:
    """Starts ``scrapy shards urls`` into a store, from a machine of its own."""

    def __init__(self, crawl: Crawler, store: Store, replica: ReplicaProcess) -> None:
        self._crawl, self._store = crawl, store
        lines = [f"{replica.url}/files/jpeg/{n}.jpg?size=16x12" for n in range(N)]
        lines[7] = f"{replica.url}/files/none/7.jpg"
        self.list = crawl.tmp_path / "urls.txt"
        self.list.write_text("\n".join(lines))

    def start(self, machine: str = "a", **settings: Any) -> subprocess.Popen[str]:
        own = {"SCRATCH_DIR": self._crawl.tmp_path / machine, "PLACEHOLDER_REPEATS": "0"}
        command = self._crawl.command(
            "urls",
            list=self.list,
            out=f"{self._store.scheme}://{BUCKET}/{PREFIX}",
            settings={**own, **self._store.settings, **settings},
        )
        command[command.index("crawl")] = "shards"
        return started([*command, "--cut", "record", "--workers", "2", "-n", "3"])

    def __call__(self, machine: str = "a", **settings: Any) -> Ended:
        process = self.start(machine, **settings)
        try:
            log, _ = process.communicate(timeout=120)
        finally:
            process.kill()
        return Ended(process.returncode, log, self._crawl.out())

    def table(self, name: str = "metadata.csv") -> list[dict[str, str]]:
        text = self._store.objects(f"{PREFIX}{name}")[""].data.decode()
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def assert_all_is_there(self) -> None:
        rows, objects = self.table(), self._store.objects(PREFIX)
        assert len({row["record_id"] for row in rows}) == len(rows) == N - 1
        assert [row["sha256"] for row in rows] == [objects[row["file_name"]].sha256 for row in rows]
        assert {row["reason"] for row in self.table("failures.csv")} == {"not_found"}
        pictures = {key for key in objects if "/images/" in key}
        assert pictures == {row["file_name"] for row in rows}
        # One table, or those who load it as a folder have pictures twice.
        assert [key for key in objects if key.endswith("metadata.csv") and "/." not in key] == [
            "metadata.csv"
        ]
        assert not [key for key in objects if key.endswith(".lock")]


def pictures_asked(replica: ReplicaProcess) -> int:
    return sum(n for path, n in replica.log()["paths"].items() if "/files/jpeg/" in path)


@pytest.mark.slow
@pytest.mark.slow
def test_shards_go_into_a_store_once(crawl: Crawler, replica: ReplicaProcess, store: Store) -> None:
    shards = StoreShards(crawl, store, replica)
    ended = shards()
    assert ended.status == 3, ended.log
    assert f"{N - 1} stored" in ended.log
    shards.assert_all_is_there()
    assert {"summary.json", "shards.json", "logs/shard=1.log"} <= set(store.objects(PREFIX))
    assert not list((crawl.tmp_path / "a").glob("*/ledger.sqlite"))  # nobody needs it any more
    # Another machine has nothing to do.
    before = store.objects(PREFIX)["metadata.csv"].data
    replica.reset()
    ended = shards("b")
    assert ended.status == 3, ended.log
    assert "3 are done already" in ended.log
    assert pictures_asked(replica) == 0
    assert store.objects(PREFIX)["metadata.csv"].data == before
    shards.assert_all_is_there()


@pytest.mark.slow
def test_the_command_killed_another_machine_goes_on(
    crawl: Crawler, replica: ReplicaProcess, s3: S3
) -> None:
    replica.faults([{"match": "/files/", "kind": "latency", "ms": 300}])
    shards = StoreShards(crawl, s3, replica)
    quick = {"STORE_LOCK_STALE": "2", "STORE_CHECKPOINT": "0.2"}
    process = shards.start(**quick)
    scratch = crawl.tmp_path / "a"
    until(lambda: len([key for key in s3.keys(PREFIX) if "/images/" in key]) >= 6)
    os.kill(process.pid, signal.SIGKILL)
    log, _ = process.communicate(timeout=60)
    until(lambda: not crawls_below(scratch))
    there = len([key for key in s3.keys(PREFIX) if "/images/" in key])
    replica.faults([])
    replica.reset()
    ended = shards("b", **quick)
    assert ended.status == 3, log + ended.log
    shards.assert_all_is_there()
    # What the dead ones had put is read back from the store, and not asked of its source again.
    assert pictures_asked(replica) <= N - there

from __future__ import annotations

import os
import re
import signal
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from distributed import Client
from scrapy.settings import Settings

from bench.shards import _crawls as crawls_below
from imgcrawl.download.downloader import Downloader
from imgcrawl.shards.cluster import connected
from tests.conftest import Ended, started, until
from tests.progress.test_terminal import HIDE_CURSOR, SHOW_CURSOR, at_terminal

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

N = 240
LIMIT = 120  # seconds
# The replica has few pictures of this size: they would be taken for placeholders.
ALL = {"PLACEHOLDER_REPEATS": "0"}


@pytest.fixture
def urls(replica: ReplicaProcess, tmp_path: Path) -> Path:
    path = tmp_path / "urls.txt"
    lines = [f"{replica.url}/files/jpeg/{n}.jpg?size=16x12" for n in range(N)]
    lines[7] = f"{replica.url}/files/none/7.jpg"
    path.write_text("\n".join(lines))
    return path


class Shards:
    """Starts ``scrapy shards`` as a user does."""

    def __init__(self, crawl: Crawler, urls: Path) -> None:
        self._crawl = crawl
        self._urls = urls

    def command(self, *options: str, **args: Any) -> list[str]:
        args["settings"] = {**ALL, **args.get("settings", {})}
        command = self._crawl.command("urls", list=self._urls, **args)
        command[command.index("crawl")] = "shards"
        return [*command, "--cut", "record", "--workers", "2", *options]

    def start(self, *options: str, **args: Any) -> subprocess.Popen[str]:
        return started(self.command(*options, **args))

    def __call__(self, *options: str, **args: Any) -> Ended:
        return self.end(self.start(*options, **args))

    def end(self, process: subprocess.Popen[str]) -> Ended:
        try:
            log, _ = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
        return Ended(process.returncode, log, self._crawl.out())


@pytest.fixture
def shards(crawl: Crawler, urls: Path) -> Shards:
    return Shards(crawl, urls)


def assert_same(one: Ended, other: Ended) -> None:
    """The same records with the same bytes, and the same ones missing."""
    kept = ("record_id", "url", "sha256", "bytes", "format", "width", "height")
    found = [
        [tuple(row[name] for name in kept) for row in ended.out.rows()] for ended in (one, other)
    ]
    assert found[0] == found[1]
    assert len(found[0]) == N - 1
    assert one.out.failures() == other.out.failures()


@pytest.mark.slow
def test_workers_killed_lose_nothing_and_leave_no_orphan(
    shards: Shards, crawl: Crawler, urls: Path, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "/files/", "kind": "latency", "ms": 400}])
    process = shards.start("-n", "4")
    out = crawl.out().root
    try:
        crawling = until(lambda: crawls_below(out))
        until(lambda: list(out.glob("shard=*/images/*/*.jpg")))
        for child, worker in crawling.items():
            os.kill(worker, signal.SIGKILL)
            until(lambda child=child: child not in crawls_below(out), 10)
        replica.faults([])
    finally:
        ended = shards.end(process)
    assert ended.status == 3, ended.log
    assert not crawls_below(out)
    for row in ended.out.rows():
        assert sha256((out / row["file_name"]).read_bytes()).hexdigest() == row["sha256"]
    assert len(list(out.glob("shard=*/images/*/*"))) == N - 1
    # Below OUT there is one metadata.csv, or those who load it as a folder have pictures twice.
    assert [path.parent for path in out.rglob("metadata.csv")] == [out]
    single = crawl("urls", list=urls, out="single", settings=ALL)
    assert_same(ended, Ended(single.status, single.log, single.out))
    summary = ended.out.summary()
    assert summary["records"] == {"stored": N - 1, "missing": 1, "expected": None}
    assert summary["missing_by_reason"] == {"not_found": 1}
    assert summary["exit_status"] == 3
    (run,) = ended.out.rows("runs.csv")
    assert (run["exit_status"], run["all_stored"], run["all_missing"]) == ("3", str(N - 1), "1")

    replica.reset()
    again = shards()
    assert again.status == 3, again.log
    assert replica.log()["paths"] == {}
    assert_same(again, ended)


@pytest.mark.slow
def test_stopped_it_goes_on(shards: Shards, crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "/files/", "kind": "latency", "ms": 400}])
    process = shards.start("-n", "4")
    out = crawl.out().root
    until(lambda: list(out.glob("shard=*/images/*/*.jpg")))
    process.send_signal(signal.SIGINT)
    ended = shards.end(process)
    assert ended.status == 130, ended.log
    assert not crawls_below(out)
    there = len(ended.out.rows())
    assert 0 < there < N - 1
    assert ended.out.summary()["records"]["stored"] == there
    replica.faults([])
    replica.reset()
    ended = shards()
    assert ended.status == 3, ended.log
    assert len(ended.out.rows()) == N - 1
    asked = [p for p in replica.log()["paths"] if "/files/" in p]
    assert len(asked) <= N - there


@pytest.mark.slow
def test_at_a_terminal_there_is_a_row_a_shard(shards: Shards) -> None:
    command = shards.command("-n", "3")
    status, shown = at_terminal(command, columns=120)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert status == 3, text
    assert "Traceback" not in text
    assert re.search(r"shard 1\s+running\s+\d", text)
    assert re.search(r"all\s+[012] of 3\s+\d", text)
    assert f"{N - 1} stored" in text
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)


@pytest.mark.parametrize(
    ("options", "args", "words"),
    [
        ([], {"shard": "1/2"}, "not with shards"),
        ([], {"lisst": "x"}, "there is no argument 'lisst'"),
        (["-n", "0"], {}, "type a number from 1"),
        ([], {"settings": {"IMAGES_STORE": "s3://bucket/x/"}}, "all workers share"),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_started(
    options: list[str], args: dict[str, Any], words: str, shards: Shards, replica: ReplicaProcess
) -> None:
    ended = shards(*options, **args)
    assert ended.status == 2, ended.log
    assert words in ended.log
    assert replica.log()["paths"] == {}


def test_another_cut_of_the_same_out_is_refused(shards: Shards, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    plan = f'{{"spider": "urls", "arguments": {{"list": "{tmp_path}/urls.txt"}}, '
    (tmp_path / "out" / "shards.json").write_text(plan + '"n": 3, "cut": "record"}')
    ended = shards("-n", "4")
    assert ended.status == 2, ended.log
    assert "was cut with n = 3, not 4" in ended.log


def downloader(**given: Any) -> Downloader:
    """A downloader's limits, without the crawl around it."""
    slots: dict[str, dict[str, Any]] = {
        "a.org": {"concurrency": 16, "delay": 0.5},
        "service": {"concurrency": 8},
    }
    made = Downloader.__new__(Downloader)
    made.settings = Settings({"DOWNLOAD_DELAY": 1, **given})
    made.per_slot_settings = slots
    made.domain_concurrency, made._delay, made._floors, made._paces = 8, 1.0, {}, {}
    made.budget = None
    made.workers = made.sharers("a.host")
    made._share()
    return made


def test_limits_of_hosts_are_divided_by_the_workers() -> None:
    one, four = downloader(), downloader(SHARD_WORKERS=4)
    assert (one.floor("b.org"), four.floor("b.org")) == (1, 4)
    assert (one.domain_concurrency, four.domain_concurrency) == (8, 2)
    assert four.per_slot_settings["a.org"] == {"concurrency": 4, "delay": 2}
    four.slow_down("b.org", 3)
    assert four.floor("b.org") == 12
    assert downloader(SHARD_WORKERS=99).domain_concurrency == 1


def test_cut_by_host_only_services_are_shared() -> None:
    cut = downloader(SHARD_WORKERS=4, SHARD_BY="host")
    assert cut.per_slot_settings["a.org"] == {"concurrency": 16, "delay": 0.5}
    assert cut.per_slot_settings["service"] == {"concurrency": 2}
    assert cut.floor("b.org") == 1


def test_nobody_else_gives_the_cluster_work() -> None:
    plain: Any = Client  # it has no types
    with connected(None, 1) as client:
        assert client.submit(abs, -1).result(timeout=30) == 1
        address = client.scheduler.address
        assert "127.0.0.1" in address
        for stranger in (address, address.replace("tls://", "tcp://")):
            with pytest.raises((OSError, TypeError)):
                plain(stranger, timeout=5)

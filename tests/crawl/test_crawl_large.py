"""Files of any size: constant memory, in pieces, from where it had stopped."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.download.partial_file import PartialFile
from replicas.large import sha256
from tests.conftest import until
from tests.stores import BUCKET, running_google, running_s3

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Ended

MB = 1 << 20
FILES = {"SPIDER_MODULES": "tests.spiders", "CHECK_FREE_DISK": "0"}


def listed(crawl: Crawler, urls: list[str]) -> dict[str, Any]:
    records = [[f"f{n}", [url], f"data/f{n}.bin", {}] for n, url in enumerate(urls)]
    (crawl.tmp_path / "list.json").write_text(json.dumps(records))
    return {"list": crawl.tmp_path / "list.json", "settings": FILES}


def fetch(crawl: Crawler, urls: list[str], **settings: Any) -> Ended:
    args = listed(crawl, urls)
    args["settings"] = FILES | settings
    return crawl("listed_files", **args)


def test_every_size_from_every_kind_of_server(crawl: Crawler, replica: ReplicaProcess) -> None:
    kinds = ("", "ranges=0", "etag=0", "ranges=0&etag=0", "strict=400", "strict=416")
    asked = [(size, kind) for size in (1, 1000, 40 * MB + 7) for kind in kinds]
    ended = fetch(crawl, [f"{replica.url}/large/{size}/a.tif?{kind}" for size, kind in asked])
    assert ended.status == 0, ended.log
    rows = {row["record_id"]: row for row in ended.out.rows()}
    assert len(rows) == len(asked)
    digests = {size: sha256("0", size) for size, _ in asked}
    for n, (size, kind) in enumerate(asked):
        row = rows[f"f{n}"]
        assert (row["sha256"], row["bytes"]) == (digests[size], str(size)), kind
    ended.out.verify()
    assert not list(ended.out.root.glob(".par*"))


def test_killed_it_goes_on_from_there(crawl: Crawler, replica: ReplicaProcess) -> None:
    size = 200 * MB
    url = f"{replica.url}/large/{size}/a.tif?rate=10000000"
    for signum in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        before = received(crawl)
        process = crawl.start("listed_files", **listed(crawl, [url]))
        until(lambda before=before: received(crawl) > before)
        process.send_signal(signum)
        process.communicate()
        assert list((crawl.tmp_path / "out/.parts").glob("*.part"))
        assert not (crawl.tmp_path / "out/data/f0.bin").exists()
    (path,) = (crawl.tmp_path / "out/.parts").glob("*.part")
    part = PartialFile.opened(path, url)
    part.close()
    assert part.received > 16 * MB
    replica.reset()
    ended = fetch(crawl, [url])
    assert ended.status == 0, ended.log
    assert ended.out.rows()[0]["sha256"] == sha256("0", size)
    assert replica.log()["requests"] <= len(part.missing()) + 1  # and robots.txt
    assert not list(ended.out.root.glob(".par*"))


def received(crawl: Crawler) -> int:
    """Bytes of files that are under way, as far as a next run takes them for granted."""
    return claimed(crawl.tmp_path / "out/.parts")


def claimed(parts: Path) -> int:
    """Bytes that the journals of a folder claim."""
    lines = [line for note in parts.glob("*.note") for line in note.read_text().split("\n")]
    claims = [json.loads(line) for line in lines if line.endswith('"]') and line[1].isdigit()]
    return sum(end - start for start, end, _ in claims)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("change=2", "truncated"),  # another file with every third request
        ("ranges=0&length=60000000", "truncated"),
        ("ranges=0&length=1000", None),
    ],
)
def test_servers_that_lie(
    query: str, reason: str | None, crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = fetch(crawl, [f"{replica.url}/large/{40 * MB}/a.tif?{query}"], RETRY_TIMES="1")
    if query == "change=2":
        # It changes once, is noticed, and what is kept is the new one, whole.
        assert ended.status == 0, ended.log
        assert ended.out.rows()[0]["sha256"] == sha256("0 changed", 40 * MB)
    elif reason:
        assert ended.out.failures() == {"f0": reason}
        assert not list(ended.out.root.rglob("*.bin"))
    else:
        assert ended.out.rows()[0]["bytes"] == "1000"


@pytest.mark.slow
def test_a_file_that_changed_between_two_runs_is_not_mixed(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    size = 100 * MB
    url = f"{replica.url}/large/{size}/a.tif?rate=12000000&change=6"
    process = crawl.start("listed_files", **listed(crawl, [url]))
    until(lambda: received(crawl))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ended = fetch(crawl, [url])
    assert ended.status == 0, ended.log
    assert ended.out.rows()[0]["sha256"] == sha256("0 changed", size)


def test_a_page_in_place_of_a_file_and_other_failures(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults([{"match": "/files/", "kind": "html"}])
    urls = [
        f"{replica.url}/files/png/1.png",
        f"{replica.url}/large/none",
        f"{replica.url}/large/0/empty.tif",
        "ftp://a.example/x",
    ]
    ended = fetch(crawl, urls)
    assert ended.status == 3
    assert ended.out.failures() == {
        "f0": "not_image",
        "f1": "not_found",
        "f2": "empty",
        "f3": "bad_url",
    }


@pytest.mark.slow
def test_memory_is_constant_and_files_share_the_way(
    crawl: Crawler, replica: ReplicaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGCRAWL_COLD", "1")  # of what a user's process imports, and no more
    urls = [f"{replica.url}/large/4000000/slow.tif?rate=500000"]
    sizes = (200 * MB, 60 * MB, 60 * MB, 60 * MB)
    urls += [f"{replica.url}/large/{size}/{n}.tif?seed={n}" for n, size in enumerate(sizes)]
    process = crawl.start("listed_files", **listed(crawl, urls))
    peak = 0
    while process.poll() is None:
        with suppress(OSError, IndexError):  # what wait4 tells includes the process that forked
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = int(status.split("VmHWM:")[1].split()[0])
        time.sleep(0.05)
    log = process.communicate()[0]
    assert process.returncode == 0, log
    assert 0 < peak < 150 * 1024  # kB; of a file of 200 MB, and others beside it
    out = crawl.out()
    out.verify()
    ended = sorted(out.rows(), key=lambda row: row["downloaded_at"])
    assert ended[-1]["record_id"] == "f0"  # the slow one held up none of the others


@pytest.mark.slow
def test_into_s3_in_multipart(crawl: Crawler, replica: ReplicaProcess) -> None:
    with running_s3() as store:
        ended = fetch(
            crawl,
            [f"{replica.url}/large/{40 * MB}/a.tif"],
            FILES_STORE=f"s3://{BUCKET}/set/",
            AWS_ENDPOINT_URL=store.url,
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="x",
            AWS_REGION_NAME="us-east-1",
        )
        assert ended.status == 0, ended.log
        head = store.client.head_object(Bucket=BUCKET, Key="set/data/f0.bin")
        assert head["ContentLength"] == 40 * MB
        assert head["ETag"].strip('"').endswith("-3")  # of three parts


def test_into_google_storage_in_pieces(
    crawl: Crawler, replica: ReplicaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_google() as store:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.url)
        url = f"{replica.url}/large/{40 * MB}/a.tif"
        ended = fetch(crawl, [url], FILES_STORE=f"gs://{BUCKET}/set/", **store.settings)
        assert ended.status == 0, ended.log
        assert store.objects("set/")["data/f0.bin"].sha256 == sha256("0", 40 * MB)

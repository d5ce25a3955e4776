"""What happens to a crawl: faults, kills, stops, a second run at the same time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.dataset.history import read_runs
from tests.conftest import scrapy, until
from tests.soak import times

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler, Out

IMAGES = r"^/isic-s3/images/"

# One in ten is at fault: kind, what is asked of the replica, and the outcome it must come to.
FAULTS: dict[str, dict[str, Any]] = {
    "not_found": {"kind": "status", "status": 404},
    "forbidden": {"kind": "status", "status": 403},
    "server_error": {"kind": "status", "status": 500},
    "http_error": {"kind": "status", "status": 418},
    "not_image": {"kind": "html"},
    "empty": {"kind": "empty"},
    "truncated": {"kind": "cut"},
    "connection_lost": {"kind": "reset"},
    "redirects": {"kind": "redirect", "location": "loop"},
    "blocked_address": {"kind": "redirect", "location": "http://10.0.0.1/a.jpg"},
}
LAST_DIGITS = dict(enumerate(FAULTS))


def rules(kinds: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Images whose id ends in 5N have the N-th fault: one in ten in all."""
    return [
        {"match": rf"{IMAGES}ISIC_\d+5{digit}\.jpg", **kinds[name]}
        for digit, name in LAST_DIGITS.items()
        if name in kinds
    ]


def expected(record_id: str) -> str | None:
    return LAST_DIGITS[int(record_id[-1])] if record_id[-2] == "5" else None


@pytest.mark.slow
def test_two_thousand_images_a_tenth_of_them_at_fault(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    replica.faults(rules(FAULTS))
    settings = {"RETRY_TIMES": "1", "IMAGE_CHECK": "header"}
    first = crawl("isic", num_images=2000, settings=settings)
    assert first.status == 3, first.log
    stored = [row["record_id"] for row in first.out.rows()]
    failures = first.out.failures()
    assert len(stored) + len(failures) == 2000
    assert not set(stored) & set(failures)
    assert len(failures) == 200
    wrong = {i: why for i, why in failures.items() if why != expected(i)}
    assert wrong == {}
    first.out.verify()
    summary = first.out.summary()
    assert summary["records"] == {"stored": 1800, "missing": 200, "expected": 2000}
    assert summary["missing_by_reason"] == dict.fromkeys(sorted(FAULTS), 20)

    # Now what may still be had is there, and what is hopeless is not asked for again.
    replica.faults([])
    replica.reset()
    second = crawl("isic", num_images=2000, settings=settings)
    assert second.status == 3, second.log
    hopeless = {"not_found", "http_error", "not_image", "redirects", "blocked_address"}
    assert Counter(second.out.failures().values()) == dict.fromkeys(hopeless, 20)
    asked = {p for p in replica.log()["paths"] if p.startswith("/isic-s3/images/")}
    assert len(asked) == 100

    replica.reset()
    third = crawl("isic", num_images=2000, retry="all", settings=settings)
    assert third.status == 0, third.log
    assert third.out.failures() == {}
    assert len(third.out.rows()) == 2000
    third.out.verify()
    asked = {p for p in replica.log()["paths"] if p.startswith("/isic-s3/images/")}
    assert len(asked) == 100


def undated(out: Out) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k != "downloaded_at"} for row in out.rows()]


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(600)  # which may start two dozen crawls, one after the other
def test_killed_at_many_moments_it_ends_as_if_undisturbed(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    args: dict[str, Any] = {"num_images": 600, "descriptions": 1, "sizes": "16"}
    args["settings"] = {"CONCURRENT_REQUESTS_PER_DOMAIN": "8"}
    whole = crawl("isic", out="whole", **args)
    assert whole.status == 0, whole.log

    # So slow that none of them comes to the end.
    replica.faults([{"match": IMAGES, "kind": "latency", "ms": 200}])
    random = Random(7)
    for _ in range(times(few=4, many=20)):
        replica.reset()
        running = crawl.start("isic", out="killed", **args)
        replica.until_asked("/", random.randrange(1, 24))
        running.kill()
        running.communicate()
    assert len(crawl.out("killed").rows()) < 600
    replica.faults([])
    ended = crawl("isic", out="killed", **args)
    assert ended.status == 0, ended.log
    assert undated(ended.out) == undated(whole.out)
    assert ended.out.rows("failures.csv") == []
    assert ended.out.files() == whole.out.files()
    ended.out.verify()


@pytest.mark.slow
def test_a_damaged_page_of_the_ledger_is_called_that_and_costs_nothing(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("isic", num_images=100)
    assert ended.status == 0, ended.log
    ledger = ended.out.root / "ledger.sqlite"
    whole, held = ledger.read_bytes(), ended.out.files()
    pages = len(whole) // 4096
    for page in (pages // 3, pages - 2):
        noise = bytes((page + 37 * n) % 251 for n in range(4096))
        ledger.write_bytes(whole[: page * 4096] + noise + whole[(page + 1) * 4096 :])
        again = crawl("isic", num_images=100)
        assert "Traceback" not in again.log
        assert again.status in {0, 1}
        assert again.status == 0 or "is damaged" in again.log
        assert "Move it away" not in again.log
        for command in ("status", "rebuild", "verify"):
            told = scrapy(command, ended.out.root)
            assert "Traceback" not in told.stderr
            assert "Move it away" not in told.stderr + told.stdout
        assert ended.out.files().items() >= held.items()


@pytest.mark.slow
def test_a_deleted_and_a_cut_file_are_fetched_again(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    ended = crawl("isic", num_images=30)
    names = [row["file_name"] for row in ended.out.rows()]
    (ended.out.root / names[3]).unlink()
    (ended.out.root / names[7]).write_bytes(b"x")
    replica.reset()
    again = crawl("isic", num_images=30)
    assert again.status == 0, again.log
    again.out.verify()
    asked = sorted(p for p in replica.log()["paths"] if p.startswith("/isic-s3/images/"))
    assert asked == sorted(f"/isic-s3/{name}" for name in (names[3], names[7]))


@pytest.mark.slow
def test_stopped_politely_it_writes_and_goes_on(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": IMAGES, "kind": "latency", "ms": 200}])
    for signum, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        replica.reset()
        running = crawl.start("isic", num_images=400)
        replica.until_asked("/isic-s3/images/", 20)
        running.send_signal(signum)
        log, _ = running.communicate(timeout=30)
        assert running.returncode == status, log
        out = crawl.out()
        assert out.summary()["exit_status"] == status
        out.verify()
        assert set(out.failures().values()) <= {"interrupted"}
        assert not list(out.root.glob(".*"))
        assert "Stopped by a signal" in log
    assert 0 < len(crawl.out().rows()) < 400
    replica.faults([])
    ended = crawl("isic", num_images=400)
    assert ended.status == 0, ended.log
    assert len(ended.out.rows()) == 400


def test_stopped_at_once_it_was_not_killed(crawl: Crawler, replica: ReplicaProcess) -> None:
    """Told twice, or before it had begun: an alert would say that it failed."""
    replica.faults([{"match": IMAGES, "kind": "hang"}])
    running = crawl.start("isic", num_images=30)
    replica.until_asked("/isic-s3/images/", 3)
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.send_signal(signal.SIGTERM)
    log, _ = running.communicate(timeout=30)
    assert running.returncode == 130, log
    (row,) = read_runs(crawl.out().root)
    assert (row.status, row.exit_status, row.failed) == ("stopped by SIGINT", 130, False)
    replica.faults([])
    ended = crawl("isic", num_images=30)
    assert ended.status == 0, ended.log
    assert [row.status for row in read_runs(ended.out.root)] == ["stopped by SIGINT", "all stored"]


def test_a_second_run_on_the_same_out_is_refused(crawl: Crawler, replica: ReplicaProcess) -> None:
    replica.faults([{"match": IMAGES, "kind": "latency", "ms": 300}])
    running = crawl.start("isic", num_images=300)
    try:
        until((crawl.out().root / ".lock").exists)
        second = crawl("isic", num_images=5)
        assert second.status == 1
        assert f"in use by another run (process {running.pid})" in second.log
        assert "Traceback" not in second.log
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)


@pytest.mark.slow
def test_a_disk_that_fills_stops_the_run(crawl: Crawler, replica: ReplicaProcess) -> None:
    """A limit on the size of files stands in for a full disk: the writes fail with EFBIG."""
    command = crawl.command("isic", num_images=50)
    limited = ["prlimit", "--fsize=3000:3000", *command]
    ended = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
    assert list(crawl.out().root.rglob("*.jpg")) == []


@pytest.mark.slow
def test_a_disk_that_takes_no_more_of_the_ledger_is_said_in_words(
    crawl: Crawler, replica: ReplicaProcess
) -> None:
    """The ledger grows beyond the limit while its pictures, of 1 kB, still fit below it."""
    command = crawl.command("isic", num_images=300, images="none")
    limited = ["prlimit", "--fsize=150000:150000", *command]
    ended = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "cannot be read or written" in ended.stdout
    assert "run the same command again" in ended.stdout
    assert not (crawl.out().root / ".lock").exists()
    again = crawl("isic", num_images=300, images="none")
    assert again.status == 0, again.log
    assert len(again.out.rows()) == 300

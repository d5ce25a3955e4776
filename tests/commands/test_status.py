"""``scrapy status``: of runs that ended, run now, were stopped and were killed."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.dataset.history import read_runs
from imgcrawl.dataset.status import read_status
from imgcrawl.records.errors import OutputError
from imgcrawl.storage.directory import OutputDirectory, holder_of
from tests.conftest import scrapy, until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

SLOW = {"DOWNLOAD_DELAY": "0.2", "CONCURRENT_REQUESTS_PER_DOMAIN": "1"}


def status(*words: str | Path) -> tuple[int, str]:
    done = scrapy("status", *words)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def as_json(*words: str | Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(status("--json", *words)[1])
    return loaded


def files(root: Path) -> dict[str, tuple[int, int]]:
    found = ((path, path.lstat()) for path in root.rglob("*"))
    return {str(path): (stat.st_ino, stat.st_mtime_ns) for path, stat in found}


def begun(crawl: Crawler, out: str) -> subprocess.Popen[str]:
    """A crawl that has stored something, and goes on for long."""
    process = crawl.start("isic", num_images=400, out=out, settings=SLOW)
    images = crawl.out(out).root / "images"
    until(lambda: images.is_dir() and any(images.iterdir()))
    return process


@pytest.mark.slow
def test_each_way_that_a_run_can_go(crawl: Crawler, replica: ReplicaProcess) -> None:
    room = crawl.tmp_path
    assert crawl("isic", num_images=5, out="a").status == 0
    code, words = status(room)
    assert code == 0
    assert "all stored" in words

    assert crawl("isic", ids="ISIC_0000001,ISIC_9999999", out="b").status == 3
    code, words = status(room / "a", room / "b")
    assert code == 3
    assert "finished, some missing" in words
    assert "1 stored" in words
    assert "1 missing" in words

    killed = begun(crawl, "c")
    running = read_status(room / "c")
    assert (running.state, running.process) == ("running", killed.pid)
    assert running.worst_status == 0
    killed.kill()
    killed.communicate()
    before = files(room / "c")
    code, words = status(room / "c")
    assert code == 1
    assert f"killed (process {killed.pid})" in words
    assert "its last sign of life" in words
    assert files(room / "c") == before  # it was looked at, and not touched
    assert [run.status for run in read_runs(room / "c")] == ["running"]
    assert re.search(r"began .*\n.*  killed\n", status("--history", room / "c")[1])

    stopped = begun(crawl, "d")
    stopped.send_signal(signal.SIGTERM)
    stopped.communicate()
    code, words = status(room / "b", room / "d", room / "a")
    assert code == 143
    assert "stopped by SIGTERM" in words

    # All of them by the folder that they are in, the worst of them first in the exit status.
    assert status(room)[0] == 1
    everything = {entry["out"]: entry for entry in as_json(room)}
    assert sorted(everything) == [str(room / name) for name in "abcd"]
    last = everything[str(room / "a")]
    assert (last["spider"], last["exit_status"], last["stored"], last["new"]) == ("isic", 0, 5, 5)

    # The killed one goes on, and is well again.
    assert crawl("isic", num_images=20, out="c").status == 0
    assert read_status(room / "c").worst_status == 0
    first, second = read_runs(room / "c")
    assert (first.status, first.exit_status, first.failed) == ("killed", None, True)
    assert first.started_at <= first.ended_at <= second.started_at
    assert first.new is not None
    assert second.new is not None
    assert second.already_there is not None
    assert (second.status, second.exit_status, second.all_stored) == ("all stored", 0, 20)
    assert second.new + second.already_there == 20
    (stopped_run,) = read_runs(room / "d")
    assert (stopped_run.exit_status, stopped_run.failed) == (143, False)
    assert as_json("--history", "--last", "1", room / "c")[0]["runs"] == [asdict(second)]
    (missing,) = read_runs(room / "b")
    assert (missing.missing, missing.missing_by_reason, missing.missing_share) == (
        *(1, "not_found 1", 0.5),
    )


def test_a_refusal_and_a_stop_leave_a_row_too(crawl: Crawler, tmp_path: Path) -> None:
    """What a run came to although it stopped in its first second."""
    for name in "ab":
        rows = "".join(f"{n},http://{name}.example/{n}.jpg\n" for n in range(5))
        (tmp_path / f"{name}.csv").write_text(f"id,url\n{rows}")
    stopped = crawl("urls", list=tmp_path / "a.csv", settings={"CLOSESPIDER_ITEMCOUNT": "2"})
    refused = crawl("urls", list=tmp_path / "b.csv")
    assert (stopped.status, refused.status) == (1, 2), stopped.log + refused.log
    first, second = read_runs(tmp_path / "out")
    assert (first.exit_status, second.exit_status) == (1, 2)
    assert first.failed
    assert second.failed
    assert second.error.startswith("This list is another dataset")
    assert read_status(tmp_path / "out").exit_status == 1


def test_what_is_no_dataset_and_what_is_damaged(tmp_path: Path) -> None:
    code, words = status(tmp_path / "nothing")
    assert code == 2
    assert "no dataset" in words
    out = tmp_path / "out"
    out.mkdir()
    for text in ("", "[]", "{}", '{"exit_status": "x", "records": {}, "this_run": {}}', "\0"):
        (out / "summary.json").write_text(text)
        damaged = read_status(out)
        assert damaged.worst_status == 1
        assert "summary.json cannot be read" in damaged.describe()


def test_a_look_at_a_killed_run_keeps_no_other_out(tmp_path: Path) -> None:
    """The lock is taken for a moment by who looks; who wants to run tries again."""
    (tmp_path / ".lock").write_text("123")
    assert holder_of(tmp_path) == (False, 123)
    looking = threading.Event()

    def look() -> None:
        with (tmp_path / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            looking.set()
            time.sleep(0.03)

    looker = threading.Thread(target=look)
    looker.start()
    assert looking.wait(10)
    OutputDirectory(tmp_path).close()
    looker.join()


def test_a_lock_that_is_held_is_held(tmp_path: Path) -> None:
    out = OutputDirectory(tmp_path)
    running, process = holder_of(tmp_path)
    assert running
    assert process
    assert read_status(tmp_path).state == "running"
    with pytest.raises(OutputError, match="in use by another run"):
        OutputDirectory(tmp_path)
    out.close()
    assert holder_of(tmp_path) == (False, None)

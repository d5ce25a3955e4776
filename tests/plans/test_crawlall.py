"""``scrapy crawlall``: the crawls of a plan side by side, as a user starts them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imgcrawl.plans.result import format_result
from tests.conftest import HASTE, ROOT, Crawler, Ended, Out, started, until

if TYPE_CHECKING:
    from replicas.process import ReplicaProcess

PAGE = "https://www.epfl.ch/labs/cvlab/data/data-em/"
IMAGES = r"/isic-s3/images/"
ISIC: dict[str, Any] = {"spider": "isic", "num_images": 20}
FISH: dict[str, Any] = {"spider": "empiar", "name": "fish", "entry": 11759, "match": "*_000?.dm3"}
EPFL: dict[str, Any] = {"spider": "static_page", "name": "epfl", "url": PAGE, "match": "*.tif"}


class Plans(Crawler):
    """Starts ``scrapy crawlall`` as a user does."""

    def write(self, *crawls: dict[str, Any], out: str = "out", jobs: int = 4) -> Path:
        """A plan: each crawl a dict of its own keys and its spider's arguments."""
        lines = [f"out = {str(self.tmp_path / out)!r}", f"jobs = {jobs}"]
        for crawl in crawls:
            own = {key: crawl[key] for key in ("spider", "name", "group") if key in crawl}
            arguments = {key: value for key, value in crawl.items() if key not in own}
            lines += ["[[crawl]]", *(f"{key} = {json.dumps(value)}" for key, value in own.items())]
            lines += ["[crawl.arguments]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in arguments.items()]
        path = self.tmp_path / "plan.toml"
        path.write_text("\n".join(lines))
        return path

    def line(self, plan: Path, *options: str) -> list[str]:
        settings = {
            **HASTE,
            "HTTPCACHE_DIR": self.tmp_path / "cache",
            "RETRY_BACKOFF_BASE": "0.01",
        }
        assert self.replica is not None
        command = [sys.executable, "-m", "scrapy", "crawlall", str(plan), *options]
        command += self.replica.settings()
        for name, value in settings.items():
            command += ["-s", f"{name}={value}"]
        return command

    def begin(self, plan: Path, *options: str) -> subprocess.Popen[str]:
        return started(self.line(plan, *options))

    def run(self, plan: Path, *options: str) -> Ended:
        process = self.begin(plan, *options)
        log, _ = process.communicate(timeout=120)
        return Ended(process.returncode, log, self.out())

    def crawls(self) -> list[int]:
        """The processes that crawl for a plan of this test."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended since
                line = (folder / "cmdline").read_bytes()
                if f"out={self.tmp_path}".encode() in line and b"\0crawl\0" in line:
                    found.append(int(folder.name))
        return found


@pytest.fixture
def plans(tmp_path: Path, replica: ReplicaProcess) -> Plans:
    """Plans against the replica."""
    return Plans(tmp_path, replica)


def table(out: Out, name: str = "metadata.csv") -> list[dict[str, str]]:
    """The rows without what differs from run to run."""
    return [{k: v for k, v in row.items() if not k.endswith("_at")} for row in out.rows(name)]


def rows(out: Path) -> int:
    path = out / "metadata.csv"
    return len(Out(out).rows()) if path.exists() else 0


def test_three_datasets_at_once_and_again(plans: Plans, replica: ReplicaProcess) -> None:
    plan = plans.write(ISIC, FISH, EPFL)
    ended = plans.run(plan)
    assert ended.status == 0, ended.log
    found = ended.out.rows()
    assert {row["dataset"] for row in found} == {"isic", "fish", "epfl"}
    for row in found:
        name = row["file_name"]
        assert name.startswith(f"{row['dataset']}/")
        assert (ended.out.root / name).stat().st_size == int(row["bytes"])
    parts = [Out(ended.out.root / name) for name in ("isic", "fish", "epfl")]
    assert len(found) == sum(len(part.rows()) for part in parts) == 20 + 10 + 3
    assert ended.out.rows("failures.csv") == []
    summary = ended.out.summary()
    assert (summary["stored"], summary["missing"], summary["exit_status"]) == (33, 0, 0)
    assert summary["bytes"] == sum(int(row["bytes"]) for row in found)
    assert {n: c["state"] for n, c in summary["crawls"].items()} == dict.fromkeys(
        ("isic", "fish", "epfl"), "done"
    )
    assert not [p for p in ended.out.root.iterdir() if p.name.startswith(".")]
    assert "Together 33 stored" in ended.log

    replica.reset()
    before = table(ended.out)
    (ended.out.root / "metadata.csv").unlink()  # made anew from what is there
    again = plans.run(plan, "--only", "isic,epfl")
    assert again.status == 0, again.log
    assert table(again.out) == before
    assert not [path for path in replica.log()["paths"] if path.endswith((".jpg", ".tif"))]
    assert again.out.summary()["stored"] == 33
    assert again.out.summary()["crawls"]["fish"]["state"] == "done"
    assert "20 already there" in (again.out.root / "isic/crawl.log").read_text()
    assert "20 new" in (again.out.root / "isic/crawl.log.1").read_text()

    replica.reset()
    finished = plans.run(plan, "--unfinished")
    assert finished.status == 0, finished.log
    assert replica.log()["requests"] == 0
    assert table(finished.out) == before
    changed = plans.run(plans.write({**ISIC, "num_images": 21}, FISH, EPFL), "--unfinished")
    assert changed.status == 0, changed.log
    assert changed.out.summary()["stored"] == 34
    assert "fish: " not in changed.log


@pytest.mark.slow
def test_what_is_missing_and_what_failed(plans: Plans, replica: ReplicaProcess) -> None:
    replica.faults([{"match": r"/isic-s3/images/.*[05]\.jpg", "kind": "status", "status": 404}])
    ended = plans.run(plans.write(ISIC, EPFL))
    assert ended.status == 3, ended.log
    missing = ended.out.rows("failures.csv")
    assert {row["dataset"] for row in missing} == {"isic"}
    assert {row["reason"] for row in missing} == {"not_found"}
    summary = ended.out.summary()
    assert summary["missing"] == len(missing) > 0
    assert summary["crawls"]["isic"]["state"] == "some missing"

    blocked = plans.tmp_path / "blocked"
    blocked.write_text("mine")
    failing = {**FISH, "name": "nothing", "entry": 99999}
    no_room = {**FISH, "name": "no_room", "out": str(blocked)}
    ended = plans.run(plans.write(failing, no_room, EPFL, ISIC))
    assert ended.status == 1, ended.log
    crawls = ended.out.summary()["crawls"]
    assert {n: c["state"] for n, c in crawls.items()} == {
        "nothing": "failed",
        "no_room": "failed",
        "epfl": "done",
        "isic": "some missing",
    }
    assert "99999" in crawls["nothing"]["error"]
    assert "could not be started" in crawls["no_room"]["error"]
    assert "ERROR: nothing: " in ended.log
    assert "Traceback" not in ended.log
    assert blocked.read_text() == "mine"
    assert {row["dataset"] for row in ended.out.rows()} == {"epfl", "isic"}


def test_a_wrong_plan_starts_nothing(plans: Plans, replica: ReplicaProcess) -> None:
    wrong = plans.run(plans.write(ISIC, {**FISH, "mach": "*.tif"}))
    assert wrong.status == 2
    assert "plan.toml: crawl 2 ('fish'): mach=*.tif: there is no argument 'mach'" in wrong.log
    plan = plans.write(ISIC, EPFL)
    for options, words in (
        (["--only", "epfk"], "no such crawl: did you mean 'epfl'?"),
        (["--jobs", "0"], "type 1 or more"),
        (["-s", "OUT=x"], "write out = ... in the plan"),
    ):
        ended = plans.run(plan, *options)
        assert (ended.status, words in ended.log) == (2, True), ended.log
    listed = plans.run(plan, "--list", "--only", "isic")
    assert listed.status == 0
    assert "isic -a num_images=20" in listed.log
    assert "epfl  (left out)" in listed.log
    assert not plans.out().root.exists()
    assert replica.log()["requests"] == 0


def test_a_dataset_that_is_there_is_not_overwritten(plans: Plans) -> None:
    root = plans.out().root
    root.mkdir()
    (root / "metadata.csv").write_text("mine")
    ended = plans.run(plans.write(EPFL))
    assert ended.status == 2
    assert "holds another dataset" in ended.log
    assert [(p.name, p.read_text()) for p in root.iterdir()] == [("metadata.csv", "mine")]


@pytest.mark.slow
def test_killed_it_leaves_no_crawl_and_goes_on(plans: Plans, replica: ReplicaProcess) -> None:
    many = {**ISIC, "num_images": 120}
    undisturbed = plans.run(plans.write(many, FISH, EPFL, out="undisturbed"))
    assert undisturbed.status == 0, undisturbed.log
    replica.faults([{"match": f"{IMAGES}|dm3|tif", "kind": "latency", "ms": 300}])
    plan = plans.write(many, FISH, EPFL)
    for wanted in (0, 1, 25):  # the first time before the crawls have come to themselves
        running = plans.begin(plan)
        until(plans.crawls)
        until(lambda wanted=wanted: rows(plans.out().root / "isic") >= wanted)
        assert plans.crawls()
        running.kill()
        running.communicate(timeout=10)
        until(lambda: not plans.crawls())
    assert rows(plans.out().root / "isic") < 120
    replica.faults([])
    ended = plans.run(plan)
    assert ended.status == 0, ended.log
    assert table(ended.out) == table(plans.out("undisturbed"))


@pytest.mark.slow
def test_stopped_it_writes_and_goes_on(plans: Plans, replica: ReplicaProcess) -> None:
    plan = plans.write({**ISIC, "num_images": 200}, EPFL, {**EPFL, "name": "later"}, jobs=2)
    for signum, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        replica.faults([{"match": f"{IMAGES}|tif", "kind": "latency", "ms": 300}])
        before = rows(plans.out().root / "isic")
        running = plans.begin(plan)
        until(lambda before=before: rows(plans.out().root / "isic") > before + 5)
        running.send_signal(signum)
        log, _ = running.communicate(timeout=60)
        assert running.returncode == status, log
        assert not plans.crawls()
        out = plans.out()
        assert out.summary()["exit_status"] == status
        assert out.summary()["crawls"]["isic"]["state"] == "stopped"
        assert len([row for row in out.rows() if row["dataset"] == "isic"]) == rows(
            out.root / "isic"
        )
        assert not list(out.root.glob("*/.lock"))
        assert "Traceback" not in log
    replica.faults([])
    ended = plans.run(plan)
    assert ended.status == 0, ended.log
    assert ended.out.summary()["stored"] == 206


@pytest.mark.slow
def test_a_crawl_that_is_killed_fails_alone(plans: Plans, replica: ReplicaProcess) -> None:
    replica.faults([{"match": IMAGES, "kind": "latency", "ms": 300}])
    plan = plans.write({**ISIC, "num_images": 300}, EPFL)
    running = plans.begin(plan)
    until(lambda: rows(plans.out().root / "isic") > 3)
    until(lambda: len(plans.crawls()) == 1)
    os.kill(plans.crawls()[0], signal.SIGKILL)
    log, _ = running.communicate(timeout=60)
    assert running.returncode == 1, log
    crawls = plans.out().summary()["crawls"]
    assert "signal 9" in crawls["isic"]["error"]
    assert crawls["epfl"]["state"] == "done"
    found = [row["record_id"] for row in plans.out().rows()]
    assert len(found) == 3 + crawls["isic"]["stored"] > 6
    assert found == sorted(found)


@pytest.mark.slow
def test_one_at_a_time_of_a_group_and_no_second_run(plans: Plans, replica: ReplicaProcess) -> None:
    replica.faults([{"match": "dm3|tif", "kind": "latency", "ms": 500}])
    plan = plans.write(EPFL, {**EPFL, "name": "twin"}, {**FISH, "group": "static_page"})
    running = plans.begin(plan)
    until(plans.crawls)
    second = plans.run(plan)
    assert second.status == 1
    assert f"in use by another run (process {running.pid})" in second.log
    assert "out = ... in the plan" in second.log
    log, _ = running.communicate(timeout=60)
    assert running.returncode == 0, log
    changes = re.findall(r"INFO: (epfl|twin|fish): (running|done)", log)
    assert changes[::2] == [(name, "running") for name, _ in changes[::2]]
    assert changes[1::2] == [(name, "done") for name, _ in changes[::2]]
    assert len(changes) == 6


@pytest.mark.slow
def test_a_second_signal_gives_up_what_is_under_way(plans: Plans, replica: ReplicaProcess) -> None:
    replica.faults([{"match": IMAGES, "kind": "latency", "ms": 60_000}])
    running = plans.begin(plans.write(ISIC))
    until(lambda: any("/isic-s3/images" in path for path in replica.log()["paths"]))
    running.send_signal(signal.SIGINT)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    log, _ = running.communicate(timeout=30)
    assert running.returncode == 130, log
    assert not plans.crawls()
    assert plans.out().summary()["crawls"]["isic"]["state"] == "stopped"


def test_what_others_chose_moves_no_cursor() -> None:
    crawl = {"state": "failed", "error": "a\x1b[2J\r\nb", "stored": 1, "missing": 0, "bytes": 5}
    totals = {"stored": 1, "missing": 0, "bytes": 5, "exit_status": 1}
    words = format_result({"crawls": {"isic": crawl}, **totals}, Path("out"))
    assert words.splitlines()[0].endswith("a [2J b")


@pytest.mark.slow
def test_at_a_terminal_there_is_a_table(plans: Plans, replica: ReplicaProcess) -> None:
    plan = plans.write(ISIC, {**FISH, "max_files": 3})
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        plans.line(plan),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "150"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how a terminal ends
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.wait(timeout=30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"isic\s+done\s+━+\s+20/20", text)
    assert re.search(r"all\s+2 of 2\s+23\s", text)
    assert "WARNING fish: There are more files than max_files=3" in " ".join(text.split())

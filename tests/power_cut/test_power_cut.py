"""After a power cut at any moment, what is stored is right, and what was lost is fetched again."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.crawl.test_crawl_kills import CASES, told, wait_for
from tests.power_cut import compiler, cut, library, unsynced
from tests.soak import times

if TYPE_CHECKING:
    from pathlib import Path

    from replicas.process import ReplicaProcess
    from tests.conftest import Crawler

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("library"))


def test_the_log_tells_what_was_not_synced(preload: Path, tmp_path: Path) -> None:
    """What the system was only told to begin to write is not on the disk either."""
    code = f"""
import os
from imgcrawl.storage.disk_sync import start_writing
root = {str(tmp_path)!r}
with open(root + "/a", "wb") as file:
    file.write(b"x" * 10)
    file.flush()
    os.fsync(file.fileno())
    file.write(b"y" * 5)
    file.flush()
    start_writing(file.fileno(), 0, 15)
with open(root + "/b.part", "wb") as file:
    file.write(b"z")
os.rename(root + "/b.part", root + "/b")
"""
    log = tmp_path / "log"
    env = {"LD_PRELOAD": str(preload), "UNSYNCED_LOG": str(log), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, check=True)
    assert unsynced(log) == {str(tmp_path / "a"): [(10, 15)], str(tmp_path / "b"): [(0, 1)]}
    log.write_text(log.read_text() + "A\n")
    assert unsynced(log) == {}


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "name",
    ["urls", *(pytest.param(name, marks=pytest.mark.slow) for name in ("large files", "zarr"))],
)
def test_a_power_cut_at_any_moment(
    name: str, crawl: Crawler, replica: ReplicaProcess, tmp_path: Path, preload: Path
) -> None:
    case, random = CASES[name], Random(f"cut {name}")
    asked = case.first(tmp_path, replica.url)
    settings = {"CONCURRENT_REQUESTS_PER_DOMAIN": "4", "CHECK_FREE_DISK": "0", **case.settings}
    whole = crawl(case.spider, out="whole", settings=settings, **asked)
    assert whole.status == case.status, whole.log
    lost = 0
    for turn in range(times(few=1, many=40)):
        out, log = f"cut{turn}", tmp_path / f"cut{turn}.log"
        env = {"LD_PRELOAD": str(preload), "UNSYNCED_LOG": str(log), "PYTHONPATH": str(ROOT)}
        replica.faults([{"match": case.path, "kind": "latency", "ms": 100}])
        replica.reset()
        command = crawl.command(case.spider, out=out, settings=settings, **asked)
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as running:
            wait_for(replica, running, random.randrange(case.moves // 2, case.moves))
            running.kill()
        lost += cut(log, tmp_path / out, random)
        replica.faults([])
        ended = crawl(case.spider, out=out, settings=settings, **asked)
        assert ended.status == case.status, ended.log
        assert told(ended.out) == told(whole.out), f"turn {turn}"
        if name != "zarr":
            ended.out.verify()
    assert lost

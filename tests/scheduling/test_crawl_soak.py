"""Ten schedules, night after night, on lists and an archive that grow and fail, with kills.

``make soak`` has them run for two hours, or for IMGCRAWL_SOAK_SECONDS; the other tests for seconds.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.spiderloader import get_spider_loader
from scrapy.utils.project import get_project_settings

from imgcrawl.scheduling.schedules import Schedule, read_schedules
from replicas.process import ReplicaProcess
from tests.conftest import HASTE, Out, started
from tests.soak import times

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SECONDS = float(os.environ.get("IMGCRAWL_SOAK_SECONDS", times(few=10, many=7200)))
LISTS, ARCHIVES = 8, 2
NEW = 15  # records of each, a night
GROWTH = 20.0  # MB that a run of the last nights may take more than one of the first
FAULTS: list[dict[str, Any]] = [
    {"match": "/files/|/isic-s3/", "kind": "latency", "ms": 30},
    {"match": "[37]\\.jpg", "kind": "status", "status": 503, "times": 1},
    {"match": "5\\.jpg", "kind": "reset", "times": 1},
]


@dataclass
class Night:
    """What became of the runs of a night. peak: MB of the largest."""

    statuses: list[int] = field(default_factory=list)
    peak: float = 0.0


@pytest.fixture
def archive() -> Iterator[ReplicaProcess]:
    with ReplicaProcess(records=NEW, tiny=True) as process:
        yield process


def schedules(folder: Path) -> list[Schedule]:
    """The ten, as they stand in a schedules.toml."""
    entries = [
        f'[[schedule]]\nname = "list-{n}"\nspider = "urls"\nwhen = "{n} 2 * * *"\n'
        f'arguments = {{ list = "{folder}/list-{n}.txt", out = "{folder}/list-{n}" }}\n'
        for n in range(LISTS)
    ]
    entries += [
        f'[[schedule]]\nname = "isic-{n}"\nspider = "isic"\nwhen = "{n} 3 * * *"\n'
        f'arguments = {{ out = "{folder}/isic-{n}" }}\n'
        for n in range(ARCHIVES)
    ]
    (folder / "schedules.toml").write_text("\n".join(entries))
    loader = get_spider_loader(get_project_settings())
    return read_schedules(folder / "schedules.toml", loader, folder)


def publish(folder: Path, archive: ReplicaProcess, night: int) -> None:
    """Make the lists and the archive longer."""
    for n in range(LISTS):
        with (folder / f"list-{n}.txt").open("a") as file:
            numbers = range(night * NEW, (night + 1) * NEW)
            file.writelines(
                f"{archive.url}/files/jpeg/{k}.jpg?size=16x12&of={n}\n" for k in numbers
            )
    archive.grow((night + 1) * NEW)


def peak_of(pid: int) -> float:
    """The most memory that a process has had, in MB; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def run_night(folder: Path, archive: ReplicaProcess, dice: random.Random, *, kills: int) -> Night:
    """Run all schedules side by side, and kill some of them at any moment."""
    settings: dict[str, Any] = {
        **HASTE,
        "RETRY_BACKOFF_BASE": 0.01,
        "PLACEHOLDER_REPEATS": 0,
        "HTTPCACHE_ENABLED": 0,
        "HOST_BUDGET": folder / "hosts",
        "HOST_COOLDOWN": 0.2,
    }
    given = [part for name, value in settings.items() for part in ("-s", f"{name}={value}")]
    processes: list[subprocess.Popen[str]] = [
        started([*schedule.command(), *archive.settings(), *given])
        for schedule in schedules(folder)
    ]
    night = Night()
    doomed = {
        processes[n].pid: time.monotonic() + dice.uniform(0.5, 4)
        for n in dice.sample(range(len(processes)), kills)
    }
    left = dict(enumerate(processes))
    while left:
        for n, process in list(left.items()):
            night.peak = max(night.peak, peak_of(process.pid))
            at = doomed.get(process.pid)
            if at is not None and time.monotonic() > at:
                process.send_signal(dice.choice([signal.SIGKILL, signal.SIGTERM]))
                del doomed[process.pid]
            if process.poll() is not None:
                process.communicate()
                night.statuses.append(process.returncode)
                del left[n]
        time.sleep(0.1)
    return night


@pytest.mark.slow
@pytest.mark.soak
def test_ten_schedules_lose_nothing_whatever_happens_to_them(
    tmp_path: Path, archive: ReplicaProcess
) -> None:
    dice, until = random.Random(21), time.monotonic() + SECONDS
    nights: list[Night] = []
    while time.monotonic() < until or len(nights) < 2:
        publish(tmp_path, archive, len(nights))
        archive.faults(FAULTS)
        nights.append(run_night(tmp_path, archive, dice, kills=3))
        allowed = {0, 3, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM}
        assert set(nights[-1].statuses) <= allowed, nights[-1]
    archive.faults([])
    last = run_night(tmp_path, archive, dice, kills=0)
    assert last.statuses == [0] * (LISTS + ARCHIVES)
    for schedule in schedules(tmp_path):
        out = Out(Path(schedule.out))
        out.verify()
        assert len({row["record_id"] for row in out.rows()}) == len(nights) * NEW
        assert out.failures() == {}
    peaks = [night.peak for night in nights]
    quarter = max(1, len(peaks) // 4)
    assert median(peaks[-quarter:]) <= median(peaks[:quarter]) + GROWTH, peaks

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
from tests.alerts.test_alerts import Hook
from tests.conftest import HASTE, Out, scrapy, started
from tests.scheduling.night_watch import FORGOTTEN, NightWatch, rules
from tests.soak import times

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SECONDS = float(os.environ.get("IMGCRAWL_SOAK_SECONDS", times(few=10, many=7200)))
LISTS, ARCHIVES = times(few=3, many=8), times(few=1, many=2)
CALM = 3  # nights that tell what is usual
KILLS = times(few=1, many=3)  # a night
NEW = 15  # records of each, a night
LONGEST = 180.0  # seconds until the schedule that nobody runs has been told of
GROWTH = 20.0  # MB that a run of the last nights may take more than one of the first
FAULTS: list[dict[str, Any]] = [
    {"match": "/files/|/isic-s3/", "kind": "latency", "ms": 30},
    {"match": "[37]\\.jpg", "kind": "status", "status": 503, "times": 1},
    {"match": "5\\.jpg", "kind": "reset", "times": 1},
]


@dataclass
class Night:
    """What became of the runs of a night. peak: MB of the largest."""

    statuses: dict[str, int] = field(default_factory=dict)  # by schedule
    peak: float = 0.0


@pytest.fixture
def archive() -> Iterator[ReplicaProcess]:
    with ReplicaProcess(records=NEW, tiny=True) as process:
        yield process


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.shutdown()


def write_schedules(folder: Path, hook: Hook) -> None:
    """Write a schedules.toml with the ten, one that nobody runs, and rules."""
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
    (folder / "schedules.toml").write_text("\n".join(entries) + rules(folder, hook))


def schedules(folder: Path) -> list[Schedule]:
    """The ten, as they are read of the schedules.toml."""
    loader = get_spider_loader(get_project_settings())
    read = read_schedules(folder / "schedules.toml", loader, folder)
    return [schedule for schedule in read if schedule.name != FORGOTTEN]


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
    left: dict[str, subprocess.Popen[str]] = {
        schedule.name: started([*schedule.command(), *archive.settings(), *given])
        for schedule in schedules(folder)
    }
    night = Night()
    doomed = {
        left[name].pid: time.monotonic() + dice.uniform(0.5, 4)
        for name in dice.sample([*left], kills)
    }
    while left:
        for name, process in list(left.items()):
            night.peak = max(night.peak, peak_of(process.pid))
            at = doomed.get(process.pid)
            if at is not None and time.monotonic() > at:
                process.send_signal(dice.choice([signal.SIGKILL, signal.SIGTERM]))
                del doomed[process.pid]
            if process.poll() is not None:
                process.communicate()
                night.statuses[name] = process.returncode
                del left[name]
        time.sleep(0.1)
    return night


def rot(path: Path) -> None:
    """Change a byte of a stored file, as a disk does: its size and time stay."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def end_well(folder: Path, archive: ReplicaProcess, watch: NightWatch, first: int) -> int:
    """Calm nights, one without pictures and with a file that rots, and one that makes it good.

    first: how many nights there were. Returns how many there are then that brought records.
    """
    archive.faults([])
    dice, names = random.Random(0), [schedule.name for schedule in schedules(folder)]
    for number in range(first, first + CALM):
        publish(folder, archive, number)
        calm = run_night(folder, archive, dice, kills=0)
        assert set(calm.statuses.values()) == {0}
        assert watch.told() == watch.expected(calm.statuses)
    publish(folder, archive, first + CALM)
    archive.faults([{"match": "\\.jpg", "kind": "status", "status": 403}])
    dark = run_night(folder, archive, dice, kills=0)
    assert set(dark.statuses.values()) == {3}
    spoilt = Path(schedules(folder)[0].out)
    rot(spoilt / Out(spoilt).rows()[0]["file_name"])
    assert scrapy("verify", spoilt).returncode == 3
    unusual = {(name, rule) for name in names for rule in ("fewer_new", "missing_jump")}
    unusual |= {(names[0], "verify")}
    assert watch.expected(dark.statuses) == set()
    assert watch.told(hook_is_down=True) == {(*each, "bad") for each in unusual}
    archive.faults([])
    assert scrapy("verify", spoilt, "--repair").returncode == 3
    last = run_night(folder, archive, dice, kills=0)
    assert set(last.statuses.values()) == {0}
    assert scrapy("verify", spoilt).returncode == 0
    assert watch.expected(last.statuses) == set()
    assert watch.told() == {(*each, "good") for each in unusual}
    return first + CALM + 1


@pytest.mark.slow
@pytest.mark.soak
def test_ten_schedules_lose_nothing_whatever_happens_to_them(
    tmp_path: Path, archive: ReplicaProcess, hook: Hook
) -> None:
    dice, began = random.Random(21), time.monotonic()
    publish(tmp_path, archive, 0)  # a list that is not there is no schedule's
    write_schedules(tmp_path, hook)
    watch = NightWatch(tmp_path, hook, [schedule.name for schedule in schedules(tmp_path)])
    nights: list[Night] = []
    while time.monotonic() < began + SECONDS or len(nights) < 2:
        if nights:
            publish(tmp_path, archive, len(nights))
        archive.faults(FAULTS)
        nights.append(run_night(tmp_path, archive, dice, kills=KILLS))
        allowed = {0, 3, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM}
        assert set(nights[-1].statuses.values()) <= allowed, nights[-1]
        expected = watch.expected(nights[-1].statuses)
        assert watch.told(hook_is_down=len(nights) % 3 == 0) == expected
    published = end_well(tmp_path, archive, watch, len(nights))
    for schedule in schedules(tmp_path):
        out = Out(Path(schedule.out))
        out.verify()
        assert len({row["record_id"] for row in out.rows()}) == published * NEW
        assert out.failures() == {}
    assert watch.forgotten <= 1
    assert watch.forgotten or time.monotonic() < began + LONGEST
    peaks = [night.peak for night in nights]
    quarter = max(1, len(peaks) // 4)
    assert median(peaks[-quarter:]) <= median(peaks[:quarter]) + GROWTH, peaks

"""What whole-crawl tests share: a crawl as a user starts it, and the replica to crawl."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from imgcrawl.arguments import parse_arguments
from imgcrawl.records.errors import ArgumentError
from replicas.process import ReplicaProcess
from tests.schedule import TogetherScheduling
from tests.warm_start import WARM, Popen, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from scrapy import Spider
    from xdist.remote import Producer

ROOT = Path(__file__).parent.parent

# Hundreds of crawls start here: they share what Python compiles, whatever the shell says of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Nobody here has a certificate that an authority signed. aiohttp reads the machine's list of them
# twice as it is imported, in every crawl: a twentieth of what its start costs.
os.environ["SSL_CERT_FILE"] = os.devnull

# Tests that run side by side mean different servers by the same host.
os.environ["IMGCRAWL_HOST_BUDGET"] = "off"

# How long an example takes is told by the machine's other work. Where it is the subject, a test
# says its own deadline.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

# Nothing here is a stranger's server: what politeness costs is tested where it is the subject.
HASTE = {"AUTOTHROTTLE_ENABLED": "0", "CONCURRENT_REQUESTS_PER_DOMAIN": "16"}


@dataclass
class Out:
    """An OUT, to be looked into."""

    root: Path

    def rows(self, name: str = "metadata.csv") -> list[dict[str, str]]:
        with (self.root / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def failures(self) -> dict[str, str]:
        rows = self.rows("failures.csv")
        assert len({row["record_id"] for row in rows}) == len(rows)
        return {row["record_id"]: row["reason"] for row in rows}

    def summary(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.root / "summary.json").read_text("utf-8"))
        return loaded

    def files(self) -> dict[str, str]:
        """Name and SHA-256 of every file but those that tell of the run itself."""
        own = {"ledger.sqlite", "summary.json", "metadata.csv", "failures.csv", "changes.csv"}
        own.add("runs.csv")
        own |= {f"{split}/metadata.parquet" for split in ("train", "validation", "test")}
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.relative_to(self.root).as_posix() not in own
        }

    def verify(self) -> None:
        """Every row has its file, every file its row, and the bytes are those of the row."""
        # A cell that could be a formula has an apostrophe before it.
        named = [row for row in self.rows() if row["file_name"]]
        if (self.root / "masks.csv").exists():
            named += self.rows("masks.csv")
        rows = {row["file_name"].removeprefix("'"): row for row in named}
        assert len(rows) == len(named)
        images = {n: d for n, d in self.files().items() if n.split("/")[0] in _image_dirs(rows)}
        assert set(images) == set(rows)
        for name, digest in images.items():
            assert rows[name]["sha256"] == digest
            assert int(rows[name]["bytes"]) == (self.root / name).stat().st_size


def _image_dirs(names: dict[str, Any]) -> set[str]:
    return {name.split("/")[0] for name in names}


def pytest_xdist_auto_num_workers() -> int:
    """Two test processes a core: half of the time a crawl waits for its server or its kill."""
    return 2 * (os.cpu_count() or 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherScheduling:
    """Hand the tests out as tests/schedule.py says."""
    return TogetherScheduling(config, log)


def started(command: list[str]) -> subprocess.Popen[str]:
    """A command of the project under way, all that it says in one pipe."""
    return Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def scrapy(*words: str | Path, env: dict[str, str] | None = None) -> CompletedProcess[str]:
    """``scrapy`` with these words, to its end."""
    return run([*WARM, *map(str, words)], env=env, capture_output=True, timeout=120)


def until(what: Any, seconds: float = 60, every: float = 0.05) -> Any:
    """What a call of this gives, once it gives something; fails when it never does."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(every)
    return found


def refusal(spider: type[Spider], **args: Any) -> str:
    """What is said of arguments that a spider does not take: a crawl says it and ends with 2."""
    with pytest.raises(ArgumentError) as caught:
        parse_arguments(spider, {name: str(value) for name, value in args.items()})
    return str(caught.value)


@dataclass
class Ended:
    """A crawl that has ended."""

    status: int
    log: str
    out: Out


class Crawler:
    """Starts ``scrapy crawl`` as a user does."""

    def __init__(self, tmp_path: Path, replica: ReplicaProcess | None) -> None:
        self.tmp_path = tmp_path
        self.replica = replica

    def command(
        self, spider: str, *, out: str = "out", settings: dict[str, Any] | None = None, **args: Any
    ) -> list[str]:
        merged: dict[str, Any] = {
            **HASTE,
            "HTTPCACHE_DIR": self.tmp_path / f"cache-{out.replace('/', '-')}",
            "RETRY_BACKOFF_BASE": "0.01",
            **(settings or {}),
        }
        command = [*WARM, "crawl", spider]
        if self.replica is not None:
            command += self.replica.settings()
        for name, value in merged.items():
            command += ["-s", f"{name}={value}"]
        place = out if "://" in out else self.tmp_path / out
        for name, value in {"out": place, **args}.items():
            command += ["-a", f"{name}={value}"]
        return command

    def start(self, spider: str, **kwargs: Any) -> subprocess.Popen[str]:
        return started(self.command(spider, **kwargs))

    def __call__(self, spider: str, *, stdin: str | None = None, **kwargs: Any) -> Ended:
        ended = run(
            self.command(spider, **kwargs),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=stdin or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
        )
        return Ended(ended.returncode, ended.stdout, self.out(kwargs.get("out", "out")))

    def out(self, name: str = "out") -> Out:
        return Out(self.tmp_path / name)


@pytest.fixture(scope="session")
def _replica() -> Iterator[ReplicaProcess]:
    with ReplicaProcess(records=5000, tiny=True) as process:
        yield process


@pytest.fixture
def replica(_replica: ReplicaProcess) -> Iterator[ReplicaProcess]:
    """The replica, healthy and with an empty log."""
    _replica.faults([])
    _replica.web()
    _replica.isic()
    _replica.reset()
    yield _replica
    _replica.faults([])


@pytest.fixture
def crawl(tmp_path: Path, replica: ReplicaProcess) -> Crawler:
    """A crawl against the replica."""
    return Crawler(tmp_path, replica)

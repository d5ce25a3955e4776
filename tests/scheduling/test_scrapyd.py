"""A real Scrapyd: what `make deploy` puts on it, jobs, their OUT, cancelled ones, no eggs."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.conftest import HASTE, ROOT, Out, scrapy, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicas.process import ReplicaProcess

PROJECT = ("imgcrawl", "spiders", "pipelines")
FILES = ("pyproject.toml", "scrapy.cfg", "README.md", "LICENSE", "Makefile", "scrapyd.conf")
PASSWORD = "%d of $HOME & 'more'"


@dataclass
class Scrapyd:
    """A Scrapyd that runs."""

    home: Path
    base: Path
    port: int
    password: str

    def read(self, path: str, data: bytes | None = None, password: str | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", data)
        secret = f"imgcrawl:{self.password if password is None else password}"
        request.add_header("Authorization", f"Basic {base64.b64encode(secret.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
        return body

    def ask(self, service: str, password: str | None = None, **fields: Any) -> dict[str, Any]:
        """POST what starts or stops something, GET the rest."""
        data = urlencode(fields, doseq=True)
        if service in {"schedule", "cancel"}:
            body = self.read(f"{service}.json", data.encode(), password)
        else:
            body = self.read(f"{service}.json?{data}", None, password)
        loaded: dict[str, Any] = json.loads(body)
        return loaded

    def schedule(self, replica: ReplicaProcess, spider: str = "isic", **fields: Any) -> str:
        """Put a job on the queue; its id."""
        parts = replica.settings()[1::2]
        settings = [*parts, *(f"{name}={value}" for name, value in HASTE.items())]
        settings += ["HTTPCACHE_ENABLED=0", *fields.pop("setting", [])]
        said = self.ask("schedule", project="imgcrawl", spider=spider, setting=settings, **fields)
        assert said["status"] == "ok", said
        return str(said["jobid"])

    def state(self, job: str) -> str:
        return str(self.ask("status", project="imgcrawl", job=job)["currstate"])

    def finished(self, job: str) -> str:
        """Wait for the end of a job; its log."""
        until(lambda: self.state(job) == "finished", 120)
        [log] = (self.home / "logs" / "imgcrawl").glob(f"*/{job}.log")
        return log.read_text("utf-8")

    def out(self, name: str) -> Out:
        return Out(self.base / name)


@contextlib.contextmanager
def running(room: Path, *options: str, password: str = "") -> Iterator[Scrapyd]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home, base = room / "home", room / "base"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SCRAPY", "IMGCRAWL"))}
    env |= {"IMGCRAWL_DIR": str(base), "PYTHONPATH": str(ROOT)}
    env |= {"SCRAPYD_PASSWORD": password} if password else {}
    command = [sys.executable, "-m", "scrapy", "scrapyd", "--home", str(home), *options]
    room.mkdir(exist_ok=True)
    with (room / "scrapyd.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, (room / "scrapyd.log").read_text()
            try:
                return bool(Scrapyd(home, base, port, "").ask("daemonstatus"))
            except urllib.error.HTTPError as error:
                return error.code == 401
            except OSError:
                return False

        until(answers, 120)
        yield Scrapyd(home, base, port, (home / "password").read_text().strip())
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def scrapyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrapyd]:
    """A Scrapyd on which `make deploy` has put the egg of a copy of the project."""
    room = tmp_path_factory.mktemp("scrapyd")
    with running(room) as daemon:
        copy = room / "checkout"
        for name in (*PROJECT, "requirements"):
            shutil.copytree(ROOT / name, copy / name)
        for name in FILES:
            shutil.copy2(ROOT / name, copy / name)
        target = (copy / "scrapy.cfg").read_text()
        (copy / "scrapy.cfg").write_text(target.replace(":6800", f":{daemon.port}"))
        # The environment that the tests run in is the one that make would have made.
        (copy / ".venv").mkdir()
        (copy / ".venv/bin").symlink_to(Path(sys.executable).parent)
        for stamp in (".core", ".all"):
            (copy / ".venv" / stamp).touch()
        done = subprocess.run(
            ["make", "deploy"],
            cwd=copy,
            env={**os.environ, "IMGCRAWL_HOME": str(daemon.home)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        left = {path.name for path in copy.iterdir()}
        assert left == {*PROJECT, *FILES, "requirements", ".venv"}
        yield daemon


def images_asked(replica: ReplicaProcess) -> int:
    paths = replica.log()["paths"]
    return sum(n for path, n in paths.items() if path.startswith("/isic-s3/images/"))


@pytest.mark.slow
def test_a_job_of_the_egg(scrapyd: Scrapyd, replica: ReplicaProcess) -> None:
    assert scrapyd.ask("listprojects")["projects"] == ["imgcrawl"]
    assert {"isic", "imagenet"} <= set(scrapyd.ask("listspiders", project="imgcrawl")["spiders"])
    asked: dict[str, Any] = {"num_images": 25, "filter": "benign", "out": "data/mine"}
    job = scrapyd.schedule(replica, **asked, setting=["HTTPCACHE_ENABLED=1"])
    log = scrapyd.finished(job)
    out = scrapyd.out("data/mine")  # a relative path begins where Scrapyd was started
    assert len(out.rows()) == 25, log
    out.verify()
    assert out.failures() == {}
    assert "25 stored" in log
    assert f"metadata.csv are in {out.root}" in log  # all of the path: who reads it is elsewhere
    assert "exit status 0: all stored" in log
    assert "Traceback" not in log
    summary = out.summary()
    assert summary["arguments"] == {"num_images": "25", "filter": "benign", "out": "data/mine"}
    assert (scrapyd.base / ".scrapy/httpcache/cache.sqlite").is_file()  # an egg has no folder
    # A job's log is read over HTTP too, and Scrapyd tells of itself.
    served = scrapyd.read(f"logs/imgcrawl/isic/{job}.log").decode()
    assert served == log
    told = scrapy("scrapyd", "--check", "--port", str(scrapyd.port), "--home", scrapyd.home)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("pending 0, running 0, finished ")
    [egg] = (scrapyd.home / "eggs" / "imgcrawl").iterdir()
    assert egg.suffix == ".egg"


@pytest.mark.slow
def test_the_data_files_are_in_the_egg(scrapyd: Scrapyd, replica: ReplicaProcess) -> None:
    asked: dict[str, Any] = {"classes": "tench", "n": 3, "hosts": "all"}
    log = scrapyd.finished(scrapyd.schedule(replica, "imagenet", out="data/classes", **asked))
    assert "exit status 0: all stored" in log, log
    assert len(scrapyd.out("data/classes").rows()) == 3


@pytest.mark.slow
def test_wrong_arguments_are_said_in_the_log_of_the_job(
    scrapyd: Scrapyd, replica: ReplicaProcess
) -> None:
    log = scrapyd.finished(scrapyd.schedule(replica, fliter="benign", out="data/none"))
    assert "did you mean 'filter'?" in log
    assert not scrapyd.out("data/none").root.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cancelled_by", "words"),
    [
        ({}, "exit status 130: stopped by SIGINT"),  # what Scrapyd sends unless told otherwise
        ({"signal": "KILL"}, ""),
    ],
)
def test_a_cancelled_job_goes_on_when_scheduled_again(
    scrapyd: Scrapyd, replica: ReplicaProcess, cancelled_by: dict[str, str], words: str
) -> None:
    slow = ["DOWNLOAD_DELAY=0.1", "CONCURRENT_REQUESTS_PER_DOMAIN=1"]
    into = f"data/cut-{'-'.join(cancelled_by.values())}"
    job = scrapyd.schedule(replica, num_images=60, out=into, setting=slow)
    images = scrapyd.out(into).root / "images"
    until(lambda: images.is_dir() and len(list(images.iterdir())) > 10, 120)
    said = scrapyd.ask("cancel", project="imgcrawl", job=job, **cancelled_by)
    assert said["prevstate"] == "running"
    log = scrapyd.finished(job)
    assert words in log
    before = len(list(images.iterdir()))
    assert 10 <= before < 60
    again = scrapyd.finished(scrapyd.schedule(replica, num_images=60, out=into))
    assert "exit status 0: all stored" in again
    scrapyd.out(into).verify()
    assert len(scrapyd.out(into).rows()) == 60
    if words:  # a stop is no loss; a kill may cost what was under way
        assert images_asked(replica) == 60


@pytest.mark.slow
def test_strangers_are_not_let_in(scrapyd: Scrapyd) -> None:
    for password in ("", "imgcrawl"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            scrapyd.ask("daemonstatus", password)
    assert len(scrapyd.password) >= 32
    for name in ("password", "scrapy.cfg"):
        assert stat.S_IMODE((scrapyd.home / name).stat().st_mode) == 0o600
    with pytest.raises(OSError, match="refused"):  # on loopback, and on no other address
        socket.create_connection(("127.0.0.2", scrapyd.port), timeout=5)


@pytest.mark.slow
def test_the_checkout_without_an_egg(tmp_path: Path, replica: ReplicaProcess) -> None:
    with running(tmp_path, "--in-project", password=PASSWORD) as daemon:
        assert daemon.password == PASSWORD
        assert daemon.ask("listprojects")["projects"] == ["imgcrawl"]
        assert "isic" in daemon.ask("listspiders", project="imgcrawl")["spiders"]
        log = daemon.finished(daemon.schedule(replica, num_images=5))
        assert "exit status 0: all stored" in log
        assert len(daemon.out("data/isic").rows()) == 5
        with pytest.raises(urllib.error.HTTPError, match="404"):
            daemon.ask("addversion")
        assert PASSWORD not in (tmp_path / "scrapyd.log").read_text()


@pytest.mark.slow
def test_an_open_address_needs_a_password(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("SCRAPYD")}
    done = scrapy("scrapyd", "--host", "0.0.0.0", "--home", tmp_path, env=env)
    assert done.returncode == 2
    assert "SCRAPYD_PASSWORD" in done.stderr
    assert not list(tmp_path.iterdir())

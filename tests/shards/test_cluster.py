"""A cluster of machines, each a process with an address of its own: TLS, and hosts in common."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT, Crawler, until
from tests.docs.blocks import blocks
from tests.download.server import Asked, Connection, Server, http
from tests.download.test_host_budget import PICTURE, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux alone"),
]
N = 60
SCHEDULER, MACHINES = "127.0.0.2", ("127.0.0.3", "127.0.0.4")


@dataclass
class Cluster:
    """A scheduler and two workers, whose keys stand in the environment."""

    address: str
    env: dict[str, str]


def keys(folder: Path) -> dict[str, str]:
    """What the block of the documentation makes, and exports."""
    texts = [block.body for block in blocks() if "openssl req" in block.body]
    made = subprocess.run(
        ["sh", "-ec", f"{texts[0].replace('$ ', '')}\nenv -0"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    pairs = (line.partition("=") for line in made.stdout.decode().split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("DASK_")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    env = {**os.environ, **keys(folder), "PYTHONPATH": str(ROOT)}
    info, processes = folder / "scheduler.json", []

    def start(*words: str, **given: str) -> None:
        command = [sys.executable, "-m", *words]
        own = {**env, **given}
        processes.append(
            subprocess.Popen(
                command, cwd=folder, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )

    try:
        where = ("--scheduler-file", str(info))
        command = "distributed.cli.dask_scheduler"
        start(command, *where, "--host", f"tls://{SCHEDULER}", "--port", "0", "--no-dashboard")
        until(lambda: info.exists() and info.read_text())
        for address in MACHINES:
            hosts = str(folder / f"hosts-{address}")  # what makes two machines of them
            at = (json.loads(info.read_text())["address"], "--host", f"tls://{address}")
            command = "distributed.cli.dask_worker"
            options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(folder))
            start(command, *at, *options, IMGCRAWL_HOST_BUDGET=hosts)
        yield Cluster(json.loads(info.read_text())["address"], env)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def shards(cluster: Cluster, tmp_path: Path, server: Server, **settings: Any) -> Any:
    listed = tmp_path / "urls.txt"
    listed.write_text("".join(f"{server.url(f'/{k}.jpg')}\n" for k in range(N)))
    given = {"ROBOTSTXT_OBEY": 0, "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32", **settings}
    command = Crawler(tmp_path, None).command("urls", list=listed, settings=given)
    command[command.index("crawl")] = "shards"
    command += ["--cut", "record", "-n", "4", "--scheduler", cluster.address]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=cluster.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_machines_keep_the_limit_of_a_host_and_a_pause(
    cluster: Cluster, tmp_path: Path
) -> None:
    assert cluster.address.startswith(f"tls://{SCHEDULER}:")
    asked_for = threading.Event()

    async def answer(asked: Asked, connection: Connection) -> bytes:
        await asyncio.sleep(0.3)
        if asked.path == "/30.jpg" and not asked_for.is_set():
            asked_for.set()
            return http(b"", 429, "Retry-After: 8")
        return http(PICTURE + asked.path.encode(), 200, "Content-Type: image/jpeg")

    with served(answer) as server:
        limit = {"CONCURRENT_REQUESTS_PER_DOMAIN": 4, "DOWNLOAD_DELAY": 0}
        process = shards(cluster, tmp_path, server, **limit)
        log, _ = process.communicate(timeout=240)
        assert process.returncode == 0, log
    assert 2 <= server.most_active <= 4
    assert f"{N} stored" in log
    # Whoever has not asked for it himself is told within two seconds, and keeps it to its end.
    limited = next(asked.at for asked in server.asked if asked.path == "/30.jpg")
    assert not [asked for asked in server.asked if limited + 4 < asked.at < limited + 7]


def test_who_has_no_key_gives_the_cluster_no_work(cluster: Cluster, tmp_path: Path) -> None:
    bare = {name: value for name, value in cluster.env.items() if not name.startswith("DASK_")}
    for address in (cluster.address, cluster.address.replace("tls:", "tcp:")):
        with served(http(PICTURE)) as server:
            process = shards(Cluster(address, bare), tmp_path, server)
            log, _ = process.communicate(timeout=120)
        assert process.returncode == 1, log
        assert "no Dask scheduler answers" in log
        assert server.asked == []

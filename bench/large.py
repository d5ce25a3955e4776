"""One large file, beside wget, curl and aria2c, with and without a limit per connection.

The server is nginx, which serves such files in the real world; programs that are not installed are
left out. imgcrawl hashes what it stores, the others do not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import ROOT
from bench.measure import Measured, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NGINX = """
daemon off; worker_processes 2; error_log stderr crit; pid {room}/pid;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; client_body_temp_path {room}/b; proxy_temp_path {room}/p;
 fastcgi_temp_path {room}/f; uwsgi_temp_path {room}/u; scgi_temp_path {room}/s;
 server {{ listen 127.0.0.1:{port}; root {room}/www;
  location /slow/ {{ alias {room}/www/; limit_rate 40m; }} }} }}
"""
CONNECTIONS = 8
PORT = 18321


def main(gigabytes: float, rounds: int) -> None:
    """Print seconds and peak memory of each, and how much slower than aria2c imgcrawl is."""
    if shutil.which("nginx") is None:
        raise SystemExit("This needs nginx: apt install nginx-light aria2 curl wget")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        room = Path(name)
        digest = make_file(room / "www", round(gigabytes * 1e9))
        with nginx(room):
            for kind, place in (("no limit", ""), ("40 MB/s per connection", "slow/")):
                _compare(room, f"http://127.0.0.1:{PORT}/{place}big.bin", kind, rounds, digest)


def _compare(room: Path, url: str, kind: str, rounds: int, digest: str) -> None:
    programs = _programs(url, room / "out")
    found: dict[str, list[Measured]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            shutil.rmtree(room / "out", ignore_errors=True)
            (room / "out").mkdir()
            found[name].append(run(command))
            (file,) = [path for path in (room / "out").rglob("big.bin") if path.is_file()]
            assert _sha256(file) == digest, f"{name} got other bytes"
    print(f"\n{kind}\n{'':24}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}")
    for name, runs in found.items():
        wall, cpu = (statistics.median(getattr(r, k) for r in runs) for k in ("wall", "cpu"))
        print(f"{name:24}{wall:9.1f}{cpu:8.1f}{max(r.rss for r in runs):9.0f}")
    if "aria2c -x8" in found:
        pairs = zip(found["imgcrawl"], found["aria2c -x8"], strict=True)
        ratios = sorted(ours.wall / theirs.wall for ours, theirs in pairs)
        print(f"imgcrawl / aria2c -x8, round by round: {', '.join(f'{r:.2f}' for r in ratios)}")


def crawl_of(url: str) -> list[str]:
    """Return the arguments of scrapy that download one file; `out` is to follow."""
    settings = {
        "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
        "CONCURRENT_REQUESTS_PER_DOMAIN": CONNECTIONS,
        "FILE_CONNECTIONS": CONNECTIONS,
        "AUTOTHROTTLE_ENABLED": 0,
        "LOG_LEVEL": "WARNING",
        "SPIDER_MODULES": "bench.spiders",
        "ROBOTSTXT_OBEY": 0,
    }
    options = [part for name, value in settings.items() for part in ("-s", f"{name}={value}")]
    return ["crawl", "one_file", *options, "-a", f"url={url}"]


def _programs(url: str, out: Path) -> dict[str, list[str]]:
    crawl = [sys.executable, "-m", "scrapy", *crawl_of(url)]
    programs = {
        "imgcrawl": [*crawl, "-a", f"out={out}"],
        "aria2c -x8": ["aria2c", "-q", "-x8", "-s8", "--file-allocation=none", "-d", str(out), url],
        "curl": ["curl", "-s", "-o", str(out / "big.bin"), url],
        "wget": ["wget", "-q", "-O", str(out / "big.bin"), url],
    }
    return {n: c for n, c in programs.items() if n == "imgcrawl" or shutil.which(c[0])}


def make_file(folder: Path, size: int) -> str:
    """Write a file with some bytes every 64 MB and holes between, and return its SHA-256."""
    folder.mkdir()
    path = folder / "big.bin"
    with path.open("wb") as file:
        file.truncate(size)
        for offset in range(0, size, 64 << 20):
            file.seek(offset)
            file.write(hashlib.sha256(str(offset).encode()).digest() * 1024)
        file.truncate(size)
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def nginx(room: Path) -> Iterator[None]:
    config = room / "nginx.conf"
    config.write_text(NGINX.format(room=room, port=PORT))
    room.chmod(0o755)
    if os.getuid() == 0:
        config.write_text("user root;" + config.read_text())
    server = subprocess.Popen(["nginx", "-c", str(config), "-e", "stderr"], cwd=ROOT)
    try:
        time.sleep(0.5)
        if server.poll() is not None:
            raise SystemExit("nginx did not start")
        yield
    finally:
        server.terminate()
        server.wait()

"""Shards on a Dask cluster of processes, two of its workers killed, beside one process.

The merged dataset must be that of the one process; the ratio of their wall times is printed.
"""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.contenders import ROOT
from bench.measure import picture_server, run

SETTINGS = {
    "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
    "AUTOTHROTTLE_ENABLED": "0",
    "CONCURRENT_REQUESTS_PER_DOMAIN": "64",
    "PLACEHOLDER_REPEATS": "0",
}
KILLS = 2
_KEPT = ("record_id", "url", "sha256", "bytes")


def main(records: int, shards: int, workers: int) -> None:
    """Run one process, then shards undisturbed, then shards with workers killed."""
    with picture_server() as base, tempfile.TemporaryDirectory() as room:
        urls = Path(room, "urls.txt")
        urls.write_text("".join(f"{base}/{n}.jpg\n" for n in range(records)))
        arguments = [f"-alist={urls}"]
        for name, value in SETTINGS.items():
            arguments += ["-s", f"{name}={value}"]
        scrapy = [sys.executable, "-m", "scrapy"]
        cut = ["-n", str(shards), "--workers", str(workers), "--cut", "record"]
        single, whole, killed = (Path(room, name) for name in ("single", "whole", "killed"))
        one = run([*scrapy, "crawl", "urls", *arguments, f"-aout={single}"])
        print(f"one process: {one.wall:.1f} s", flush=True)
        several = run([*scrapy, "shards", "urls", *cut, *arguments, f"-aout={whole}"])
        ratio = one.wall / several.wall
        print(f"{shards} shards, {workers} workers: {several.wall:.1f} s, {ratio:.2f}x", flush=True)
        command = [*scrapy, "shards", "urls", *cut, *arguments, f"-aout={killed}"]
        wall, status = _with_kills(command, killed, several.wall)
        orphans = len(_crawls(killed))
        print(f"{KILLS} workers killed: {wall:.1f} s, exit {status}, {orphans} orphans")
        expected = _rows(single)
        for what, out in (("undisturbed", whole), ("killed", killed)):
            verdict = "the same" if _rows(out) == expected else "NOT the same"
            print(f"{what}: {len(_rows(out)):,} rows, {verdict} as of one process")


def _with_kills(command: list[str], out: Path, wall: float) -> tuple[float, int]:
    """Run a command and kill workers at a third and two thirds of `wall` seconds.

    Return its wall seconds and exit status.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        for n in range(1, KILLS + 1):
            time.sleep(max(0, started + n * wall / (KILLS + 1) - time.monotonic()))
            while not (crawls := _crawls(out)) and process.poll() is None:
                time.sleep(0.05)
            if crawls:
                worker = next(iter(crawls.values()))
                os.kill(worker, signal.SIGKILL)
                print(f"killed worker {worker}", flush=True)
        status = process.wait()
    return time.monotonic() - started, status


def _crawls(out: Path) -> dict[int, int]:
    """Return the crawls that log below an OUT: process id -> process id of their worker."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            log = str((status.with_name("fd") / "2").readlink())
            parent = int(re.findall(r"PPid:\t(\d+)", status.read_text())[0])
        except (OSError, IndexError):
            continue
        if log.startswith(f"{out}/"):
            found[int(status.parent.name)] = parent
    return found


def _rows(out: Path) -> list[tuple[str, ...]]:
    with (out / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return [tuple(row[name] for name in _KEPT) for row in csv.DictReader(file)]

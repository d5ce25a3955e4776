"""The price of durability: pictures and bytes a second with files on the disk before their rows.

Each round has a run with all syncs and one whose syncs do nothing, in reverse order every other
round. OUT lies on a disk: BENCH_DIR, or the directory for temporary files.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.large import PORT, crawl_of, make_file, nginx
from bench.measure import picture_server, run

_NO_SYNC = """
import os
os.fsync = os.fdatasync = lambda fd: None
from imgcrawl.storage import disk_sync
disk_sync.start_writing = lambda fd, start, end: None  # the system writes when it likes
from scrapy.cmdline import execute
execute()
"""
_PICTURES = {
    "SPIDER_MODULES": "bench.spiders",
    "IMAGE_CHECK": "header",  # the quickest: the disk has most to do
    "ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
    "CONCURRENT_REQUESTS_PER_DOMAIN": 64,
    "ITEMS_IN_FLIGHT_PER_HOST": 72,
    "AUTOTHROTTLE_ENABLED": 0,
    "LOG_LEVEL": "WARNING",
    "HTTPCACHE_ENABLED": 0,
}


def main(images: int, gigabytes: float, rounds: int) -> None:
    """Print the speed with and without syncs, and their ratio round by round."""
    print(f"{'':32}{'with':>9}{'without':>9}   with / without, round by round")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        room = Path(name)
        with picture_server() as base:
            options = [part for pair in _PICTURES.items() for part in ("-s", "{}={}".format(*pair))]
            crawl = ["crawl", "numbered", *options, "-a", f"base={base}", "-a", f"n={images}"]
            crawl += ["-a", f"out={room / 'out'}"]
            _print("JPEGs of 80 kB, images/s", images, _measure(crawl, room / "out", rounds))
        if shutil.which("nginx") is None:
            print("The large file needs nginx: apt install nginx-light")
            return
        make_file(room / "www", round(gigabytes * 1e9))
        with nginx(room):
            crawl = [*crawl_of(f"http://127.0.0.1:{PORT}/big.bin"), "-a", f"out={room / 'out'}"]
            _print("a large file, MB/s", gigabytes * 1e3, _measure(crawl, room / "out", rounds))


def _measure(crawl: list[str], out: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of runs with all syncs, and of those without."""
    commands = (
        [sys.executable, "-m", "scrapy", *crawl],
        [sys.executable, "-c", _NO_SYNC, *crawl, "-s", "SYNC_TO_DISK=0"],
    )
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            shutil.rmtree(out, ignore_errors=True)
            os.sync()  # what the last run left to be written is not this one's
            measured = run(commands[which])
            if measured.status:
                raise SystemExit(f"exit status {measured.status}")
            found[which].append(measured.wall)
    return found


def _print(what: str, amount: float, found: tuple[list[float], list[float]]) -> None:
    """Print one kind of files. amount: what a run stores, in the unit of the figures."""
    synced, unsynced = found
    ratios = sorted(b / a for a, b in zip(synced, unsynced, strict=True))
    print(
        f"{what:32}{amount / median(synced):9.0f}{amount / median(unsynced):9.0f}   "
        f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}; median {median(ratios):.2f}",
        flush=True,
    )
